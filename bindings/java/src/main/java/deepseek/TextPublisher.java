package deepseek;

import java.util.Objects;
import java.util.concurrent.Flow;
import java.util.function.Supplier;

/** A text for each subscriber, made only as far as it is requested. */
final class TextPublisher implements Flow.Publisher<String> {
    private final Supplier<TextStream> source;

    TextPublisher(Supplier<TextStream> source) {
        this.source = source;
    }

    @Override
    public void subscribe(Flow.Subscriber<? super String> subscriber) {
        Subscription s = new Subscription(source, Objects.requireNonNull(subscriber, "subscriber"));
        subscriber.onSubscribe(s);
        s.ready();
    }

    /** At most one thread works for it at a time; everything but `stream` is guarded by its lock. */
    private static final class Subscription implements Flow.Subscription {
        private enum Turn { PIECE, ERROR, CLOSE, REST }

        private final Supplier<TextStream> source;
        private final Flow.Subscriber<? super String> subscriber;
        private volatile TextStream stream;
        private long demand;
        private boolean ready, running, cancelled;
        private Throwable wrong;

        Subscription(Supplier<TextStream> source, Flow.Subscriber<? super String> subscriber) {
            this.source = source;
            this.subscriber = subscriber;
        }

        /** onSubscribe has returned: the other methods may be called. */
        synchronized void ready() {
            ready = true;
            start();
        }

        @Override
        public synchronized void request(long n) {
            if (n <= 0)
                wrong = new IllegalArgumentException("request(" + n + "): expected at least 1");
            demand = n > Long.MAX_VALUE - demand ? Long.MAX_VALUE : demand + Math.max(n, 0);
            start();
        }

        @Override
        public void cancel() {
            TextStream s = stream;
            synchronized (this) {
                cancelled = true;
                start();
            }
            if (s != null)
                s.cancel();
        }

        private void start() {
            if (!ready || running || (demand == 0 && wrong == null && !cancelled))
                return;
            running = true;
            Workers.POOL.execute(this::work);
        }

        private synchronized Turn turn() {
            if (cancelled)
                return Turn.CLOSE;
            if (wrong != null)
                return Turn.ERROR;
            running = demand > 0;
            if (running && demand != Long.MAX_VALUE)
                demand--;
            return running ? Turn.PIECE : Turn.REST;
        }

        /* Every end leaves `running` set: nobody begins again. */
        private void work() {
            for (;;) {
                switch (turn()) {
                case PIECE:
                    if (!hand())
                        return;
                    break;
                case ERROR:
                    fail(wrong);
                    return;
                case CLOSE:
                    close();
                    return;
                default:
                    return;
                }
            }
        }

        /** Hands out a piece; false when that was the end. */
        private boolean hand() {
            String piece;
            try {
                if (stream == null)
                    stream = source.get();
                piece = stream.hasNext() ? stream.next() : null;
            } catch (RuntimeException e) {
                fail(e);
                return false;
            }
            if (piece == null) {
                close();
                if (!isCancelled())
                    subscriber.onComplete();
                return false;
            }
            deliver(piece);
            return true;
        }

        /** A subscriber that throws wants no more; the thread's handler of uncaught exceptions hears of it. */
        private void deliver(String piece) {
            boolean done = false;
            try {
                if (!isCancelled())
                    subscriber.onNext(piece);
                done = true;
            } finally {
                if (!done)
                    close();
            }
        }

        private synchronized boolean isCancelled() {
            return cancelled;
        }

        private void fail(Throwable t) {
            close();
            subscriber.onError(t);
        }

        private void close() {
            if (stream != null)
                stream.close();
        }
    }
}
