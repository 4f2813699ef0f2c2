import java.lang.reflect.Method;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.util.Comparator;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.stream.Stream;

/** What DBeaver and Tableau ask of a database before its user has asked anything: java Metadata URL USER PASSWORD. */
public final class Metadata {
    public static void main(String[] args) throws Exception {
        Properties login = new Properties();
        login.put("user", args[1]);
        login.put("password", args[2]);
        try (Connection connection = DriverManager.getConnection(args[0], login)) {
            DatabaseMetaData about = connection.getMetaData();
            Say.say("tables", () -> Say.records(about.getTables(null, null, null, null)));
            Say.say("views", () -> Say.records(about.getTables(null, "claims", "%", new String[] {"VIEW"})));
            Say.say("pattern", () -> Say.records(about.getTables("policy_db", "pub%", "cust_mer", null)));
            Say.say("columns", () -> Say.records(about.getColumns("policy_db", "public", null, null)));
            Say.say("one column", () -> Say.records(about.getColumns(null, "public", "policy", "prem%")));
            Say.say("type info", () -> Say.records(about.getTypeInfo()));
            Say.say("catalogs", () -> Say.rows(about.getCatalogs()));
            Say.say("schemas", () -> Say.rows(about.getSchemas()));
            Say.say("schemas of", () -> Say.rows(about.getSchemas("policy_db", "pub%")));
            Say.say("table types", () -> Say.rows(about.getTableTypes()));
            Say.say("primary keys", () -> Say.records(about.getPrimaryKeys("policy_db", "public", "policy")));
            Say.say("imported keys", () -> Say.records(about.getImportedKeys("policy_db", "public", "policy")));
            Say.say("exported keys", () -> Say.records(about.getExportedKeys("policy_db", "public", "customer")));
            Say.say("cross reference", () -> Say.records(
                    about.getCrossReference("policy_db", "public", "customer", "policy_db", "public", "policy")));
            Say.say("procedures", () -> Say.rows(about.getProcedures(null, null, null)));
            Say.say("functions", () -> Say.rows(about.getFunctions(null, null, null)));
            Say.say("index info", () -> Say.rows(about.getIndexInfo("policy_db", "public", "policy", false, true)));
            Say.say("version columns", () -> Say.rows(about.getVersionColumns("policy_db", "public", "policy")));
            Say.say("best row", () -> Say.rows(about.getBestRowIdentifier("policy_db", "public", "policy", 0, true)));
            Say.say("client info", () -> Say.rows(about.getClientInfoProperties()));
            Say.say("udts", () -> Say.rows(about.getUDTs(null, null, null, null)));
            getters(about);
        }
    }

    /** Every getter that says one thing of the database: supports…, getMax…, …Functions, and so on. */
    private static void getters(DatabaseMetaData about) {
        Map<String, Object> answers = new TreeMap<>();
        Map<String, Object> levels = new TreeMap<>();
        Stream.of(DatabaseMetaData.class.getMethods())
                .filter(m -> m.getReturnType().isPrimitive() || m.getReturnType() == String.class)
                .sorted(Comparator.comparing(Method::getName))
                .forEach(m -> {
                    if (m.getParameterCount() == 0) {
                        answers.put(m.getName(), answer(about, m));
                    } else if (m.getParameterCount() == 1 && m.getParameterTypes()[0] == int.class) {
                        for (int level : new int[] {0, 1, 2, 4, 8, 1003, 1004, 1005, 1007, 1008}) {
                            levels.put(m.getName() + " " + level, answer(about, m, level));
                        }
                    }
                });
        Say.say("getters", () -> answers);
        Say.say("levels", () -> levels);
    }

    private static Object answer(DatabaseMetaData about, Method method, Object... arguments) {
        try {
            return method.invoke(about, arguments);
        } catch (Exception error) {
            return Map.of("error", Say.chain(error.getCause()));
        }
    }
}
