import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Objects;

/** Runs the methods of a class whose names begin with "test", in the order of their names. */
class Runner {
    /** Something that may throw anything. */
    interface Work {
        void run() throws Throwable;
    }

    static void check(boolean yes, Object... about) {
        if (!yes)
            throw new AssertionError(Arrays.toString(about));
    }

    static void same(Object expected, Object found) {
        check(Objects.deepEquals(expected, found), "expected", expected, "found", found);
    }

    /** The exception that work throws, of a class and with certain words in it. */
    static <E extends Throwable> E thrown(Class<E> kind, String words, Work work) {
        try {
            work.run();
        } catch (Throwable t) {
            if (!kind.isInstance(t) || !String.valueOf(t.getMessage()).contains(words))
                throw new AssertionError("expected " + kind.getName() + " with \"" + words + "\"", t);
            return kind.cast(t);
        }
        throw new AssertionError("expected " + kind.getName() + ": nothing was thrown");
    }

    void runAll() throws Exception {
        Method[] methods = getClass().getDeclaredMethods();
        Arrays.sort(methods, Comparator.comparing(Method::getName));
        int failed = 0, ran = 0;
        for (Method m : methods) {
            if (!m.getName().startsWith("test"))
                continue;
            long start = System.nanoTime();
            try {
                ran++;
                m.invoke(this);
                System.out.printf("ok      %s (%d ms)%n", m.getName(), (System.nanoTime() - start) / 1_000_000);
            } catch (InvocationTargetException e) {
                failed++;
                System.out.println("FAILED  " + m.getName());
                e.getCause().printStackTrace(System.out);
            }
        }
        System.out.printf("%d tests, %d failed%n", ran, failed);
        System.exit(failed == 0 && ran > 0 ? 0 : 1);
    }
}
