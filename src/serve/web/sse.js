// Server-sent events (HTML standard, section 9.2.6): from pieces cut anywhere to the data of whole events.

export class SseParser {
  #line = '';
  #data = [];
  #afterCr = false; // the last piece ended in CR: an LF that follows belongs to it

  /** Takes the next piece of the stream; returns the data of the events that it completes. An event never completed is never returned. */
  push(piece) {
    if (piece === '') return [];
    if (this.#afterCr && piece[0] === '\n') piece = piece.slice(1);
    this.#afterCr = piece.endsWith('\r');
    const lines = (this.#line + piece).split(/\r\n|\n|\r/);
    this.#line = lines.pop();
    return lines.map((line) => this.#take(line)).filter((event) => event !== null);
  }

  #take(line) {
    if (line === '') {
      const event = this.#data.length ? this.#data.join('\n') : null;
      this.#data = [];
      return event;
    }
    if (line === 'data') this.#data.push('');
    else if (line.startsWith('data:')) this.#data.push(line.slice(line[5] === ' ' ? 6 : 5));
    return null; // a comment, or a field that nobody here reads
  }
}

/** The data of the events of a response's body, one after the other. Characters may be cut between pieces as well. */
export async function* events(body) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const parser = new SseParser();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      yield* parser.push(done ? decoder.decode() : decoder.decode(value, { stream: true }));
      if (done) return;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
