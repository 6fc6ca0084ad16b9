import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** JSON text to Map, List, String, Double, Boolean and null: enough to read the golden file without a library. */
final class Json {
    private final String s;
    private int at;

    private Json(String s) {
        this.s = s;
    }

    static Object parse(String text) {
        Json j = new Json(text);
        Object out = j.value();
        j.space();
        if (j.at != text.length())
            throw j.wrong("the end");
        return out;
    }

    private RuntimeException wrong(String expected) {
        return new IllegalArgumentException("expected " + expected + " at " + at + " of " + s);
    }

    private void space() {
        while (at < s.length() && Character.isWhitespace(s.charAt(at)))
            at++;
    }

    private boolean take(String word) {
        space();
        boolean yes = s.startsWith(word, at);
        at += yes ? word.length() : 0;
        return yes;
    }

    private void need(String word) {
        if (!take(word))
            throw wrong(word);
    }

    private Object value() {
        space();
        if (take("{"))
            return object();
        if (take("["))
            return array();
        if (take("\""))
            return string();
        if (take("true"))
            return true;
        if (take("false"))
            return false;
        if (take("null"))
            return null;
        int from = at;
        while (at < s.length() && "+-.eE0123456789".indexOf(s.charAt(at)) >= 0)
            at++;
        return Double.valueOf(s.substring(from, at));
    }

    private Map<String, Object> object() {
        Map<String, Object> out = new LinkedHashMap<>();
        if (take("}"))
            return out;
        do {
            need("\"");
            String name = string();
            need(":");
            out.put(name, value());
        } while (take(","));
        need("}");
        return out;
    }

    private List<Object> array() {
        List<Object> out = new ArrayList<>();
        if (take("]"))
            return out;
        do {
            out.add(value());
        } while (take(","));
        need("]");
        return out;
    }

    private String string() {
        StringBuilder out = new StringBuilder();
        for (char c; (c = s.charAt(at++)) != '"';) {
            if (c != '\\') {
                out.append(c);
                continue;
            }
            c = s.charAt(at++);
            if (c == 'u') {
                out.append((char) Integer.parseInt(s.substring(at, at + 4), 16));
                at += 4;
            } else {
                int escape = "nrtbf".indexOf(c);
                out.append(escape < 0 ? c : "\n\r\t\b\f".charAt(escape));
            }
        }
        return out.toString();
    }
}
