package deepseek;

import java.util.List;
import java.util.Objects;

/** One message of a conversation. */
public final class Message {
    private final String role;
    private final String content;

    /** role: "system", "user", "assistant", or another that the model's template knows. */
    public Message(String role, String content) {
        this.role = Objects.requireNonNull(role, "role");
        this.content = Objects.requireNonNull(content, "content");
    }

    public static Message system(String content) {
        return new Message("system", content);
    }

    public static Message user(String content) {
        return new Message("user", content);
    }

    public static Message assistant(String content) {
        return new Message("assistant", content);
    }

    public String role() {
        return role;
    }

    public String content() {
        return content;
    }

    @Override
    public boolean equals(Object o) {
        return o instanceof Message && ((Message) o).role.equals(role) && ((Message) o).content.equals(content);
    }

    @Override
    public int hashCode() {
        return Objects.hash(role, content);
    }

    @Override
    public String toString() {
        return role + ": " + content;
    }

    /** Messages as a JSON array. */
    static String json(List<Message> messages) {
        StringBuilder out = new StringBuilder("[");
        for (Message m : messages) {
            out.append(out.length() == 1 ? "" : ", ").append("{\"role\": ");
            quote(out, m.role);
            out.append(", \"content\": ");
            quote(out, m.content);
            out.append('}');
        }
        return out.append(']').toString();
    }

    private static void quote(StringBuilder out, String s) {
        out.append('"');
        for (int i = 0; i < s.length(); i++) {
            char c = s.charAt(i);
            if (c == '"' || c == '\\')
                out.append('\\').append(c);
            else if (c < 0x20)
                out.append(String.format("\\u%04x", (int) c));
            else
                out.append(c);
        }
        out.append('"');
    }
}
