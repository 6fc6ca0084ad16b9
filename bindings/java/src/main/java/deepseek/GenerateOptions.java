package deepseek;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.ThreadLocalRandom;

/**
 * How a text is made; what is left alone is the model's own choice (generation_config.json), else greedy text until its end or the end
 * of the context. Names and meanings are those of Hugging Face transformers.
 */
public final class GenerateOptions {
    static final GenerateOptions DEFAULT = builder().build();

    /** Which kind of grammar text is: the numbers of Native.grammar. */
    static final int GBNF = 0, JSON_SCHEMA = 1, JSON_OBJECT = 2;

    private final Builder b;

    private GenerateOptions(Builder b) {
        this.b = b;
    }

    public static Builder builder() {
        return new Builder();
    }

    /** A builder that begins with these options. */
    public Builder toBuilder() {
        return new Builder(b);
    }

    int numReturnSequences() {
        return b.numReturnSequences;
    }

    /** As it was set, else `otherwise`. */
    boolean returnFullText(boolean otherwise) {
        return b.returnFullText == null ? otherwise : b.returnFullText;
    }

    boolean hasAddSpecialTokens() {
        return b.addSpecialTokens != null;
    }

    String tools() {
        return b.tools;
    }

    String templateVariables() {
        return b.templateVariables;
    }

    boolean outputLogprobs() {
        return b.outputLogprobs;
    }

    /** A native grammar for a model, or 0; its owner releases it. */
    long grammar(long model) {
        return b.grammarKind < 0 ? 0 : Native.grammar(model, Text.utf8(b.grammar), b.grammarKind);
    }

    /** The seed that was set, or a new one. */
    long seed() {
        return b.seed != null ? b.seed : ThreadLocalRandom.current().nextLong() & Long.MAX_VALUE;
    }

    /** In the order of `enum whole` in jni/generate.c. */
    long[] wholeNumbers(long seed, long grammar) {
        boolean addSpecialTokens = b.addSpecialTokens == null || b.addSpecialTokens;
        return new long[] {b.maxNewTokens, b.maxLength, b.numReturnSequences, b.outputLogprobs ? 0 : -1, b.ignoreEos ? 1 : 0,
                           addSpecialTokens ? 0 : 1, b.topK, seed, b.stop.size(), grammar};
    }

    /** In the order of `enum real` in jni/generate.c. */
    double[] realNumbers() {
        double temperature = b.doSample == null ? b.temperature : !b.doSample ? 0 : Double.isNaN(b.temperature) ? 1 : b.temperature;
        return new double[] {temperature, b.topP, b.minP, b.repetitionPenalty, b.presencePenalty, b.frequencyPenalty};
    }

    /** The stop strings, each NUL-terminated. */
    byte[] stopStrings() {
        StringBuilder all = new StringBuilder();
        for (String s : b.stop)
            all.append(s).append('\0');
        return Text.utf8(all.toString());
    }

    /** Sets options; build() leaves it usable. */
    public static final class Builder {
        private long maxNewTokens = -1, maxLength = -1, topK = -1;
        private double temperature = Double.NaN, topP = Double.NaN, minP = Double.NaN;
        private double repetitionPenalty = Double.NaN, presencePenalty = Double.NaN, frequencyPenalty = Double.NaN;
        private Boolean doSample, returnFullText, addSpecialTokens;
        private Long seed;
        private List<String> stop = List.of();
        private int numReturnSequences = 1, grammarKind = -1;
        private boolean ignoreEos, outputLogprobs;
        private String grammar = "", tools, templateVariables;

        private Builder() {
        }

        private Builder(Builder o) {
            maxNewTokens = o.maxNewTokens;
            maxLength = o.maxLength;
            topK = o.topK;
            temperature = o.temperature;
            topP = o.topP;
            minP = o.minP;
            repetitionPenalty = o.repetitionPenalty;
            presencePenalty = o.presencePenalty;
            frequencyPenalty = o.frequencyPenalty;
            doSample = o.doSample;
            returnFullText = o.returnFullText;
            addSpecialTokens = o.addSpecialTokens;
            seed = o.seed;
            stop = o.stop;
            numReturnSequences = o.numReturnSequences;
            grammarKind = o.grammarKind;
            ignoreEos = o.ignoreEos;
            outputLogprobs = o.outputLogprobs;
            grammar = o.grammar;
            tools = o.tools;
            templateVariables = o.templateVariables;
        }

        public GenerateOptions build() {
            return new GenerateOptions(new Builder(this));
        }

        /** Most tokens of the continuation; wins over maxLength. */
        public Builder maxNewTokens(long n) {
            maxNewTokens = notNegative(n, "maxNewTokens");
            return this;
        }

        /** Most tokens of prompt and continuation together. */
        public Builder maxLength(long n) {
            maxLength = notNegative(n, "maxLength");
            return this;
        }

        /** false: greedy. true: at temperature 1 unless it is set. */
        public Builder doSample(boolean yes) {
            doSample = yes;
            return this;
        }

        /** Logits are divided by it; 0 is greedy. */
        public Builder temperature(double t) {
            temperature = number(t, "temperature");
            return this;
        }

        /** Only the k likeliest tokens; 0: all. */
        public Builder topK(long k) {
            topK = notNegative(k, "topK");
            return this;
        }

        /** Only the fewest likeliest tokens that together have this probability. */
        public Builder topP(double p) {
            topP = number(p, "topP");
            return this;
        }

        /** Only tokens at least this times as likely as the likeliest. */
        public Builder minP(double p) {
            minP = number(p, "minP");
            return this;
        }

        public Builder repetitionPenalty(double r) {
            repetitionPenalty = number(r, "repetitionPenalty");
            return this;
        }

        public Builder presencePenalty(double x) {
            presencePenalty = number(x, "presencePenalty");
            return this;
        }

        public Builder frequencyPenalty(double x) {
            frequencyPenalty = number(x, "frequencyPenalty");
            return this;
        }

        /** The same seed gives the same text; without one each call has a new one. */
        public Builder seed(long n) {
            seed = n;
            return this;
        }

        /** The text ends before the first of these that appears. */
        public Builder stop(String... strings) {
            return stop(Arrays.asList(strings));
        }

        /** The text ends before the first of these that appears. */
        public Builder stop(List<String> strings) {
            for (String s : strings)
                if (s.indexOf('\0') >= 0)
                    throw new IllegalArgumentException("a stop string has a NUL character: expected none");
            stop = List.copyOf(new ArrayList<>(strings));
            return this;
        }

        /** Continuations of each prompt, for generateAll. */
        public Builder numReturnSequences(int n) {
            numReturnSequences = n;
            return this;
        }

        /** Whether the prompt is put before the continuation; by default not before text, but before ids. */
        public Builder returnFullText(boolean yes) {
            returnFullText = yes;
            return this;
        }

        /** Go on after end-of-text tokens. */
        public Builder ignoreEos(boolean yes) {
            ignoreEos = yes;
            return this;
        }

        /** Whether a begin-of-text token is put before the prompt where the model's configuration says so. */
        public Builder addSpecialTokens(boolean yes) {
            addSpecialTokens = yes;
            return this;
        }

        /** Generations come with the log-probability of every token. */
        public Builder outputLogprobs(boolean yes) {
            outputLogprobs = yes;
            return this;
        }

        /** Only JSON that is valid by this schema (JSON text) comes out. */
        public Builder jsonSchema(String schema) {
            return constrain(schema, JSON_SCHEMA);
        }

        /** Only a JSON object comes out. */
        public Builder jsonObject() {
            return constrain("", JSON_OBJECT);
        }

        /** Only text of this grammar (GBNF) comes out. */
        public Builder grammar(String gbnf) {
            return constrain(gbnf, GBNF);
        }

        /** For chat: tools that the model may call, a JSON array as in OpenAI's API. */
        public Builder tools(String json) {
            tools = json;
            return this;
        }

        /** For chat: further variables of the chat template, a JSON object. */
        public Builder templateVariables(String json) {
            templateVariables = json;
            return this;
        }

        private Builder constrain(String text, int kind) {
            grammar = Objects.requireNonNull(text);
            grammarKind = kind;
            return this;
        }

        private static long notNegative(long n, String name) {
            if (n < 0)
                throw new IllegalArgumentException(name + " is " + n + ": expected 0 or more");
            return n;
        }

        /* NaN and negative numbers stand for "not set" below this layer. */
        private static double number(double x, String name) {
            if (Double.isNaN(x))
                throw new IllegalArgumentException(name + " is NaN: expected a number");
            return x;
        }
    }
}
