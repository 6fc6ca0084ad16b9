/**
 * DeepSeek language models: text generation, chat, scoring and embeddings through libdeepseek.
 *
 * <pre>{@code
 * try (AutoModel model = AutoModel.fromPretrained("deepseek/nano")) {
 *     System.out.println(model.generate("Once upon a time", GenerateOptions.builder().maxNewTokens(50).build()));
 * }
 * }</pre>
 *
 * Names and meanings are those of the Python package, and so of Hugging Face transformers; docs/SDK.md of the source explains them.
 * Failures are {@link deepseek.DeepSeekException}s, whose text is one sentence. Everything may be used from several threads.
 */
package deepseek;
