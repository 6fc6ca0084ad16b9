package deepseek;

import java.util.Objects;

/** How a model is opened. */
public final class ModelOptions {
    static final ModelOptions DEFAULT = builder().build();

    /** Called while a model is downloaded and loaded; returning false stops. */
    @FunctionalInterface
    public interface Progress {
        /** done of total units (bytes, tensors); total 0 is unknown. */
        boolean report(String what, long done, long total);
    }

    final String device, dtype, kvDtype, memory, revision, cacheDir, token, source;
    final int threads;
    final long context;
    final boolean localFilesOnly;
    final Progress progress;

    private ModelOptions(Builder b) {
        device = b.device;
        dtype = b.dtype;
        kvDtype = b.kvDtype;
        memory = b.memory;
        revision = b.revision;
        cacheDir = b.cacheDir;
        token = b.token;
        source = b.source;
        threads = b.threads;
        context = b.context;
        localFilesOnly = b.localFilesOnly;
        progress = b.progress;
    }

    public static Builder builder() {
        return new Builder();
    }

    /** Sets options; build() leaves it usable. */
    public static final class Builder {
        private String device = "auto", dtype, kvDtype, memory, revision, cacheDir, token, source;
        private int threads;
        private long context;
        private boolean localFilesOnly;
        private Progress progress;

        private Builder() {
        }

        public ModelOptions build() {
            return new ModelOptions(this);
        }

        /** "auto", "cpu", or "cuda": a DeviceException that lists the devices where there is none. */
        public Builder device(String name) {
            device = Objects.requireNonNull(name, "device");
            return this;
        }

        /** Weights become this type on load ("bf16", "q8_0", "q4_k", ...); by default as stored. */
        public Builder dtype(String name) {
            dtype = name;
            return this;
        }

        /** Type of the key/value cache: "f32", "f16", "bf16", "q8_0"; by default chosen from weights and processor. */
        public Builder kvDtype(String name) {
            kvDtype = name;
            return this;
        }

        /** 0 = one per processor. */
        public Builder threads(int n) {
            threads = n;
            return this;
        }

        /** Longest sequence in tokens; 0 = the model's own. */
        public Builder context(long n) {
            context = n;
            return this;
        }

        /** Most memory for weights and cache, such as "12GiB"; what does not fit streams from disk. */
        public Builder memory(String size) {
            memory = size;
            return this;
        }

        /** Most memory for weights and cache, in bytes. */
        public Builder memory(long bytes) {
            memory = Long.toString(bytes);
            return this;
        }

        /** Branch, tag or commit. */
        public Builder revision(String name) {
            revision = name;
            return this;
        }

        /** Instead of the cache directory of Hugging Face or ModelScope. */
        public Builder cacheDir(String path) {
            cacheDir = path;
            return this;
        }

        /** Access token. */
        public Builder token(String secret) {
            token = secret;
            return this;
        }

        /** "hf" or "modelscope". */
        public Builder source(String name) {
            source = name;
            return this;
        }

        /** Download nothing. */
        public Builder localFilesOnly(boolean yes) {
            localFilesOnly = yes;
            return this;
        }

        public Builder progress(Progress report) {
            progress = report;
            return this;
        }
    }
}
