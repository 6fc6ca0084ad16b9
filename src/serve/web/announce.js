// What a screen reader hears of a growing answer: whole sentences, once each.

const LIMIT = 400; // characters after which a sentence that does not end is said anyway

/** Where the last complete sentence of the text from `start` ends; `start` if none does. "3.14" ends none. */
export function sentenceEnd(text, start) {
  const ends = [...text.slice(start).matchAll(/[。！？；]["”』」）]*|[.!?]["')\]]*(?=\s)|\n/g)];
  const last = ends[ends.length - 1];
  if (last) return start + last.index + last[0].length;
  return text.length - start > LIMIT ? text.length : start;
}

/** Text as it is read aloud: without Markdown's marks. */
export const spoken = (text) => text.replace(/!?\[([^\]]{0,300})\]\([^)\s]{0,2000}\)/g, '$1').replace(/[*_`#>|~]+|^[ \t]*[-+] /gm, ' ').replace(/[ \t]+/g, ' ').trim();

export class Announcer {
  #region;
  #said = 0;

  /** region: an element with aria-live="polite"; what is added to it is read, what is there already is not read again. */
  constructor(region) {
    this.#region = region;
  }

  begin() {
    this.#said = 0;
    this.#region.replaceChildren();
  }

  /** The answer so far; says the sentences that are new and complete, and at the end the rest. */
  answer(text, complete = false) {
    const end = complete ? text.length : sentenceEnd(text, this.#said);
    const words = spoken(text.slice(this.#said, end));
    this.#said = end;
    if (words) this.say(words);
  }

  say(words) {
    const node = document.createElement('p');
    node.textContent = words;
    this.#region.append(node);
    while (this.#region.childElementCount > 20) this.#region.firstElementChild.remove();
  }
}
