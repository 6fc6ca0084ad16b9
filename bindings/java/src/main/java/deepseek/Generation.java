package deepseek;

/** One continuation, with all there is to know of it. */
public final class Generation {
    /** Why a text ended. */
    public enum Finish {
        /** It has not ended yet. */
        NONE,
        /** An end-of-text token, a stop string, or the end of a grammar. */
        STOP,
        /** maxNewTokens, maxLength, or the context is full. */
        LENGTH,
        /** Somebody stopped it. */
        CANCELLED
    }

    private final String text;
    private final int[] ids;
    private final float[] logprobs;
    private final int promptLength, prompt, choice;
    private final Finish finish;
    private final long seed;

    private Generation(long item, long seed) {
        long[] numbers = Native.generationNumbers(item); // prompt, choice, prompt tokens, finish
        text = Text.string(Native.generationText(item));
        ids = Native.generationIds(item);
        logprobs = Native.generationLogprobs(item);
        prompt = (int) numbers[0];
        choice = (int) numbers[1];
        promptLength = (int) numbers[2];
        finish = Finish.values()[(int) numbers[3]];
        this.seed = seed;
    }

    /** Reads a native ds_generation. */
    static Generation read(long item, long seed) {
        return new Generation(item, seed);
    }

    /** The continuation. */
    public String text() {
        return text;
    }

    /** Every token drawn, an end-of-text token included; not the prompt's. */
    public int[] ids() {
        return ids.clone();
    }

    /** The log-probability of each of ids(), in nats, when outputLogprobs was set; else null. */
    public float[] logprobs() {
        return logprobs == null ? null : logprobs.clone();
    }

    /** Tokens of the prompt. */
    public int promptLength() {
        return promptLength;
    }

    public Finish finish() {
        return finish;
    }

    /** Which prompt of a batch, from 0. */
    public int prompt() {
        return prompt;
    }

    /** Which of the prompt's numReturnSequences, from 0. */
    public int choice() {
        return choice;
    }

    /** The same seed and options give the same text again. */
    public long seed() {
        return seed;
    }

    @Override
    public String toString() {
        return text;
    }
}
