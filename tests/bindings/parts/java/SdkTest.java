import deepseek.AutoModel;
import deepseek.AutoTokenizer;
import deepseek.DeepSeekException;
import deepseek.GenerateOptions;
import deepseek.Generation;
import deepseek.Message;
import deepseek.ModelOptions;
import deepseek.Score;
import deepseek.TextStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The Java package. Run by tests/bindings/java.sh: TINY names a small random model, STORIES the trained one or nothing. */
public final class SdkTest extends Runner {
    static final String TINY = System.getenv("TINY"), STORIES = System.getenv("STORIES");
    static final GenerateOptions LONG = GenerateOptions.builder().maxNewTokens(400).ignoreEos(true).doSample(false).build();
    private final AutoModel m = AutoModel.fromPretrained(TINY);
    private final Path golden;

    SdkTest(String golden) {
        this.golden = Paths.get(golden);
    }

    public static void main(String[] args) throws Exception {
        new SdkTest(args[0]).runAll();
    }

    static GenerateOptions.Builder greedy(int tokens) {
        return GenerateOptions.builder().maxNewTokens(tokens).doSample(false);
    }

    // ---- the same as elsewhere ----

    private static GenerateOptions options(Map<?, ?> given) {
        GenerateOptions.Builder b = GenerateOptions.builder();
        given.forEach((name, value) -> {
            double x = value instanceof Double ? (Double) value : 0;
            switch ((String) name) {
            case "max_new_tokens": b.maxNewTokens((long) x); break;
            case "max_length": b.maxLength((long) x); break;
            case "temperature": b.temperature(x); break;
            case "top_k": b.topK((long) x); break;
            case "top_p": b.topP(x); break;
            case "min_p": b.minP(x); break;
            case "repetition_penalty": b.repetitionPenalty(x); break;
            case "seed": b.seed((long) x); break;
            case "stop": b.stop(((List<?>) value).toArray(new String[0])); break;
            default: throw new AssertionError("an option that this test does not know: " + name);
            }
        });
        return b.build();
    }

    private static int[] ints(Object list) {
        return ((List<?>) list).stream().mapToInt(i -> ((Double) i).intValue()).toArray();
    }

    private void golden(AutoModel model, Map<?, ?> g) {
        GenerateOptions o = options((Map<?, ?>) g.get("options"));
        String prompt = (String) g.get("prompt");
        int[] ids = ints(g.get("ids")), encoded = model.tokenizer().encode(prompt);
        Generation made = model.generateAll(List.of(prompt), o).get(0);
        same(g.get("text"), made.text());
        same(ids, made.ids());
        same(g.get("finish"), made.finish().name().toLowerCase());
        same(((Double) g.get("n_prompt")).intValue(), made.promptLength());
        same(g.get("text"), model.generate(prompt, o));
        try (TextStream s = model.stream(prompt, o)) {
            same(g.get("text"), s.pieces().collect(Collectors.joining()));
            same(ids, s.result().ids());
            same(made.finish(), s.result().finish());
        }
        int[] all = Arrays.copyOf(encoded, encoded.length + ids.length);
        System.arraycopy(ids, 0, all, encoded.length, ids.length);
        same(all, model.generate(encoded, o));
    }

    void testGolden() throws Exception {
        int seen = 0;
        try (AutoModel stories = STORIES.isEmpty() ? null : AutoModel.fromPretrained(STORIES, ModelOptions.builder().device("cpu").build())) {
            for (String line : Files.readAllLines(golden)) {
                Map<?, ?> g = (Map<?, ?>) Json.parse(line);
                AutoModel model = g.get("model").equals("tiny") ? m : stories;
                if (model == null)
                    continue;
                golden(model, g);
                seen++;
            }
        }
        check(seen >= 7, seen);
    }

    // ---- shapes of results ----

    void testResults() {
        GenerateOptions o = greedy(5).build();
        int[] ids = m.tokenizer().encode("Hello");
        String text = m.generate("Hello", o);
        same("Hello" + text, m.generate("Hello", o.toBuilder().returnFullText(true).build()));
        same(List.of(text, text), m.generate(List.of("Hello", "Hello"), o));
        same(ids.length + 5, m.generate(ids, o).length);
        same(5, m.generate(ids, o.toBuilder().returnFullText(false).build()).length);
        same(ids.length + 3, m.generate(ids, GenerateOptions.builder().maxLength(ids.length + 3).doSample(false).build()).length);
        List<Generation> two = m.generateAll(List.of("Hello", "x"), greedy(5).numReturnSequences(2).outputLogprobs(true).build());
        same(4, two.size());
        same(List.of("0 0", "0 1", "1 0", "1 1"), two.stream().map(g -> g.prompt() + " " + g.choice()).collect(Collectors.toList()));
        same(text, two.get(1).text());
        same(two.get(0).text(), m.generateAllIds(List.of(ids), o).get(0).text());
        check(two.get(0).logprobs().length == 5 && m.generateAll(List.of("x"), o).get(0).logprobs() == null);
        thrown(IllegalArgumentException.class, "generateAll", () -> m.generate("x", greedy(5).numReturnSequences(2).build()));
    }

    void testSeeds() {
        GenerateOptions.Builder b = GenerateOptions.builder().maxNewTokens(30).doSample(true).ignoreEos(true);
        same(m.generate("x", b.seed(5).build()), m.generate("x", b.seed(5).build()));
        check(!m.generate("x", b.seed(5).build()).equals(m.generate("x", b.seed(6).build())));
        GenerateOptions fresh = GenerateOptions.builder().maxNewTokens(30).doSample(true).ignoreEos(true).build();
        Generation one = m.generateAll(List.of("x"), fresh).get(0);
        check(!one.text().equals(m.generate("x", fresh)));
        same(one.text(), m.generate("x", fresh.toBuilder().seed(one.seed()).build()));
        same(m.generate("x", greedy(30).build()), m.generate("x", greedy(30).temperature(2).build()));
    }

    // ---- strings ----

    void testStrings() {
        AutoTokenizer t = m.tokenizer();
        for (String s : List.of("", "Hello, 世界", "\uD83D\uDE00 \uD834\uDD1E", "a\0b", "\0", "é\n\t\"\\", "x".repeat(5000)))
            same(s, t.decode(t.encode(s, false, true), true));
        same("a\uFFFDb\uFFFD", t.decode(t.encode("a\uD800b\uDC00", false, true)));
        same("\uFFFD", t.decode(t.encode("\uD83D\uDE00", false, true)[0]));
        same(m.generate("\uD83D\uDE00", greedy(5).build()), m.generateAllIds(List.of(t.encode("\uD83D\uDE00")), greedy(5).build()).get(0).text());
        check(m.generateAll(List.of("a\0b"), greedy(2).build()).get(0).promptLength() > m.generateAll(List.of("a"), greedy(2).build()).get(0).promptLength());
        thrown(IllegalArgumentException.class, "NUL", () -> GenerateOptions.builder().stop("a\0"));
        thrown(IllegalArgumentException.class, "NUL", () -> AutoModel.fromPretrained("a\0b"));
        same(" hebi", m.generate("A text that is stopped:", GenerateOptions.builder().maxNewTokens(40).temperature(0.9).seed(11).stop("\uD83D\uDE00", "be")
                 .build()).substring(0, 5));
    }

    void testDecoder() {
        AutoTokenizer t = m.tokenizer();
        String text = "Hello, 世界 \uD83D\uDE00";
        StringBuilder out = new StringBuilder();
        try (AutoTokenizer.Decoder d = t.decoder(true)) {
            for (int id : t.encode(text))
                out.append(d.add(id));
            same("", d.flush());
            d.add(t.encode("\uD83D\uDE00", false, true)[0]);
            same("\uFFFD", d.flush());
            thrown(DeepSeekException.class, "", () -> d.add(1 << 20));
        }
        same(text, out.toString());
    }

    void testTokenizer() {
        AutoTokenizer own = m.tokenizer();
        try (AutoTokenizer t = AutoTokenizer.fromPretrained(TINY)) {
            same(own.encode("Hello"), t.encode("Hello"));
            check(t.encode("Hello").length == t.encode("Hello", false, false).length + 1);
            same(t.bosTokenId(), t.convertTokenToId(t.bosToken()));
            check(t.isSpecial(t.bosTokenId().getAsInt()) && !t.isSpecial(t.encode("a", false, false)[0]));
            check(t.vocabSize() > 256 && t.convertTokenToId("no such token").isEmpty() && t.convertIdToToken(-1) == null);
            DeepSeekException e = thrown(DeepSeekException.ArgumentException.class, "", () -> t.decode(1 << 20));
            same(2, e.status());
            same("argument", e.statusName());
            t.close();
            t.close();
            thrown(IllegalStateException.class, "closed", () -> t.encode("x"));
        }
        own.close(); // does nothing
        check(own.encode("x").length > 0);
    }

    // ---- text while it is made ----

    void testPieces() {
        String text = m.generate("Hello", greedy(20).build());
        List<String> pieces = new ArrayList<>();
        Generation g = m.generate("Hello", greedy(20).build(), pieces::add);
        same(text, String.join("", pieces));
        same(text, g.text());
        List<String> three = new ArrayList<>();
        Generation shorter = m.generate("Hello", LONG, p -> three.add(p) && three.size() < 3);
        same(3, three.size());
        same(Generation.Finish.CANCELLED, shorter.finish());
        thrown(UnsupportedOperationException.class, "mine", () -> m.generate("Hello", LONG, p -> {
            throw new UnsupportedOperationException("mine");
        }));
        thrown(StackOverflowError.class, "", () -> m.generate("Hello", LONG, p -> {
            throw new StackOverflowError("");
        }));
    }

    void testStreamClosedEarly() {
        TextStream s = m.stream("Hello", LONG);
        String first = s.next();
        s.close();
        s.close();
        check(!s.hasNext());
        thrown(NoSuchElementException.class, "over", s::next);
        same(Generation.Finish.CANCELLED, s.result().finish());
        check(s.result().text().startsWith(first) && s.result().ids().length < 20);
        try (Stream<String> pieces = m.stream("Hello", LONG).pieces()) {
            same(3L, pieces.limit(3).count());
        }
        int n = 0;
        try (TextStream t = m.stream("Hello", LONG)) {
            for (String p : t)
                if (!p.isEmpty() && ++n == 2)
                    break;
        }
        same(2, n);
        thrown(DeepSeekException.ArgumentException.class, "max_length is 1", () -> m.stream("Hello", GenerateOptions.builder().maxLength(1).build()));
        same(List.of(), m.stream("Hello", greedy(0).build()).pieces().collect(Collectors.toList()));
    }

    void testStreamCancelledByAnotherThread() throws Exception {
        TextStream s = m.stream("Hello", LONG);
        s.next();
        Thread other = new Thread(s::close);
        other.start();
        while (s.hasNext())
            s.next();
        other.join();
        same(Generation.Finish.CANCELLED, s.result().finish());
    }

    void testInterrupt() {
        Thread.currentThread().interrupt();
        same(Generation.Finish.CANCELLED, m.generateAll(List.of("Hello"), LONG).get(0).finish());
        check(Thread.interrupted());
        try (TextStream s = m.stream("Hello", LONG)) {
            Thread.currentThread().interrupt();
            check(!s.hasNext() && Thread.interrupted());
            same(Generation.Finish.CANCELLED, s.result().finish());
        }
    }

    // ---- text later ----

    void testFutures() throws Exception {
        GenerateOptions o = greedy(10).build();
        String text = m.generate("Hello", o);
        List<CompletableFuture<String>> three = List.of(m.generateAsync("Hello", o), m.generateAsync("Hello", o), m.generateAsync("Hello", o));
        for (CompletableFuture<String> f : three)
            same(text, f.get());
        same(2, m.generateAllAsync(List.of("a", "b"), o).get().size());
        Throwable cause = thrown(java.util.concurrent.ExecutionException.class, "", () -> m.generateAsync("x", GenerateOptions.builder().topP(2).build()).get());
        check(cause.getCause() instanceof DeepSeekException.ArgumentException, cause);
        try (AutoModel one = AutoModel.fromPretrained(TINY)) {
            CompletableFuture<String> f = one.generateAsync("Hello", LONG);
            f.cancel(true);
            thrown(CancellationException.class, "", f::join);
        } // close waits for what ran
    }

    // ---- life ----

    void testClose() throws Exception {
        AutoModel one = AutoModel.fromPretrained(TINY);
        AutoTokenizer t = one.tokenizer();
        TextStream open = one.stream("Hello", LONG), unread = one.stream("Hello", LONG);
        String first = open.next();
        CountDownLatch begun = new CountDownLatch(1);
        CompletableFuture<Generation> running = CompletableFuture.supplyAsync(() -> one.generate("Hello", LONG, p -> {
            begun.countDown();
            return true;
        }));
        begun.await();
        thrown(IllegalStateException.class, "within", () -> one.generate("Hello", LONG, p -> {
            one.close();
            return true;
        }));
        one.close();
        one.close();
        Generation.Finish f = running.get(30, TimeUnit.SECONDS).finish();
        check(f == Generation.Finish.CANCELLED || f == Generation.Finish.LENGTH, f);
        check(!open.hasNext() && open.result().text().startsWith(first));
        same(Generation.Finish.CANCELLED, open.result().finish());
        same("", unread.result().text());
        for (Work w : List.<Work>of(() -> one.generate("x"), () -> one.stream("x"), () -> one.score("x"), () -> one.embed("x"), one::info, one::tokenizer,
                                    () -> one.chat("x"), () -> t.encode("x")))
            thrown(IllegalStateException.class, "closed", w);
    }

    void testThreads() throws Exception {
        GenerateOptions o = GenerateOptions.builder().maxNewTokens(20).doSample(true).seed(1).build();
        String expected = m.generate("Hello", o);
        List<String> found = new ArrayList<>();
        List<Thread> threads = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            boolean streamed = i % 2 == 0;
            threads.add(new Thread(() -> {
                String text = streamed ? m.stream("Hello", o).pieces().collect(Collectors.joining()) : m.generate("Hello", o);
                synchronized (found) {
                    found.add(text);
                }
            }));
        }
        threads.forEach(Thread::start);
        for (Thread t : threads)
            t.join();
        same(List.of(expected, expected, expected, expected), found);
    }

    private static long residentKilobytes() throws Exception {
        System.gc();
        String line = Files.readAllLines(Paths.get("/proc/self/status")).stream().filter(l -> l.startsWith("VmRSS:")).findFirst().get();
        return Long.parseLong(line.replaceAll("[^0-9]", ""));
    }

    private static void openAndClose(int times, boolean forget) {
        ModelOptions one = ModelOptions.builder().threads(1).context(64).build();
        for (int i = 0; i < times; i++) {
            AutoModel model = AutoModel.fromPretrained(TINY, one);
            if (forget || i % 10 == 0)
                model.stream("Hello", greedy(4).jsonObject().build()).next();
            if (!forget)
                model.close(); // and the stream with it
        }
    }

    /** A model takes eight megabytes: five in 800 that are not released would show. */
    void testThousandModels() throws Exception {
        openAndClose(200, false);
        long before = residentKilobytes();
        openAndClose(800, false);
        long grown = residentKilobytes() - before;
        check(grown < 40_000, "grown by KiB", grown);
    }

    private static long openModels() throws Exception {
        return Files.readAllLines(Paths.get("/proc/self/maps")).stream().filter(l -> l.endsWith(TINY)).count();
    }

    /** What is forgotten is closed by the cleaner. */
    void testForgotten() throws Exception {
        long before = openModels();
        openAndClose(10, true);
        check(openModels() > before, "no model shows in the list of mapped files");
        for (int i = 0; openModels() > before; i++) {
            check(i < 500, "still open", openModels());
            System.gc();
            Thread.sleep(10);
        }
    }

    // ---- chat, numbers, grammars ----

    void testChat() {
        List<Message> messages = List.of(Message.system("Be \"brief\".\n"), Message.user("Hello \uD83D\uDE00"));
        AutoTokenizer t = m.tokenizer();
        String template = "{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}";
        same(t.bosToken() + "system: Be \"brief\".\n\nuser: Hello \uD83D\uDE00\n", t.applyChatTemplate(messages, false, template));
        GenerateOptions o = greedy(8).build();
        String prompt = t.applyChatTemplate(messages, true);
        String answer = m.generateAllIds(List.of(t.encode(prompt, false, false)), o).get(0).text();
        same(answer, m.chat(messages, o));
        same(answer, m.chatStream(messages, o).pieces().collect(Collectors.joining()));
        same(answer, m.chatAsync(messages, o).join());
        same(m.chat(List.of(Message.user("Hi")), o), m.chat(new ArrayList<>(List.of(Message.user("Hi"))), o));
        thrown(DeepSeekException.class, "", () -> t.applyChatTemplate(messages, false, "{{ raise_exception('no') }}"));
        thrown(DeepSeekException.FormatException.class, "", () -> t.applyChatTemplate(messages, false, "{% if %}"));
    }

    void testNumbers() {
        Score s = m.score("Hello, world");
        check(s.ids().length == s.logprobs().length && s.logprobs()[0] == 0 && s.perplexity() > 1);
        Generation g = m.generateAll(List.of("Hello"), greedy(5).outputLogprobs(true).build()).get(0);
        Score whole = m.score(m.generate(m.tokenizer().encode("Hello"), greedy(5).build()));
        for (int i = 0; i < 5; i++)
            check(Math.abs(g.logprobs()[i] - whole.logprobs()[whole.ids().length - 5 + i]) < 1e-4);
        float[] v = m.embed("Hello", true);
        double square = 0;
        for (float x : v)
            square += x * x;
        same((long) v.length, m.info().width());
        check(Math.abs(square - 1) < 1e-5);
        check(Arrays.equals(v, m.embed(List.of("Hello", "x"), true).get(0)));
        check(m.info().layers() > 0 && m.info().architecture().equals("llama") && m.info().toString().contains("f32"), m.info());
    }

    void testGrammars() {
        GenerateOptions.Builder b = GenerateOptions.builder().maxNewTokens(60).temperature(1).seed(3);
        String text = m.generate("x", b.jsonSchema("{\"type\": \"object\", \"properties\": {\"n\": {\"enum\": [1, 2]}}, \"required\": [\"n\"], "
                                                   + "\"additionalProperties\": false}").build());
        Object n = ((Map<?, ?>) Json.parse(text)).get("n");
        check(n.equals(1.0) || n.equals(2.0), text);
        check(List.of("yes", "no").contains(m.generate("x", b.grammar("root ::= \"yes\" | \"no\"").build())));
        check(m.generate("x", b.jsonObject().build()).startsWith("{"));
        same(m.generate("x", b.build()), m.stream("x", b.build()).pieces().collect(Collectors.joining()));
        thrown(DeepSeekException.FormatException.class, "line 1", () -> m.generate("x", b.grammar("root ::= (").build()));
        thrown(DeepSeekException.class, "", () -> m.stream("x", b.jsonSchema("{\"type\": 5}").build()));
    }

    // ---- what goes wrong ----

    void testErrors() throws Exception {
        thrown(DeepSeekException.DeviceException.class, "cpu", () -> AutoModel.fromPretrained("deepseek/67b", ModelOptions.builder().device("cuda").build()));
        thrown(DeepSeekException.ModelNotFoundException.class, "/no/such/model.gguf", () -> AutoModel.fromPretrained("/no/such/model.gguf"));
        thrown(DeepSeekException.class, "deepseek pull", () -> AutoModel.fromPretrained("deepseek/67b",
               ModelOptions.builder().localFilesOnly(true).cacheDir(Paths.get(TINY).getParent().toString()).build()));
        thrown(DeepSeekException.ArgumentException.class, "q9", () -> AutoModel.fromPretrained(TINY, ModelOptions.builder().dtype("q9").build()));
        thrown(DeepSeekException.ArgumentException.class, "", () -> AutoModel.fromPretrained(TINY, ModelOptions.builder().memory("lots").build()));
        thrown(DeepSeekException.OutOfMemoryException.class, "", () -> AutoModel.fromPretrained(TINY, ModelOptions.builder().memory("1MiB").build()));
        thrown(ArithmeticException.class, "enough", () -> AutoModel.fromPretrained(TINY, ModelOptions.builder().progress((what, done, total) -> {
            throw new ArithmeticException("enough");
        }).build()));
        thrown(DeepSeekException.CancelledException.class, "", () -> AutoModel.fromPretrained(TINY, ModelOptions.builder().progress((w, d, t) -> false).build()));
        thrown(DeepSeekException.ArgumentException.class, "", () -> m.generate("x", GenerateOptions.builder().temperature(-1).build()));
        thrown(IllegalArgumentException.class, "NaN", () -> GenerateOptions.builder().topP(Double.NaN));
        thrown(IllegalArgumentException.class, "-1", () -> GenerateOptions.builder().maxNewTokens(-1));
        thrown(DeepSeekException.class, "prompt", () -> m.generateAll(List.of(), greedy(1).build()));
        thrown(DeepSeekException.class, "", () -> m.generate(new int[0], greedy(1).build()));
        thrown(DeepSeekException.ArgumentException.class, "stop string", () -> m.generate("x", greedy(1).stop("").build()));
        thrown(DeepSeekException.ArgumentException.class, "vocabulary", () -> m.score(new int[] {1 << 20}));
        thrown(DeepSeekException.ContextException.class, "", () -> m.generate("Hello ".repeat(100_000), greedy(1).build()));
        thrown(NullPointerException.class, "", () -> m.generate((String) null, greedy(1).build()));
        try (AutoModel q = AutoModel.fromPretrained(TINY, ModelOptions.builder().dtype("q8_0").threads(1).context(64).build())) {
            same(List.of("q8_0", 1, 64L), List.of(q.info().dtype(), q.info().threads(), q.info().context()));
        }
    }
}
