import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.Statement;
import java.util.Properties;

/** Products defined, read and dropped over JDBC: java Definitions URL USER PASSWORD. */
public final class Definitions {
    public static void main(String[] args) throws Exception {
        Properties login = new Properties();
        login.put("user", args[1]);
        login.put("password", args[2]);
        try (Connection connection = DriverManager.getConnection(args[0], login);
                Statement statement = connection.createStatement()) {
            Say.say("executeUpdate", () -> {
                statement.executeUpdate("CREATE VIEW claims.seen AS SELECT 1 AS x, 'a' AS y");
                return "done";
            });
            Say.say("execute", () -> statement.execute("COMMENT ON VIEW claims.seen IS 'seen by JDBC'"));
            Say.say("prepared", () -> {
                try (PreparedStatement prepared = connection.prepareStatement(
                        "CREATE OR REPLACE VIEW claims.seen AS SELECT 1 AS x, 'b' AS y, 2 AS z")) {
                    prepared.executeUpdate();
                }
                return "done";
            });
            Say.say("rows", () -> Say.rows(statement.executeQuery("SELECT x, y, z FROM claims.seen")));
            Say.say("described", () -> Say.rows(statement.executeQuery("SELECT description FROM system.products")));
            Say.say("purpose", () -> Say.rows(statement.executeQuery("SELECT kind FROM claims.score")));
            Say.say("refused", () -> statement.executeUpdate("CREATE VIEW nowhere.x AS SELECT 1 AS x"));
            Say.say("dropped", () -> statement.execute("DROP VIEW claims.seen"));
            Say.say("gone", () -> Say.rows(statement.executeQuery("FROM claims.seen")));
        }
    }
}
