package deepseek;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.BooleanSupplier;
import java.util.function.Function;

/** Threads for work that goes on by itself: as many as there is work, none for long after it; they do not keep a program from ending. */
final class Workers {
    static final ExecutorService POOL = Executors.newCachedThreadPool(work -> {
        Thread t = new Thread(work, "deepseek");
        t.setDaemon(true);
        return t;
    });

    private Workers() {
    }

    /** Runs work, which is told whether the future was cancelled. */
    static <T> CompletableFuture<T> supply(Function<BooleanSupplier, T> work) {
        CompletableFuture<T> out = new CompletableFuture<>();
        POOL.execute(() -> {
            try {
                if (!out.isDone())
                    out.complete(work.apply(out::isDone));
            } catch (Throwable t) {
                out.completeExceptionally(t);
            }
        });
        return out;
    }
}
