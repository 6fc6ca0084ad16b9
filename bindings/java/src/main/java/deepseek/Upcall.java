package deepseek;

import java.util.function.BooleanSupplier;
import java.util.function.Predicate;

/** What native code calls back. Each method returns whether to stop; what a caller's function throws is kept, and thrown after the call. */
final class Upcall {
    private final Predicate<? super String> piece;
    private final ModelOptions.Progress progress;
    private final BooleanSupplier stopped;
    private Throwable thrown;
    private boolean over;

    Upcall(Predicate<? super String> piece, ModelOptions.Progress progress, BooleanSupplier stopped) {
        this.piece = piece;
        this.progress = progress;
        this.stopped = stopped;
    }

    /** Called from native code with each piece of text. What was held back still comes after a stop: nobody wants it. */
    boolean text(byte[] bytes) {
        try {
            if (!over)
                over = !piece.test(Text.string(bytes));
        } catch (Throwable t) {
            keep(t);
        }
        return over;
    }

    /** Called from native code during long work; what is null where only stopping is asked about. */
    boolean progress(byte[] what, long done, long total) {
        try {
            if (!over)
                over = stopped.getAsBoolean() || (progress != null && what != null && !progress.report(Text.string(what), done, total));
        } catch (Throwable t) {
            keep(t);
        }
        return over;
    }

    private void keep(Throwable t) {
        thrown = t;
        over = true;
    }

    /** Throws what a function of the caller's threw. */
    void rethrow() {
        if (thrown != null)
            throw Upcall.<RuntimeException>unchecked(thrown);
    }

    @SuppressWarnings("unchecked")
    private static <T extends Throwable> T unchecked(Throwable t) throws T {
        throw (T) t; // whatever it is
    }
}
