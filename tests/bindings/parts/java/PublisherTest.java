import deepseek.AutoModel;
import deepseek.DeepSeekException;
import deepseek.GenerateOptions;
import deepseek.Message;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Flow;
import java.util.concurrent.TimeUnit;

/** The Flow.Publisher: pieces come when they are requested, one at a time, and no later than that the text ends. */
public final class PublisherTest extends Runner {
    private final AutoModel m = AutoModel.fromPretrained(SdkTest.TINY);
    private final GenerateOptions twenty = SdkTest.greedy(20).build();

    public static void main(String[] args) throws Exception {
        new PublisherTest().runAll();
    }

    /** Keeps what it gets; asks for more as it is told to. */
    private static class Subscriber implements Flow.Subscriber<String> {
        final List<String> pieces = new CopyOnWriteArrayList<>();
        final CountDownLatch over = new CountDownLatch(1);
        volatile Flow.Subscription subscription;
        volatile Throwable error;
        volatile int ends, inside, most;

        @Override
        public void onSubscribe(Flow.Subscription s) {
            subscription = s;
        }

        @Override
        public void onNext(String piece) {
            most = Math.max(most, ++inside);
            pieces.add(piece);
            inside--;
        }

        @Override
        public void onError(Throwable t) {
            error = t;
            ends++;
            over.countDown();
        }

        @Override
        public void onComplete() {
            ends++;
            over.countDown();
        }

        void await() throws InterruptedException {
            check(over.await(60, TimeUnit.SECONDS), "it does not end");
        }

        /** Waits for a number of pieces, and a while longer for one too many. */
        void awaitPieces(int n) throws InterruptedException {
            for (int i = 0; i < 6000 && pieces.size() < n; i++)
                Thread.sleep(5);
            Thread.sleep(30);
            same(n, pieces.size());
        }
    }

    private Subscriber subscribe(GenerateOptions o) {
        Subscriber s = new Subscriber();
        m.publisher("Hello", o).subscribe(s);
        return s;
    }

    void testEverything() throws Exception {
        Subscriber s = subscribe(twenty);
        s.subscription.request(Long.MAX_VALUE);
        s.await();
        same(m.generate("Hello", twenty), String.join("", s.pieces));
        same(1, s.ends);
        same(null, s.error);
        same(1, s.most);
        Flow.Publisher<String> chat = m.chatPublisher(List.of(Message.user("Hello")), twenty);
        for (int i = 0; i < 2; i++) { // each subscriber gets a text
            Subscriber t = new Subscriber();
            chat.subscribe(t);
            t.subscription.request(Long.MAX_VALUE);
            t.subscription.request(Long.MAX_VALUE);
            t.await();
            same(m.chat(List.of(Message.user("Hello")), twenty), String.join("", t.pieces));
        }
    }

    void testBackPressure() throws Exception {
        Subscriber s = subscribe(twenty);
        s.awaitPieces(0);
        s.subscription.request(2);
        s.awaitPieces(2);
        s.subscription.request(1);
        s.subscription.request(1);
        s.awaitPieces(4);
        s.subscription.request(1000);
        s.await();
        same(m.generate("Hello", twenty), String.join("", s.pieces));
    }

    void testOneByOneFromWithin() throws Exception {
        Subscriber s = new Subscriber() {
            @Override
            public void onSubscribe(Flow.Subscription s) {
                super.onSubscribe(s);
                s.request(1); // before onSubscribe has returned: nothing may come yet
                same(0, pieces.size());
            }

            @Override
            public void onNext(String piece) {
                most = Math.max(most, ++inside);
                pieces.add(piece);
                subscription.request(1);
                inside--;
            }
        };
        m.publisher("Hello", twenty).subscribe(s);
        s.await();
        same(m.generate("Hello", twenty), String.join("", s.pieces));
        same(1, s.most);
    }

    void testCancel() throws Exception {
        Subscriber s = subscribe(SdkTest.LONG);
        s.subscription.request(3);
        s.awaitPieces(3);
        s.subscription.cancel();
        s.subscription.cancel();
        s.subscription.request(5);
        s.awaitPieces(3);
        same(0, s.ends);
        Subscriber within = new Subscriber() {
            @Override
            public void onNext(String piece) {
                super.onNext(piece);
                if (pieces.size() == 2)
                    subscription.cancel();
            }
        };
        m.publisher("Hello", SdkTest.LONG).subscribe(within);
        within.subscription.request(Long.MAX_VALUE);
        within.awaitPieces(2);
        same(0, within.ends);
    }

    void testErrors() throws Exception {
        Subscriber s = subscribe(twenty);
        s.subscription.request(0);
        s.await();
        check(s.error instanceof IllegalArgumentException, s.error);
        Subscriber wrong = subscribe(GenerateOptions.builder().topP(2).build());
        wrong.subscription.request(1);
        wrong.await();
        check(wrong.error instanceof DeepSeekException.ArgumentException, wrong.error);
        thrown(NullPointerException.class, "", () -> m.publisher("x", twenty).subscribe(null));
        AutoModel closed = AutoModel.fromPretrained(SdkTest.TINY);
        Flow.Publisher<String> p = closed.publisher("x", twenty);
        closed.close();
        Subscriber late = new Subscriber();
        p.subscribe(late);
        late.subscription.request(1);
        late.await();
        check(late.error instanceof IllegalStateException, late.error);
    }

    void testSubscriberThatThrows() throws Exception {
        CountDownLatch heard = new CountDownLatch(1);
        Thread.setDefaultUncaughtExceptionHandler((thread, t) -> heard.countDown());
        Subscriber s = new Subscriber() {
            @Override
            public void onNext(String piece) {
                throw new IllegalStateException("mine");
            }
        };
        m.publisher("Hello", SdkTest.LONG).subscribe(s);
        s.subscription.request(5);
        check(heard.await(60, TimeUnit.SECONDS));
        same(0, s.ends);
        Thread.setDefaultUncaughtExceptionHandler(null);
    }
}
