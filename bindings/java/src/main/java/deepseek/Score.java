package deepseek;

/** The natural log-probability of each token of a text given those before it; 0 for the first. */
public final class Score {
    private final int[] ids;
    private final float[] logprobs;

    Score(int[] ids, float[] logprobs) {
        this.ids = ids;
        this.logprobs = logprobs;
    }

    public int[] ids() {
        return ids.clone();
    }

    /** In nats, one for each id. */
    public float[] logprobs() {
        return logprobs.clone();
    }

    /** exp of the mean of -logprob over the tokens after the first; NaN for a single token. */
    public double perplexity() {
        double sum = 0;
        for (float x : logprobs)
            sum -= x;
        return logprobs.length > 1 ? Math.exp(sum / (logprobs.length - 1)) : Double.NaN;
    }
}
