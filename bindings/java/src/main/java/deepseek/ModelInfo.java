package deepseek;

/** What a model is: architecture, sizes, types, memory. */
public final class ModelInfo {
    private final long[] n;
    private final String architecture, isa, dtype, kvDtype;

    ModelInfo(long model) {
        n = Native.modelNumbers(model);
        architecture = Text.string(Native.modelArchitecture(model));
        isa = Text.string(Native.modelIsa(model));
        dtype = Text.string(Native.dtypeName((int) n[9]));
        kvDtype = Text.string(Native.dtypeName((int) n[10]));
    }

    /** Such as "llama". */
    public String architecture() {
        return architecture;
    }

    /** The instruction set in use. */
    public String isa() {
        return isa;
    }

    /** Of the layers' matrices. */
    public String dtype() {
        return dtype;
    }

    public String kvDtype() {
        return kvDtype;
    }

    public int threads() {
        return (int) n[0];
    }

    public long layers() {
        return n[1];
    }

    /** Width of the residual stream, and of embed's vectors. */
    public long width() {
        return n[2];
    }

    public long heads() {
        return n[3];
    }

    public long kvHeads() {
        return n[4];
    }

    public long vocabSize() {
        return n[5];
    }

    public long parameters() {
        return n[6];
    }

    /** Tokens that the model was made for. */
    public long maxPosition() {
        return n[7];
    }

    /** Longest sequence here. */
    public long context() {
        return n[8];
    }

    /** All weights as loaded. */
    public long weightBytes() {
        return n[11];
    }

    /** Of them in memory. */
    public long residentBytes() {
        return n[12];
    }

    /** Cache of one token. */
    public long kvTokenBytes() {
        return n[13];
    }

    @Override
    public String toString() {
        return architecture + ", " + parameters() + " parameters, " + dtype + ", context " + context();
    }
}
