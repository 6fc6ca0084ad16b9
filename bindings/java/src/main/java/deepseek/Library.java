package deepseek;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.nio.file.StandardCopyOption;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Finds and loads the native library, once: the file or directory that the system property deepseek.library.path names, else the one in
 * a natives JAR on the class path, else libdeepseek_jni on java.library.path.
 *
 * A natives JAR has deepseek/natives/OS-ARCH/FILES: a line "SHA-256 SIZE NAME" for each file beside it. They are unpacked into
 * CACHE/deepseek/java/HASH, where HASH is that of FILES and CACHE is $XDG_CACHE_HOME or ~/.cache: another version goes elsewhere, the same
 * one is found again. What is there is used only if its hash is right, and put right otherwise. Files appear under their names by a rename,
 * so that processes may do this at the same time.
 */
final class Library {
    private static boolean loaded;

    private Library() {
    }

    /** Throws an UnsatisfiedLinkError that says what to do. */
    static synchronized void load() {
        if (loaded)
            return;
        String named = System.getProperty("deepseek.library.path");
        String from;
        if (named != null && !named.isEmpty())
            from = loadFile(named(named));
        else if (Library.class.getClassLoader().getResource(resource("FILES")) != null)
            from = loadFile(unpack());
        else
            from = loadFromPath();
        check(from);
        loaded = true;
    }

    /** "linux-x86_64". */
    static String platform() {
        String os = System.getProperty("os.name").toLowerCase(Locale.ROOT), arch = System.getProperty("os.arch");
        return (os.startsWith("mac") ? "macos" : os.startsWith("windows") ? "windows" : os) + "-" + (arch.equals("amd64") ? "x86_64" : arch);
    }

    private static String resource(String file) {
        return "deepseek/natives/" + platform() + "/" + file;
    }

    private static Path named(String path) {
        Path p = Paths.get(path).toAbsolutePath();
        if (Files.isDirectory(p))
            p = p.resolve(System.mapLibraryName("deepseek_jni"));
        if (!Files.isRegularFile(p))
            throw new UnsatisfiedLinkError("deepseek.library.path is " + path + ", and there is no " + p
                                           + ": expected " + System.mapLibraryName("deepseek_jni") + " or its directory");
        return p;
    }

    private static String loadFile(Path file) {
        try {
            System.load(file.toString());
        } catch (UnsatisfiedLinkError e) {
            throw new UnsatisfiedLinkError(file + " cannot be loaded: " + e.getMessage());
        }
        return file.toString();
    }

    private static String loadFromPath() {
        try {
            System.loadLibrary("deepseek_jni");
        } catch (UnsatisfiedLinkError e) {
            throw new UnsatisfiedLinkError("the native library of deepseek was not found: put the JAR with the classifier " + platform()
                                           + " on the class path, or name the library's directory with -Ddeepseek.library.path ("
                                           + e.getMessage() + ")");
        }
        return System.mapLibraryName("deepseek_jni");
    }

    /** Another library, or one of another version, has other functions. */
    private static void check(String file) {
        int found;
        try {
            found = Native.interfaceVersion();
        } catch (UnsatisfiedLinkError e) {
            throw new UnsatisfiedLinkError(file + " is not the native library of this package: expected "
                                           + System.mapLibraryName("deepseek_jni"));
        }
        if (found != Native.INTERFACE)
            throw new UnsatisfiedLinkError(file + " has interface " + found + ", this JAR needs " + Native.INTERFACE
                                           + ": use a library and a JAR of the same version");
    }

    // ---- unpacking ----

    private static final class Entry {
        final String hash, name;
        final long size;

        Entry(String line) throws IOException {
            String[] part = line.split(" ", 3);
            if (part.length != 3 || !part[0].matches("[0-9a-f]{64}") || !part[1].matches("[0-9]{1,15}") || part[2].contains("..")
                || part[2].startsWith("/"))
                throw new IOException("the line \"" + line + "\" of the natives JAR is not \"SHA-256 SIZE NAME\"");
            hash = part[0];
            size = Long.parseLong(part[1]);
            name = part[2];
        }
    }

    private static Path unpack() {
        Path dir = null;
        try {
            StringBuilder all = new StringBuilder();
            List<Entry> entries = list(all);
            dir = cache().resolve(hex(sha256().digest(all.toString().getBytes(StandardCharsets.UTF_8))).substring(0, 32));
            for (Entry e : entries)
                place(e, dir.resolve(e.name));
            return dir.resolve(System.mapLibraryName("deepseek_jni"));
        } catch (IOException e) {
            throw new UnsatisfiedLinkError("the native library cannot be unpacked" + (dir == null ? "" : " into " + dir) + ": " + e
                                           + ": set XDG_CACHE_HOME to a directory that can be written to, or -Ddeepseek.library.path to an"
                                           + " unpacked library");
        }
    }

    private static List<Entry> list(StringBuilder all) throws IOException {
        List<Entry> out = new ArrayList<>();
        try (BufferedReader in = new BufferedReader(new InputStreamReader(open("FILES"), StandardCharsets.UTF_8))) {
            for (String line; (line = in.readLine()) != null; all.append(line).append('\n'))
                out.add(new Entry(line));
        }
        return out;
    }

    private static InputStream open(String name) throws IOException {
        InputStream in = Library.class.getClassLoader().getResourceAsStream(resource(name)) /* on the class path or in a module */;
        if (in == null)
            throw new IOException("the natives JAR has no " + resource(name));
        return in;
    }

    private static Path cache() throws IOException {
        String set = System.getenv("XDG_CACHE_HOME"), home = System.getProperty("user.home");
        if (set != null && new File(set).isAbsolute())
            return Paths.get(set, "deepseek", "java");
        if (home == null || !new File(home).isAbsolute())
            throw new IOException("there is no home directory");
        return Paths.get(home, ".cache", "deepseek", "java");
    }

    private static void place(Entry e, Path target) throws IOException {
        if (Files.isRegularFile(target) && Files.size(target) == e.size && e.hash.equals(hash(Files.newInputStream(target), OutputStream.nullOutputStream())))
            return;
        Files.createDirectories(target.getParent());
        Path part = Files.createTempFile(target.getParent(), "unpacking", ".part");
        try {
            String found;
            try (OutputStream out = Files.newOutputStream(part)) {
                found = hash(open(e.name), out);
            }
            if (!found.equals(e.hash))
                throw new IOException(e.name + " of the natives JAR has SHA-256 " + found + ", expected " + e.hash + ": the JAR is damaged");
            Files.move(part, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } finally {
            Files.deleteIfExists(part);
        }
    }

    /** Copies a stream, and closes it; gives the hash of what was copied. */
    private static String hash(InputStream from, OutputStream to) throws IOException {
        MessageDigest digest = sha256();
        try (InputStream in = new DigestInputStream(from, digest)) {
            in.transferTo(to);
        }
        return hex(digest.digest());
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError(e); // every Java has it
        }
    }

    private static String hex(byte[] bytes) {
        StringBuilder out = new StringBuilder();
        for (byte b : bytes)
            out.append(String.format("%02x", b));
        return out.toString();
    }
}
