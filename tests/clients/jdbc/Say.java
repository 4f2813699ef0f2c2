import java.math.BigDecimal;
import java.sql.Array;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;

/** Prints what was found out, one JSON object a line: {"name": value}, or {"name": {"error": message}}. */
final class Say {
    private Say() {}

    static void say(String name, Callable<Object> find) {
        Object value;
        try {
            value = find.call();
        } catch (Throwable error) {
            value = Map.of("error", chain(error));
        }
        System.out.println("{" + json(name) + ": " + json(value) + "}");
    }

    /** The messages of an error and its causes. */
    static String chain(Throwable error) {
        StringBuilder text = new StringBuilder();
        for (Throwable each = error; each != null; each = each.getCause()) {
            text.append(each.getClass().getSimpleName()).append(": ").append(each.getMessage()).append('\n');
        }
        return text.toString();
    }

    /** The rows of a result as lists. */
    static List<List<Object>> rows(ResultSet result) throws Exception {
        int columns = result.getMetaData().getColumnCount();
        List<List<Object>> rows = new ArrayList<>();
        while (result.next()) {
            List<Object> row = new ArrayList<>();
            for (int i = 1; i <= columns; i++) {
                row.add(result.getObject(i));
            }
            rows.add(row);
        }
        result.close();
        return rows;
    }

    /** The rows of a result as maps, by column label. */
    static List<Map<String, Object>> records(ResultSet result) throws Exception {
        ResultSetMetaData about = result.getMetaData();
        List<Map<String, Object>> records = new ArrayList<>();
        while (result.next()) {
            Map<String, Object> record = new LinkedHashMap<>();
            for (int i = 1; i <= about.getColumnCount(); i++) {
                record.put(about.getColumnLabel(i), result.getObject(i));
            }
            records.add(record);
        }
        result.close();
        return records;
    }

    private static String json(Object value) throws RuntimeException {
        if (value == null || value instanceof Boolean || value instanceof Integer || value instanceof Long
                || value instanceof Short || value instanceof Byte) {
            return String.valueOf(value);
        }
        if (value instanceof Map<?, ?> map) {
            List<String> parts = new ArrayList<>();
            map.forEach((k, v) -> parts.add(json(String.valueOf(k)) + ": " + json(v)));
            return "{" + String.join(", ", parts) + "}";
        }
        if (value instanceof Iterable<?> items) {
            List<String> parts = new ArrayList<>();
            items.forEach(item -> parts.add(json(item)));
            return "[" + String.join(", ", parts) + "]";
        }
        if (value instanceof byte[] bytes) {
            return json("base64:" + Base64.getEncoder().encodeToString(bytes));
        }
        if (value instanceof Array array) {
            try {
                return json(List.of((Object[]) array.getArray()));
            } catch (Exception error) {
                return json(chain(error));
            }
        }
        String text = value instanceof BigDecimal number ? number.toPlainString() : String.valueOf(value);
        StringBuilder out = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            out.append(c == '"' || c == '\\' ? "\\" + c : c < ' ' || c > '~' ? String.format("\\u%04x", (int) c) : c);
        }
        return out.append('"').toString();
    }
}
