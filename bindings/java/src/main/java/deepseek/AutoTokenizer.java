package deepseek;

import java.lang.ref.Reference;
import java.util.List;
import java.util.OptionalInt;
import java.util.function.Function;

/** Text to token ids and back. Made by fromPretrained, or a model's own. */
public final class AutoTokenizer implements AutoCloseable {
    private static final int TEMPLATE = 1, SPECIAL = 2, SKIP_SPECIAL = 1; // as in deepseek/tokenizer.h

    private final Handle handle; // this tokenizer's, or its model's
    private final long borrowed; // the model's tokenizer; 0: handle is the tokenizer
    private final AutoModel owner;
    private final String path;

    /** A model's own. */
    AutoTokenizer(long pointer, String path, AutoModel owner, Handle model) {
        this.handle = model;
        this.borrowed = pointer;
        this.owner = owner;
        this.path = path;
    }

    private AutoTokenizer(long pointer, String path) {
        this.handle = new Handle("this tokenizer", pointer, Native::tokenizerClose);
        this.borrowed = 0;
        this.owner = null;
        this.path = path;
        Handle.CLEANER.register(this, handle);
    }

    public static AutoTokenizer fromPretrained(String nameOrPath) {
        return fromPretrained(nameOrPath, ModelOptions.DEFAULT);
    }

    /** Opens the tokenizer of a model: a directory, a .gguf file, or a name, whose small files are downloaded if need be. */
    public static AutoTokenizer fromPretrained(String nameOrPath, ModelOptions o) {
        Library.load();
        Upcall progress = new Upcall(null, o.progress, () -> false);
        try {
            String path = AutoModel.resolve(nameOrPath, o, true, progress);
            return new AutoTokenizer(Native.tokenizerOpen(Text.cString(path, "path")), path);
        } catch (DeepSeekException e) {
            progress.rethrow();
            throw e;
        }
    }

    /** Does nothing to a model's own tokenizer, which lives as long as the model. */
    @Override
    public void close() {
        if (owner == null)
            handle.close();
    }

    private <R> R with(Function<Long, R> work) {
        long h = handle.enter();
        try {
            return work.apply(borrowed != 0 ? borrowed : h);
        } finally {
            handle.leave();
            Reference.reachabilityFence(this);
            Reference.reachabilityFence(owner);
        }
    }

    /** The ids of a text, with a begin-of-text token where the model's configuration says so. */
    public int[] encode(String text) {
        return encode(text, true, false);
    }

    /** splitSpecialTokens reads "&lt;|EOT|&gt;" and the like as ordinary text. */
    public int[] encode(String text, boolean addSpecialTokens, boolean splitSpecialTokens) {
        int flags = (addSpecialTokens ? TEMPLATE : 0) | (splitSpecialTokens ? 0 : SPECIAL);
        return with(t -> Native.tokenizerEncode(t, Text.utf8(text), flags));
    }

    public String decode(int... ids) {
        return decode(ids, false);
    }

    /** The text of ids. Bytes that are not UTF-8 become U+FFFD. */
    public String decode(int[] ids, boolean skipSpecialTokens) {
        return with(t -> Text.string(Native.tokenizerDecode(t, ids, skipSpecialTokens ? SKIP_SPECIAL : 0)));
    }

    /** Decoding one token at a time. Close it. */
    public Decoder decoder(boolean skipSpecialTokens) {
        return with(t -> {
            Handle d = new Handle("this decoder", Native.decoderCreate(t, skipSpecialTokens ? SKIP_SPECIAL : 0), Native::decoderDestroy);
            handle.adopt(d);
            return new Decoder(this, d);
        });
    }

    /** Messages in the model's own chat format. */
    public String applyChatTemplate(List<Message> messages, boolean addGenerationPrompt) {
        return with(t -> ChatTemplate.render(path, messages, null, null, addGenerationPrompt).text);
    }

    /** Messages in the format of another Jinja template. */
    public String applyChatTemplate(List<Message> messages, boolean addGenerationPrompt, String chatTemplate) {
        return with(t -> ChatTemplate.parse(chatTemplate, bosToken(), eosToken(), messages, addGenerationPrompt).text);
    }

    /** Ids are at least 0 and less than this. */
    public int vocabSize() {
        return with(Native::tokenizerSize);
    }

    public OptionalInt convertTokenToId(String token) {
        return id(with(t -> Native.tokenizerId(t, Text.utf8(token))));
    }

    /** null where there is no such id. */
    public String convertIdToToken(int id) {
        return with(t -> Text.string(Native.tokenizerPiece(t, id)));
    }

    public boolean isSpecial(int id) {
        return with(t -> Native.tokenizerIsSpecial(t, id));
    }

    public OptionalInt bosTokenId() {
        return special(0);
    }

    public OptionalInt eosTokenId() {
        return special(1);
    }

    public OptionalInt padTokenId() {
        return special(2);
    }

    public OptionalInt unkTokenId() {
        return special(3);
    }

    /** null where there is none. */
    public String bosToken() {
        return token(bosTokenId());
    }

    /** null where there is none. */
    public String eosToken() {
        return token(eosTokenId());
    }

    private OptionalInt special(int which) {
        return id(with(t -> Native.tokenizerSpecial(t, which)));
    }

    private static OptionalInt id(int i) {
        return i < 0 ? OptionalInt.empty() : OptionalInt.of(i);
    }

    private String token(OptionalInt id) {
        return id.isPresent() ? convertIdToToken(id.getAsInt()) : null;
    }

    /** Decodes one token at a time, for streaming: what it gives never ends inside a character. For one thread at a time. */
    public static final class Decoder implements AutoCloseable {
        private final AutoTokenizer tokenizer;
        private final Handle handle;

        private Decoder(AutoTokenizer tokenizer, Handle handle) {
            this.tokenizer = tokenizer;
            this.handle = handle;
            Handle.CLEANER.register(this, handle);
        }

        /** The text that is complete by now; may be empty. */
        public String add(int id) {
            return with(d -> Native.decoderAdd(d, id));
        }

        /** What is still held back: a character that was never finished. It starts afresh. */
        public String flush() {
            return with(Native::decoderFlush);
        }

        @Override
        public void close() {
            handle.close();
        }

        private synchronized String with(Function<Long, byte[]> work) {
            long d = handle.enter();
            try {
                return Text.string(work.apply(d));
            } finally {
                handle.leave();
                Reference.reachabilityFence(this);
                Reference.reachabilityFence(tokenizer);
            }
        }
    }
}
