package deepseek;

import java.lang.ref.Cleaner;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.function.BooleanSupplier;
import java.util.function.LongConsumer;

/**
 * The life of a native object: calls enter and leave it, close() waits until the last one has left. What it holds must not hold the
 * Java object that owns it, so that the cleaner can close what was forgotten.
 */
final class Handle implements Runnable {
    static final Cleaner CLEANER = Cleaner.create();

    private final String what;
    private final LongConsumer onClosing;
    private final LongConsumer release;
    private final List<Thread> inside = new ArrayList<>();
    private final Set<Handle> children = new LinkedHashSet<>(); // closed before this one
    private Handle parent;
    private long pointer;
    private boolean released;
    private volatile boolean closing;

    Handle(String what, long pointer, LongConsumer release) {
        this(what, pointer, p -> { }, release);
    }

    /** onClosing makes the calls that use it end soon. */
    Handle(String what, long pointer, LongConsumer onClosing, LongConsumer release) {
        this.what = what;
        this.pointer = pointer;
        this.onClosing = onClosing;
        this.release = release;
    }

    /** The native object, for use until leave(). */
    synchronized long enter() {
        if (closing)
            throw new IllegalStateException(what + " is closed");
        inside.add(Thread.currentThread());
        return pointer;
    }

    synchronized void leave() {
        inside.remove(Thread.currentThread());
        notifyAll();
    }

    /** Whether it is closed or about to be: long calls look at this. */
    boolean closing() {
        return closing;
    }

    /** Between enter and leave: a native object that must be released before this one. */
    synchronized void adopt(Handle child) {
        child.parent = this;
        children.add(child);
    }

    private synchronized void forget(Handle child) {
        children.remove(child);
    }

    /** The pointer, when nobody uses it any more; 0 when somebody else has released it. */
    private synchronized long empty() {
        if (inside.contains(Thread.currentThread()))
            throw new IllegalStateException(what + " cannot be closed from within a call that uses it");
        closing = true;
        if (pointer != 0)
            onClosing.accept(pointer);
        await(inside::isEmpty);
        long p = pointer;
        pointer = 0;
        if (p == 0)
            await(() -> released);
        return p;
    }

    private synchronized void await(BooleanSupplier condition) {
        boolean interrupted = false;
        while (!condition.getAsBoolean()) {
            try {
                wait();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted)
            Thread.currentThread().interrupt();
    }

    private synchronized List<Handle> orphans() {
        return new ArrayList<>(children);
    }

    private synchronized void done() {
        released = true;
        notifyAll();
    }

    /** Waits for the calls that use it, closes its children, releases it. Again: does nothing. */
    void close() {
        long p = empty();
        if (p == 0)
            return;
        try {
            for (Handle child : orphans())
                child.close();
            release.accept(p);
        } finally {
            done();
            if (parent != null)
                parent.forget(this);
        }
    }

    @Override
    public void run() {
        close();
    }
}
