package deepseek;

import java.lang.ref.Reference;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;
import java.util.function.BooleanSupplier;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.stream.Collectors;

/**
 * A language model: a checkpoint in memory, and all that can be asked of it. It may be used from several threads; its passes run one at
 * a time. Close it when it is done with; one that is forgotten is closed some time after nothing refers to it any more.
 */
public final class AutoModel implements AutoCloseable {
    private final Handle handle;
    private final String path;
    private final String name;

    private AutoModel(long pointer, String path, String name) {
        this.handle = new Handle("this model", pointer, Native::modelClose);
        this.path = path;
        this.name = name;
        Handle.CLEANER.register(this, handle);
    }

    // ---- opening ----

    /** As fromPretrained(nameOrPath, ModelOptions.builder().build()). */
    public static AutoModel fromPretrained(String nameOrPath) {
        return fromPretrained(nameOrPath, ModelOptions.DEFAULT);
    }

    public static AutoModel fromPretrained(Path path) {
        return fromPretrained(path.toString());
    }

    /**
     * Opens a model: a Hugging Face directory, a .gguf file, or a name such as "deepseek/nano" or "org/name@revision", which is found in
     * the caches of this machine or downloaded.
     */
    public static AutoModel fromPretrained(String nameOrPath, ModelOptions o) {
        Library.load();
        byte[] device = Text.cString(o.device, "device");
        int dtype = dtype(o.dtype), kvDtype = dtype(o.kvDtype);
        long memory = o.memory == null ? 0 : Native.parseBytes(Text.cString(o.memory, "memory"));
        checkDevice(o.device, device);
        Upcall progress = new Upcall(null, o.progress, () -> false);
        long pointer;
        String path;
        try {
            path = resolve(nameOrPath, o, false, progress);
            pointer = Native.modelOpen(Text.cString(path, "path"), device, o.threads, dtype, kvDtype, memory, o.context, progress);
        } catch (DeepSeekException e) {
            progress.rethrow();
            throw e;
        }
        return new AutoModel(pointer, path, nameOrPath);
    }

    /** The path of a model by name, downloading what is missing unless localFilesOnly. */
    static String resolve(String name, ModelOptions o, boolean noWeights, Upcall progress) {
        return Text.string(Native.resolve(Text.cString(Objects.requireNonNull(name, "name"), "name"), Text.cString(o.revision, "revision"),
                                          Text.cString(o.cacheDir, "cacheDir"), Text.cString(o.token, "token"),
                                          Text.cString(o.source, "source"), !o.localFilesOnly, noWeights, progress));
    }

    private static int dtype(String name) {
        return name == null || name.equals("auto") ? -1 : Native.dtypeParse(Text.cString(name, "dtype"));
    }

    /** A device that is not there is an error before anything is looked for or downloaded. */
    private static void checkDevice(String name, byte[] device) {
        if (name.equals("auto") || name.equals("cpu"))
            return;
        try {
            Native.modelClose(Native.modelOpen(new byte[] {0}, device, 0, -1, -1, 0, 0, null));
        } catch (DeepSeekException.UnsupportedException e) {
            throw new DeepSeekException.DeviceException(e.status(), e.statusName(), e.getMessage());
        } catch (DeepSeekException e) {
            return; // the empty path: the device is there
        }
    }

    // ---- life ----

    /** Stops what runs on it, waits for that, then releases its memory. Open streams end as cancelled. Again: does nothing. */
    @Override
    public void close() {
        handle.close();
    }

    /** What to do with the native model while it cannot be closed. */
    private <R> R with(Function<Long, R> work) {
        long m = handle.enter();
        try {
            return work.apply(m);
        } finally {
            handle.leave();
            Reference.reachabilityFence(this);
        }
    }

    // ---- what it is ----

    /** What it was opened as. */
    public String nameOrPath() {
        return name;
    }

    public ModelInfo info() {
        return with(ModelInfo::new);
    }

    /** The model's own tokenizer; usable until the model is closed. */
    public AutoTokenizer tokenizer() {
        return with(m -> new AutoTokenizer(Native.modelTokenizer(m), path, this, handle));
    }

    // ---- text ----

    public String generate(String text) {
        return generate(text, GenerateOptions.DEFAULT);
    }

    /** The continuation of a text; with returnFullText the text too. */
    public String generate(String text, GenerateOptions o) {
        return result(text, one(generateAll(List.of(text), o)), o);
    }

    /** Continues ids; the prompt's first, unless returnFullText is false. */
    public int[] generate(int[] ids, GenerateOptions o) {
        int[] made = one(generateAllIds(List.of(ids), o)).ids();
        if (!o.returnFullText(true))
            return made;
        int[] all = Arrays.copyOf(ids, ids.length + made.length);
        System.arraycopy(made, 0, all, ids.length, made.length);
        return all;
    }

    /** The continuations of several texts, which run in one batch. */
    public List<String> generate(List<String> texts, GenerateOptions o) {
        return generateAll(texts, o).stream().map(g -> result(texts.get(g.prompt()), g, o)).collect(Collectors.toList());
    }

    /** Calls onPiece with each piece of the continuation; it returns false to stop. What it throws comes out of this call. */
    public Generation generate(String text, GenerateOptions o, Predicate<? super String> onPiece) {
        Objects.requireNonNull(onPiece, "onPiece");
        return one(run(Prompts.texts(List.of(text)), o, onPiece, () -> false));
    }

    /** Continuations of several texts in one batch with all there is to know of each; numReturnSequences of each text. */
    public List<Generation> generateAll(List<String> texts, GenerateOptions o) {
        return run(Prompts.texts(texts), o, null, () -> false);
    }

    /** The same for token ids. */
    public List<Generation> generateAllIds(List<int[]> ids, GenerateOptions o) {
        return run(Prompts.ids(ids), o, null, () -> false);
    }

    private static Generation one(List<Generation> made) {
        if (made.size() != 1)
            throw new IllegalArgumentException("numReturnSequences is more than 1: use generateAll");
        return made.get(0);
    }

    private static String result(String text, Generation g, GenerateOptions o) {
        return o.returnFullText(false) ? text + g.text() : g.text();
    }

    /** Text ends early, as cancelled, when the model is being closed, the thread is interrupted, or stopped says so. */
    private List<Generation> run(Prompts p, GenerateOptions o, Predicate<? super String> onPiece, BooleanSupplier stopped) {
        Upcall upcall = new Upcall(onPiece, null, () -> handle.closing() || Thread.currentThread().isInterrupted() || stopped.getAsBoolean());
        return with(m -> {
            long grammar = 0, made = 0;
            try {
                grammar = o.grammar(m);
                long seed = o.seed();
                made = Native.generate(m, p.text, p.ids, p.lengths, o.wholeNumbers(seed, grammar), o.realNumbers(), o.stopStrings(), upcall,
                                       onPiece != null);
                upcall.rethrow();
                List<Generation> out = new ArrayList<>();
                for (int i = 0, n = Native.generatedCount(made); i < n; i++)
                    out.add(Generation.read(Native.generatedItem(made, i), seed));
                return out;
            } finally {
                Native.generatedFree(made);
                Native.grammarFree(grammar);
            }
        });
    }

    // ---- text while it is made ----

    public TextStream stream(String text) {
        return stream(text, GenerateOptions.DEFAULT);
    }

    /** Pieces of the continuation of a text; they are made as fast as they are taken. Close it. */
    public TextStream stream(String text, GenerateOptions o) {
        return with(m -> new TextStream(this, handle, m, Text.utf8(text), null, o));
    }

    /** Pieces of the continuation of ids. */
    public TextStream stream(int[] ids, GenerateOptions o) {
        return with(m -> new TextStream(this, handle, m, null, ids, o));
    }

    /**
     * Pieces for each subscriber, who gets a continuation of its own. They are made only as far as they are requested; cancelling ends the
     * text. Subscribers are called from a thread of this library, one call at a time.
     */
    public Flow.Publisher<String> publisher(String text, GenerateOptions o) {
        return new TextPublisher(() -> stream(text, o));
    }

    // ---- text later ----

    /** generate in another thread; cancelling the future ends the text. */
    public CompletableFuture<String> generateAsync(String text, GenerateOptions o) {
        return Workers.supply(stopped -> result(text, one(run(Prompts.texts(List.of(text)), o, null, stopped)), o));
    }

    /** generateAll in another thread; cancelling the future ends the texts. */
    public CompletableFuture<List<Generation>> generateAllAsync(List<String> texts, GenerateOptions o) {
        return Workers.supply(stopped -> run(Prompts.texts(texts), o, null, stopped));
    }

    // ---- conversation ----

    public String chat(String question) {
        return chat(List.of(Message.user(question)), GenerateOptions.DEFAULT);
    }

    /** The assistant's answer to messages, in the model's own chat format. */
    public String chat(List<Message> messages, GenerateOptions o) {
        Chat c = new Chat(messages, o);
        return generate(c.text, c.options);
    }

    public TextStream chatStream(List<Message> messages, GenerateOptions o) {
        Chat c = new Chat(messages, o);
        return stream(c.text, c.options);
    }

    public Flow.Publisher<String> chatPublisher(List<Message> messages, GenerateOptions o) {
        Chat c = new Chat(messages, o);
        return publisher(c.text, c.options);
    }

    public CompletableFuture<String> chatAsync(List<Message> messages, GenerateOptions o) {
        Chat c = new Chat(messages, o);
        return generateAsync(c.text, c.options);
    }

    /** Messages as a prompt. */
    private final class Chat {
        final String text;
        final GenerateOptions options;

        Chat(List<Message> messages, GenerateOptions o) {
            with(m -> null); // a closed model says so, whatever its template says
            ChatTemplate t = ChatTemplate.render(path, messages, o.tools(), o.templateVariables(), true);
            text = t.text;
            options = o.hasAddSpecialTokens() ? o : o.toBuilder().addSpecialTokens(!t.writesBos).build();
        }
    }

    // ---- numbers ----

    /** The natural log-probability of each token of a text. */
    public Score score(String text) {
        return score(encode(text));
    }

    public Score score(int[] ids) {
        return new Score(ids.clone(), numbers(ids, Native::score));
    }

    /** The mean of a text's last hidden states. */
    public float[] embed(String text) {
        return embed(text, false);
    }

    /** normalize scales it to length 1. */
    public float[] embed(String text, boolean normalize) {
        float[] v = numbers(encode(text), Native::embed);
        double square = 0;
        for (float x : v)
            square += (double) x * x;
        if (normalize && square > 0)
            for (int i = 0; i < v.length; i++)
                v[i] = (float) (v[i] / Math.sqrt(square));
        return v;
    }

    public List<float[]> embed(List<String> texts, boolean normalize) {
        return texts.stream().map(t -> embed(t, normalize)).collect(Collectors.toList());
    }

    private int[] encode(String text) {
        return with(m -> Native.promptEncode(m, Text.utf8(text), true));
    }

    private interface Numbers {
        float[] of(long model, int[] ids, Upcall progress);
    }

    private float[] numbers(int[] ids, Numbers what) {
        Upcall progress = new Upcall(null, null, () -> handle.closing() || Thread.currentThread().isInterrupted());
        return with(m -> what.of(m, ids, progress));
    }

    /** Prompts one after the other. */
    private static final class Prompts {
        byte[] text;
        int[] ids;
        long[] lengths;

        static Prompts texts(List<String> texts) {
            Prompts p = new Prompts();
            List<byte[]> raw = texts.stream().map(Text::utf8).collect(Collectors.toList());
            p.lengths = raw.stream().mapToLong(r -> r.length).toArray();
            p.text = new byte[p.total()];
            int at = 0;
            for (byte[] r : raw) {
                System.arraycopy(r, 0, p.text, at, r.length);
                at += r.length;
            }
            return p;
        }

        static Prompts ids(List<int[]> ids) {
            Prompts p = new Prompts();
            p.lengths = ids.stream().mapToLong(i -> i.length).toArray();
            p.ids = new int[p.total()];
            int at = 0;
            for (int[] i : ids) {
                System.arraycopy(i, 0, p.ids, at, i.length);
                at += i.length;
            }
            return p;
        }

        private int total() {
            long sum = Arrays.stream(lengths).sum();
            if (sum > Integer.MAX_VALUE - 8)
                throw new IllegalArgumentException("the prompts together have " + sum + " units: expected less than 2^31");
            return (int) sum;
        }
    }
}
