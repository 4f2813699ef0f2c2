import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.Date;
import java.sql.DriverManager;
import java.sql.ParameterMetaData;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Time;
import java.sql.Timestamp;
import java.sql.Types;
import java.util.ArrayList;
import java.util.Calendar;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TimeZone;
import java.util.concurrent.Callable;

/** Statements and parameters as tools send them: java Statements URL USER PASSWORD [results]. */
public final class Statements {
    /** Sets a statement's parameters. */
    interface Setter {
        void set(PreparedStatement statement) throws Exception;
    }

    private static Connection connection;

    public static void main(String[] args) throws Exception {
        Properties login = new Properties();
        login.put("user", args[1]);
        login.put("password", args[2]);
        connection = DriverManager.getConnection(args[0], login);
        results();
        if (args.length == 3) { // not "java Statements URL USER PASSWORD results"
            setters();
            refusals();
            comparisons();
            limits();
            sessions(args[0], login);
        }
        Say.say("closed", () -> {
            connection.close();
            return connection.isClosed();
        });
        System.exit(0); // a thread of the driver may still wait for what was cancelled
    }

    private static Object one(String sql, Setter setter) throws Exception {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            setter.set(statement);
            try (ResultSet result = statement.executeQuery()) {
                return result.next() ? result.getObject(1) : "no row";
            }
        }
    }

    /** A value by every setter, into a placeholder of its type, read back as text. */
    private static void setters() {
        bound("setBoolean", "BOOLEAN", s -> s.setBoolean(1, true));
        bound("setByte", "TINYINT", s -> s.setByte(1, (byte) -128));
        bound("setShort", "SMALLINT", s -> s.setShort(1, Short.MIN_VALUE));
        bound("setInt", "INTEGER", s -> s.setInt(1, Integer.MIN_VALUE));
        bound("setLong", "BIGINT", s -> s.setLong(1, Long.MIN_VALUE));
        bound("setLong max", "BIGINT", s -> s.setLong(1, Long.MAX_VALUE));
        bound("setFloat", "FLOAT", s -> s.setFloat(1, 0.1f));
        bound("setDouble", "DOUBLE", s -> s.setDouble(1, 0.1));
        bound("setDouble infinity", "DOUBLE", s -> s.setDouble(1, Double.NEGATIVE_INFINITY));
        bound("setBigDecimal", "DECIMAL(38,6)", s -> s.setBigDecimal(1,
                new BigDecimal("-12345678901234567890123456789012.345678")));
        bound("setBigDecimal hugeint", "HUGEINT", s -> s.setBigDecimal(1,
                new BigDecimal("99999999999999999999999999999999999999")));
        bound("setBigDecimal ubigint", "UBIGINT", s -> s.setBigDecimal(1, new BigDecimal("18446744073709551615")));
        bound("setString", "VARCHAR", s -> s.setString(1, "it's \u00fc \ud83d\ude00 \\ \"; --"));
        bound("setNString", "VARCHAR", s -> s.setNString(1, "n"));
        bound("setString empty", "VARCHAR", s -> s.setString(1, ""));
        bound("setString uuid", "UUID", s -> s.setString(1, "6ba7b810-9dad-11d1-80b4-00c04fd430c8"));
        bound("setString interval", "INTERVAL", s -> s.setString(1, "3 days"));
        bound("setString timestamptz", "TIMESTAMPTZ", s -> s.setString(1, "2026-03-04 05:06:07.123456+02:00"));
        bound("setBytes", "BLOB", s -> s.setBytes(1, new byte[] {0, 1, -1, 39}));
        bound("setDate", "DATE", s -> s.setDate(1, Date.valueOf("1969-02-28")));
        bound("setTime", "TIME", s -> s.setTime(1, Time.valueOf("23:59:58")));
        bound("setTimestamp", "TIMESTAMP", s -> s.setTimestamp(1, Timestamp.valueOf("2026-07-04 05:06:07.123")));
        bound("setTimestamp calendar", "TIMESTAMP", s -> s.setTimestamp(1,
                new Timestamp(1783141567123L), Calendar.getInstance(TimeZone.getTimeZone("UTC"))));
        bound("setNull", "INTEGER", s -> s.setNull(1, Types.INTEGER));
        bound("setNull unknown", "VARCHAR", s -> s.setNull(1, Types.NULL));
        bound("setObject null", "DATE", s -> s.setObject(1, null));
        bound("setObject integer", "BIGINT", s -> s.setObject(1, 42));
        bound("setObject long", "BIGINT", s -> s.setObject(1, 4200000000000L));
        bound("setObject double", "DOUBLE", s -> s.setObject(1, 1.5));
        bound("setObject decimal", "DECIMAL(9,2)", s -> s.setObject(1, new BigDecimal("1.50")));
        bound("setObject string", "VARCHAR", s -> s.setObject(1, "text"));
        bound("setObject boolean", "BOOLEAN", s -> s.setObject(1, false));
        bound("setObject date", "DATE", s -> s.setObject(1, Date.valueOf("2026-07-04")));
        bound("setObject timestamp", "TIMESTAMP", s -> s.setObject(1, Timestamp.valueOf("2026-07-04 05:06:07")));
        bound("setObject bytes", "BLOB", s -> s.setObject(1, new byte[] {7}));
        bound("setObject text as integer", "INTEGER", s -> s.setObject(1, "42", Types.INTEGER));
        bound("setArray", "BIGINT[]", s -> s.setArray(1, connection.createArrayOf("BIGINT", new Object[] {1L, 2L})));
        bound("setString list", "VARCHAR", s -> s.setString(1, "[1, 2]"));
    }

    private static void bound(String name, String type, Setter setter) {
        Say.say(name, () -> one("SELECT CAST(CAST(? AS " + type + ") AS VARCHAR)", setter));
    }

    /** What the driver itself refuses, before the server is asked. */
    private static void refusals() {
        Say.say("refused text as number", () -> one("SELECT CAST(? AS INTEGER)", s -> s.setString(1, "1")));
        Say.say("refused scale", () -> one("SELECT CAST(? AS DECIMAL(9,2))",
                s -> s.setBigDecimal(1, new BigDecimal("1.5"))));
        Say.say("refused count", () -> one("SELECT CAST(? AS INTEGER) + CAST(? AS INTEGER)", s -> s.setInt(1, 1)));
        Say.say("refused range", () -> one("SELECT CAST(? AS TINYINT)", s -> s.setInt(1, 300)));
        Say.say("refused instant", () -> one("SELECT CAST(? AS TIMESTAMPTZ)",
                s -> s.setTimestamp(1, new Timestamp(0))));
        Say.say("untyped", () -> one("SELECT ? || 'x'", s -> s.setString(1, "text")));
        Say.say("untyped call", () -> one("SELECT date_trunc('year', ?::TIMESTAMP)::VARCHAR",
                s -> s.setTimestamp(1, Timestamp.valueOf("2026-07-04 05:06:07"))));
    }

    /** Placeholders typed by the column that they are compared with. */
    private static void comparisons() {
        String sql = "SELECT claim_id FROM lake.claim WHERE claim_id IN (?, ?) AND amount >= ? AND status = ?"
                + " ORDER BY claim_id LIMIT ?";
        Say.say("compared", () -> {
            try (PreparedStatement statement = connection.prepareStatement(sql)) {
                List<Object> found = new ArrayList<>();
                for (int more : new int[] {0, 100}) {
                    statement.setInt(1, 4 + more);
                    statement.setLong(2, 5 + more);
                    statement.setBigDecimal(3, new BigDecimal("1.25"));
                    statement.setString(4, "open");
                    statement.setInt(5, 10);
                    found.add(Say.rows(statement.executeQuery()));
                }
                return found;
            }
        });
        Say.say("parameters", () -> {
            try (PreparedStatement statement = connection.prepareStatement(sql)) {
                ParameterMetaData about = statement.getParameterMetaData();
                List<Object> types = new ArrayList<>();
                for (int i = 1; i <= about.getParameterCount(); i++) {
                    types.add(about.getParameterTypeName(i));
                }
                return types;
            }
        });
        Say.say("cleared", () -> one("SELECT CAST(? AS INTEGER)", s -> {
            s.setInt(1, 1);
            s.clearParameters();
            s.setInt(1, 2);
        }));
    }

    private static final String[][] KINDS = {
        {"BOOLEAN", "true"}, {"TINYINT", "-1"}, {"UTINYINT", "255"}, {"SMALLINT", "-2"}, {"USMALLINT", "65535"},
        {"INTEGER", "-3"}, {"UINTEGER", "4294967295"}, {"BIGINT", "-4"}, {"UBIGINT", "18446744073709551615"},
        {"HUGEINT", "12345678901234567890123456789"}, {"FLOAT", "0.5"}, {"DOUBLE", "0.1"}, {"DECIMAL(9,2)", "1.50"},
        {"VARCHAR", "\u00fc"}, {"BLOB", "ab"}, {"DATE", "2026-07-04"}, {"TIME", "05:06:07"},
        {"TIMESTAMP", "2026-07-04 05:06:07.123456"}, {"TIMESTAMPTZ", "2026-07-04 05:06:07+00"},
        {"TIMESTAMP_S", "2026-07-04 05:06:07"}, {"TIMESTAMP_NS", "2026-07-04 05:06:07.123456789"},
        {"UUID", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"}, {"INTERVAL", "3 days"}, {"INTEGER[]", "[1, 2]"},
        {"STRUCT(a INTEGER, b VARCHAR)", "{'a': 1, 'b': 'x'}"}, {"MAP(VARCHAR, INTEGER)", "{k=1}"},
        {"ENUM('a', 'b')", "b"}, {"JSON", "{\"a\": 1}"}, {"BIT", "101"}};

    private static Object failing(Callable<Object> find) {
        try {
            return find.call();
        } catch (Exception error) {
            return "error: " + error.getMessage();
        }
    }

    private static void results() {
        for (String[] kind : KINDS) {
            String value = "CAST('" + kind[1].replace("'", "''") + "' AS " + kind[0] + ")";
            Say.say("result " + kind[0], () -> {
                try (Statement statement = connection.createStatement();
                        ResultSet result = statement.executeQuery("SELECT " + value + " AS v UNION ALL SELECT NULL")) {
                    ResultSetMetaData about = result.getMetaData();
                    result.next();
                    String text = result.getString(1);
                    Object found = failing(() -> result.getObject(1));
                    result.next();
                    Object none = failing(() -> result.getString(1));
                    return List.of(about.getColumnTypeName(1), String.valueOf(found), text,
                            none == null);
                }
            });
        }
        Say.say("instant", () -> {
            try (Statement statement = connection.createStatement();
                    ResultSet result = statement.executeQuery("SELECT TIMESTAMPTZ '2026-07-04 05:06:07+00' AS v")) {
                result.next();
                return result.getTimestamp(1).getTime();
            }
        });
        Say.say("result metadata", () -> {
            try (Statement statement = connection.createStatement();
                    ResultSet result = statement.executeQuery("SELECT claim_id, amount AS a, status FROM lake.claim")) {
                ResultSetMetaData about = result.getMetaData();
                List<Object> columns = new ArrayList<>();
                for (int i = 1; i <= about.getColumnCount(); i++) {
                    columns.add(List.of(about.getColumnName(i), about.getColumnLabel(i), about.getColumnTypeName(i),
                            about.getColumnType(i)));
                }
                return columns;
            }
        });
    }

    private static void limits() {
        Say.say("max rows", () -> {
            try (Statement statement = connection.createStatement()) {
                statement.setMaxRows(3);
                return Say.rows(statement.executeQuery("SELECT claim_id FROM lake.claim ORDER BY 1"));
            }
        });
        Say.say("fetch size", () -> {
            try (Statement statement = connection.createStatement()) {
                statement.setFetchSize(10);
                return Say.rows(statement.executeQuery("SELECT claim_id FROM lake.claim ORDER BY 1")).size();
            }
        });
        Say.say("many rows", () -> {
            try (Statement statement = connection.createStatement();
                    ResultSet result = statement.executeQuery("SELECT range AS n FROM range(300000)")) {
                long sum = 0;
                while (result.next()) {
                    sum += result.getLong("n");
                }
                return sum;
            }
        });
        Say.say("execute", () -> {
            try (Statement statement = connection.createStatement()) {
                boolean rows = statement.execute("SELECT 1 AS v");
                return List.of(rows, Say.rows(statement.getResultSet()), statement.getUpdateCount());
            }
        });
        Say.say("call", () -> {
            try (Statement statement = connection.createStatement()) {
                return Say.rows(statement.executeQuery("CALL system.request('claims.open', 'for the audit')"));
            }
        });
        Say.say("show", () -> {
            try (Statement statement = connection.createStatement()) {
                return Say.rows(statement.executeQuery("SHOW TABLES"));
            }
        });
        Say.say("query timeout", () -> timed(s -> s.setQueryTimeout(1), 0));
        Say.say("cancel", () -> timed(s -> { }, 1000));
        Say.say("after cancel", () -> one("SELECT 'still here'", s -> { }));
        for (String sql : new String[] {"SELEC 1", "SELECT * FROM lake.nothing", "SELECT nope FROM lake.claim",
                "SELECT CAST('x' AS INTEGER)", "DELETE FROM lake.claim"}) {
            Say.say("error " + sql, () -> {
                try (Statement statement = connection.createStatement()) {
                    return Say.rows(statement.executeQuery(sql));
                }
            });
        }
    }

    private static final String LONG = "SELECT count(*) FROM range(1000000) a(x), range(1000000) b(y) WHERE x + y = 1";

    /** How a long statement ended, and after how many milliseconds. */
    private static Object timed(Setter prepare, int cancelAfter) throws Exception {
        try (PreparedStatement statement = connection.prepareStatement(LONG)) {
            prepare.set(statement);
            if (cancelAfter > 0) {
                Thread canceller = new Thread(() -> {
                    try {
                        Thread.sleep(cancelAfter);
                        statement.cancel();
                    } catch (Exception error) {
                        System.err.println(Say.chain(error));
                    }
                });
                canceller.start();
            }
            long start = System.nanoTime();
            String ended = "it was not";
            try (ResultSet result = statement.executeQuery()) {
                result.next();
            } catch (Exception error) {
                ended = Say.chain(error);
            }
            return Map.of("ended", ended, "milliseconds", (System.nanoTime() - start) / 1000000);
        }
    }

    private static void sessions(String url, Properties login) {
        Say.say("batch", () -> {
            try (PreparedStatement statement = connection.prepareStatement("SELECT CAST(? AS INTEGER)")) {
                statement.setInt(1, 1);
                statement.addBatch();
                statement.setInt(1, 2);
                statement.addBatch();
                return statement.executeBatch().length;
            }
        });
        Say.say("statement batch", () -> {
            try (Statement statement = connection.createStatement()) {
                statement.addBatch("SELECT 1");
                return statement.executeBatch().length;
            }
        });
        Say.say("transaction", () -> {
            connection.setAutoCommit(false);
            Object found = one("SELECT 1", s -> { });
            connection.commit();
            connection.rollback();
            connection.setAutoCommit(true);
            return found;
        });
        Say.say("read only", () -> connection.isReadOnly());
        Say.say("valid", () -> connection.isValid(5));
        Say.say("catalog", () -> connection.getCatalog());
        Say.say("schema", () -> connection.getSchema());
        connected("catalog property", url + "&catalog=acme", login, "SELECT count(*) FROM claims.open");
        connected("schema property", url + "&schema=claims", login, "SELECT count(*) FROM open");
        connected("wrong catalog", url + "&catalog=nope", login, "SELECT 1");
        Properties wrong = new Properties();
        wrong.putAll(login);
        wrong.put("password", "wrong");
        connected("wrong password", url, wrong, "SELECT 1");
        String token = System.getProperty("token", "");
        connected("token", url + "&token=" + token, new Properties(), "SELECT count(*) FROM claims.open");
        connected("wrong token", url + "&token=nonsense", new Properties(), "SELECT 1");
    }

    private static void connected(String name, String url, Properties login, String sql) {
        Say.say(name, () -> {
            Connection other = DriverManager.getConnection(url, login);
            try (Statement statement = other.createStatement()) {
                return Say.rows(statement.executeQuery(sql));
            } finally {
                try {
                    other.close();
                } catch (SQLException error) {
                    Say.say(name + " closed", () -> error.getMessage());
                }
            }
        });
    }
}
