package deepseek;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.Arrays;

/** Strings to and from the UTF-8 that the library speaks (not Java's modified UTF-8). */
final class Text {
    private Text() {
    }

    /** A surrogate without its partner becomes U+FFFD. */
    static byte[] utf8(String s) {
        return (hasLoneSurrogate(s) ? repair(s) : s).getBytes(UTF_8);
    }

    /** NUL-terminated, null for null. */
    static byte[] cString(String s, String what) {
        if (s == null)
            return null;
        if (s.indexOf('\0') >= 0)
            throw new IllegalArgumentException(what + " has a NUL character at " + s.indexOf('\0') + ": expected none");
        byte[] bytes = utf8(s);
        return Arrays.copyOf(bytes, bytes.length + 1);
    }

    /** Bytes that are not UTF-8 become U+FFFD. */
    static String string(byte[] bytes) {
        return bytes == null ? null : new String(bytes, UTF_8);
    }

    private static boolean hasLoneSurrogate(String s) {
        for (int i = 0; i < s.length(); i++) {
            char c = s.charAt(i);
            if (!Character.isSurrogate(c))
                continue;
            if (!Character.isHighSurrogate(c) || i + 1 == s.length() || !Character.isLowSurrogate(s.charAt(i + 1)))
                return true;
            i++;
        }
        return false;
    }

    private static String repair(String s) {
        StringBuilder out = new StringBuilder(s.length());
        s.codePoints().forEach(c -> out.appendCodePoint(c >= 0xd800 && c < 0xe000 ? 0xfffd : c));
        return out.toString();
    }
}
