package deepseek;

/**
 * The C functions of jni/. Pointers are longs that only a Handle keeps; texts are UTF-8 bytes, and names and paths end with a NUL.
 * Every failure is a DeepSeekException.
 */
final class Native {
    /** Of this class and of the library: they must be the same. */
    static final int INTERFACE = 1;

    private Native() {
    }

    static native int interfaceVersion();
    static native byte[] version();
    static native int dtypeParse(byte[] name);
    static native byte[] dtypeName(int dtype);
    static native long parseBytes(byte[] size);

    static native byte[] resolve(byte[] name, byte[] revision, byte[] cacheDir, byte[] token, byte[] source, boolean download,
                                 boolean noWeights, Upcall progress);
    static native long modelOpen(byte[] path, byte[] device, int threads, int dtype, int kvDtype, long memory, long context, Upcall progress);
    static native void modelClose(long model);
    static native long[] modelNumbers(long model);
    static native byte[] modelArchitecture(long model);
    static native byte[] modelIsa(long model);
    static native long modelTokenizer(long model);
    static native int[] promptEncode(long model, byte[] text, boolean addSpecialTokens);
    static native float[] score(long model, int[] ids, Upcall progress);
    static native float[] embed(long model, int[] ids, Upcall progress);

    /** Prompts one after the other in text or in ids (the other one null), with their lengths; a ds_generated. */
    static native long generate(long model, byte[] text, int[] ids, long[] lengths, long[] whole, double[] real, byte[] stop, Upcall upcall,
                                boolean pieces);
    static native int generatedCount(long generated);
    static native long generatedItem(long generated, int i);
    static native void generatedFree(long generated);
    static native long[] generationNumbers(long item);
    static native byte[] generationText(long item);
    static native int[] generationIds(long item);
    static native float[] generationLogprobs(long item);

    static native long streamOpen(long model, byte[] text, int[] ids, long[] whole, double[] real, byte[] stop);
    /** null at the end. */
    static native byte[] streamNext(long stream);
    static native void streamCancel(long stream);
    static native long streamSoFar(long stream);
    static native void streamClose(long stream);

    static native long grammar(long model, byte[] text, int kind);
    static native void grammarFree(long grammar);

    static native long tokenizerOpen(byte[] path);
    static native void tokenizerClose(long tokenizer);
    static native int[] tokenizerEncode(long tokenizer, byte[] text, int flags);
    static native byte[] tokenizerDecode(long tokenizer, int[] ids, int flags);
    static native int tokenizerSize(long tokenizer);
    static native byte[] tokenizerPiece(long tokenizer, int id);
    static native int tokenizerId(long tokenizer, byte[] piece);
    static native boolean tokenizerIsSpecial(long tokenizer, int id);
    /** 0: BOS, 1: EOS, 2: padding, 3: unknown; -1 where there is none. */
    static native int tokenizerSpecial(long tokenizer, int which);

    static native long decoderCreate(long tokenizer, int flags);
    static native byte[] decoderAdd(long decoder, int id);
    static native byte[] decoderFlush(long decoder);
    static native void decoderDestroy(long decoder);

    static native long chatOpen(byte[] path);
    static native long chatParse(byte[] source, byte[] bos, byte[] eos);
    static native boolean chatWritesBos(long template);
    static native byte[] chatRender(long template, byte[] messages, byte[] tools, byte[] variables, boolean addGenerationPrompt,
                                    boolean continueFinal);
    static native void chatClose(long template);
}
