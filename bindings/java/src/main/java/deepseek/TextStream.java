package deepseek;

import java.lang.ref.Reference;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Spliterator;
import java.util.Spliterators;
import java.util.function.LongFunction;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/**
 * Pieces of one text, each made when it is asked for. An iterator that is read once; closing it ends the text, and is needed unless it is
 * read to its end. Pieces are never cut inside a character.
 */
public final class TextStream implements Iterator<String>, Iterable<String>, AutoCloseable {
    private final AutoModel model; // it must not be collected before this
    private final State state;
    private final Handle handle;
    private String piece; // the next one, if it was looked for
    private boolean ended;

    /** What is left when the native stream is gone. It knows nothing of the TextStream, which may be forgotten. */
    private static final class State {
        final long grammar, seed;
        volatile Generation result;

        State(long grammar, long seed) {
            this.grammar = grammar;
            this.seed = seed;
        }

        /** Ends the text where it stands, and keeps what there is. */
        void release(long s) {
            try {
                Native.streamCancel(s);
                while (Native.streamNext(s) != null) {
                    // what was held back
                }
                result = Generation.read(Native.streamSoFar(s), seed);
            } catch (DeepSeekException e) {
                result = null; // it had failed: next() has told
            } finally {
                Native.streamClose(s);
                Native.grammarFree(grammar);
            }
        }
    }

    /** Within the model's enter and leave. */
    TextStream(AutoModel model, Handle owner, long m, byte[] text, int[] ids, GenerateOptions o) {
        this.model = model;
        long grammar = o.grammar(m), seed = o.seed(), s = 0;
        try {
            s = Native.streamOpen(m, text, ids, o.wholeNumbers(seed, grammar), o.realNumbers(), o.stopStrings());
        } finally {
            if (s == 0)
                Native.grammarFree(grammar);
        }
        state = new State(grammar, seed);
        handle = new Handle("this stream", s, Native::streamCancel, state::release);
        owner.adopt(handle);
        Handle.CLEANER.register(this, handle);
    }

    @Override
    public Iterator<String> iterator() {
        return this;
    }

    /** Makes the next piece, if there is one. Throws what went wrong, once. An interrupted thread ends the text. */
    @Override
    public synchronized boolean hasNext() {
        if (piece == null && !ended)
            piece = make();
        return piece != null;
    }

    @Override
    public synchronized String next() {
        if (!hasNext())
            throw new NoSuchElementException("the text is over");
        String out = piece;
        piece = null;
        return out;
    }

    /** The next piece; null at the end, and when the stream was closed. */
    private String make() {
        byte[] bytes = null;
        try {
            bytes = use(s -> {
                if (Thread.currentThread().isInterrupted())
                    Native.streamCancel(s);
                return Native.streamNext(s);
            });
        } finally {
            ended = bytes == null;
            if (ended)
                handle.close();
        }
        return Text.string(bytes);
    }

    /** null when it is closed. */
    private byte[] use(LongFunction<byte[]> work) {
        if (handle.closing())
            return null;
        long s;
        try {
            s = handle.enter();
        } catch (IllegalStateException e) { // since the line above
            return null;
        }
        try {
            return work.apply(s);
        } finally {
            handle.leave();
            Reference.reachabilityFence(this);
        }
    }

    /** Ends the text soon, without waiting for it. */
    void cancel() {
        use(s -> {
            Native.streamCancel(s);
            return null;
        });
    }

    /** The whole text with all there is to know of it; ends it if it has not come to its end. */
    public Generation result() {
        close();
        Generation g = state.result;
        if (g == null)
            throw new IllegalStateException("this stream has failed");
        return g;
    }

    /** The pieces as a java.util.stream.Stream; closing it closes this. */
    public Stream<String> pieces() {
        int traits = Spliterator.ORDERED | Spliterator.NONNULL;
        return StreamSupport.stream(Spliterators.spliteratorUnknownSize(this, traits), false).onClose(this::close);
    }

    /** Ends the text within a token. May be called from any thread; again it does nothing. */
    @Override
    public void close() {
        handle.close();
        Reference.reachabilityFence(model);
    }
}
