import deepseek.AutoModel;
import deepseek.GenerateOptions;
import deepseek.ModelOptions;
import deepseek.TextStream;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Flow;

/** What a token costs in Java, for bench/sdk.py: SdkBench MODEL TOKENS ROUNDS prints "HOW MICROSECONDS" for each round and way. */
public final class SdkBench {
    private static String text(AutoModel m, String how, GenerateOptions o) throws InterruptedException {
        StringBuilder out = new StringBuilder();
        String prompt = "Once upon a time";
        switch (how) {
        case "whole":
            return m.generate(prompt, o);
        case "callback":
            m.generate(prompt, o, piece -> {
                out.append(piece);
                return true;
            });
            break;
        case "stream":
            try (TextStream s = m.stream(prompt, o)) {
                for (String piece : s)
                    out.append(piece);
            }
            break;
        default:
            CountDownLatch over = new CountDownLatch(1);
            m.publisher(prompt, o).subscribe(new Flow.Subscriber<String>() {
                @Override
                public void onSubscribe(Flow.Subscription s) {
                    s.request(Long.MAX_VALUE);
                }

                @Override
                public void onNext(String piece) {
                    out.append(piece);
                }

                @Override
                public void onError(Throwable t) {
                    throw new IllegalStateException(t);
                }

                @Override
                public void onComplete() {
                    over.countDown();
                }
            });
            over.await();
        }
        return out.toString();
    }

    public static void main(String[] args) throws Exception {
        int tokens = Integer.parseInt(args[1]), rounds = Integer.parseInt(args[2]);
        GenerateOptions o = GenerateOptions.builder().maxNewTokens(tokens).doSample(false).ignoreEos(true).build();
        try (AutoModel m = AutoModel.fromPretrained(args[0], ModelOptions.builder().threads(1).build())) {
            String expected = text(m, "whole", o);
            String[] ways = {"whole", "callback", "stream", "publisher"};
            for (int r = -10; r < rounds; r++) // ten to warm up
                for (String how : ways) {
                    long start = System.nanoTime();
                    String found = text(m, how, o);
                    double us = (System.nanoTime() - start) / 1e3 / tokens;
                    if (!found.equals(expected))
                        throw new AssertionError("the text of " + how + " differs");
                    if (r >= 0)
                        System.out.printf(java.util.Locale.ROOT, "%s %.3f%n", how, us);
                }
        }
    }
}
