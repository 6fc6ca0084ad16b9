// How fast an answer came.

const SHORT = 200; // milliseconds

export class Meter {
  #start = performance.now();
  #first = null;
  #last = null;
  #pieces = 0;

  piece() {
    this.#last = performance.now();
    this.#first ??= this.#last;
    this.#pieces++;
  }

  /** {first (seconds), rate (tokens a second), prompt, completion, cached (tokens)}, as far as known. Until the server has told the
   *  usage a piece of the stream counts as a token. */
  stats(usage) {
    const stats = {};
    if (this.#first !== null) stats.first = (this.#first - this.#start) / 1000;
    const tokens = usage?.completion_tokens ?? this.#pieces;
    if (tokens > 1) stats.rate = this.#rate(tokens);
    if (usage) Object.assign(stats, tokensOf(usage));
    return stats;
  }

  /** From the first token to the last. An answer so short that it came nearly at once says nothing about that: then from the start, which
   *  is less than the truth. */
  #rate(tokens) {
    const span = this.#last - this.#first;
    return span >= SHORT ? (tokens - 1) / (span / 1000) : tokens / (Math.max(1, this.#last - this.#start) / 1000);
  }
}

function tokensOf(usage) {
  const cached = usage.prompt_tokens_details?.cached_tokens ?? usage.prompt_cache_hit_tokens;
  const all = { prompt: usage.prompt_tokens, completion: usage.completion_tokens, cached };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => Number.isFinite(value)));
}
