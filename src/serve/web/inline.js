// Markdown inside a paragraph: text to nodes {type, ...}. One pass; the time grows with the length, whatever the text.

const MAX_OPEN = 16; // emphasis and brackets open at once; more are taken literally
const PLAIN = /[^\\`*_~[\]!<\n$hH]+/y;
const BARE_URL = /https?:\/\/[^\s<>"'`|，。；：！？、（）《》【】「」『』“”‘’…]{1,2000}/iy;
const ANGLE_URL = /<(https?:\/\/[^\s<>]{1,2000})>/iy;
const ESCAPABLE = /[!-/:-@[-`{-~]/;
const WORD = /[\p{L}\p{N}]/u;
const SPACE = /\s/;
const MATH = { '\\(': '\\)', '\\[': '\\]', $$: '$$' };

/** Nodes: text {text}, code {text}, math {text}, br, strong|em|del {children}, link {href, children}.
 *  open: the text is still growing; emphasis and code that wait for their end are shown as if it had come. */
export function parseInline(text, open = false) {
  return new Inline(text, open).parse();
}

/** The address if it is one that a link may lead to (http and https, absolute), else null. */
export function safeUrl(address) {
  if (!/^https?:\/\//i.test(address)) return null;
  try {
    return new URL(address).href;
  } catch {
    return null;
  }
}

function match(sticky, text, at) {
  sticky.lastIndex = at;
  return sticky.exec(text);
}

/** Positions of the runs of backticks, by length: each search for a closing run starts where the last one ended. */
function backtickRuns(text) {
  const runs = new Map();
  for (const run of text.matchAll(/`+/g)) {
    if (!runs.has(run[0].length)) runs.set(run[0].length, { at: [], next: 0 });
    runs.get(run[0].length).at.push(run.index);
  }
  return runs;
}

/** "(address "title")" from the bracket at `at`: {href, end}, or null. */
function destination(text, at) {
  const limit = Math.min(text.length, at + 2048);
  let i = at + 1;
  while (i < limit && text[i] === ' ') i++;
  const start = i;
  for (let depth = 0; i < limit && !/[\s[\]]/.test(text[i]); i++) {
    if (text[i] === '(') depth++;
    else if (text[i] === ')' && depth-- === 0) break;
  }
  const href = text.slice(start, i).replace(/^<(.*)>$/, '$1');
  const rest = /^ *(?:"[^"\n]{0,500}"|'[^'\n]{0,500}')? *\)/.exec(text.slice(i, Math.min(limit, i + 600)));
  return rest ? { href, end: i + rest[0].length } : null;
}

/** A bare address without the punctuation that belongs to the sentence around it. */
function trimUrl(url) {
  const count = (c) => url.split(c).length - 1;
  let extra = count(')') - count('(');
  let end = url.length;
  for (; end > 0; end--) {
    if (/[.,;:!?*_~\]}]/.test(url[end - 1])) continue;
    if (url[end - 1] !== ')' || extra-- <= 0) break;
  }
  return url.slice(0, end);
}

function withoutLinks(nodes) {
  return nodes.flatMap((n) => (n.type === 'link' ? withoutLinks(n.children) : n.children ? [{ ...n, children: withoutLinks(n.children) }] : [n]));
}

class Inline {
  constructor(text, open) {
    this.text = text;
    this.open = open;
    this.at = 0;
    this.frames = [{ nodes: [] }]; // what is open: {mark, length, nodes}
    this.runs = backtickRuns(text);
    this.unclosed = new Set(); // marks known not to come again
  }

  parse() {
    while (this.at < this.text.length) this.step();
    while (this.frames.length > 1) this.abandon(this.open && this.top.length === 2);
    return this.top.nodes;
  }

  get top() {
    return this.frames[this.frames.length - 1];
  }

  step() {
    const plain = match(PLAIN, this.text, this.at);
    if (plain) return this.literal(plain[0]);
    switch (this.text[this.at]) {
      case '\n': return this.lineBreak();
      case '\\': return this.math(2) || this.escape();
      case '$': return this.math(2) || this.literal('$');
      case '`': return this.code();
      case '*': case '_': case '~': return this.emphasis();
      case '!': return this.text[this.at + 1] === '[' ? this.bracket('![') : this.literal('!');
      case '[': return this.bracket('[');
      case ']': return this.link();
      case '<': return this.angle();
      default: return this.bareUrl(); // h, H
    }
  }

  literal(text) {
    this.at += text.length;
    this.add({ type: 'text', text });
  }

  add(node) {
    const nodes = this.top.nodes;
    const last = nodes[nodes.length - 1];
    if (node.type === 'text' && last?.type === 'text') last.text += node.text;
    else nodes.push(node);
  }

  lineBreak() {
    this.at++;
    const last = this.top.nodes[this.top.nodes.length - 1];
    if (last?.type === 'text') last.text = last.text.trimEnd();
    this.add({ type: 'br' });
  }

  escape() {
    const next = this.text[this.at + 1] ?? '';
    if (!ESCAPABLE.test(next)) return this.literal('\\');
    this.at += 2;
    this.add({ type: 'text', text: next });
  }

  math(n) {
    const mark = this.text.slice(this.at, this.at + n);
    const closing = MATH[mark];
    if (!closing || this.unclosed.has(closing)) return false;
    const end = this.text.indexOf(closing, this.at + n);
    if (end < 0) this.unclosed.add(closing);
    if (end <= this.at + n) return false;
    this.add({ type: 'math', text: this.text.slice(this.at, end + n) });
    this.at = end + n;
    return true;
  }

  code() {
    const length = this.runLength('`');
    const run = this.runs.get(length);
    while (run.next < run.at.length && run.at[run.next] <= this.at) run.next++;
    const end = run.at[run.next] ?? (this.open && length === 1 ? this.text.length : -1);
    if (end < 0) return this.literal('`'.repeat(length));
    let text = this.text.slice(this.at + length, end).replaceAll('\n', ' ');
    if (text.startsWith(' ') && text.endsWith(' ') && text.trim()) text = text.slice(1, -1);
    this.add({ type: 'code', text });
    this.at = end + length;
  }

  runLength(mark) {
    let end = this.at;
    while (this.text[end] === mark) end++;
    return end - this.at;
  }

  emphasis() {
    const mark = this.text[this.at];
    const length = this.runLength(mark);
    const before = this.text[this.at - 1] ?? ' ';
    const after = this.text[this.at + length] ?? ' ';
    if (length > 3 || (mark === '~' && length !== 2)) return this.literal(mark.repeat(length));
    const inWord = mark === '_' && WORD.test(before) && WORD.test(after);
    const mayOpen = !SPACE.test(after) && !inWord;
    const mayClose = !SPACE.test(before) && !inWord;
    this.at += length;
    const left = mayClose ? this.close(mark, length) : length;
    if (left && mayOpen) this.start(mark, left);
    else if (left) this.add({ type: 'text', text: mark.repeat(left) });
  }

  start(mark, length) {
    for (const part of length === 3 ? [2, 1] : [length]) {
      if (this.frames.length > MAX_OPEN) this.add({ type: 'text', text: mark.repeat(part) });
      else this.frames.push({ mark, length: part, nodes: [] });
    }
  }

  /** Closes what a run of `length` marks can close; returns how many marks are left. */
  close(mark, length) {
    while (length) {
      const which = this.find((f) => f.mark === mark && f.length === length) ?? this.find((f) => f.mark === mark && f.length < length);
      if (!which) break;
      while (this.top !== which) this.abandon();
      length -= which.length;
      this.finish();
    }
    return length;
  }

  find(test) {
    for (let i = this.frames.length - 1; i > 0 && !this.frames[i].mark.endsWith('['); i--) if (test(this.frames[i])) return this.frames[i];
    return undefined;
  }

  finish() {
    const { mark, length, nodes } = this.frames.pop();
    this.add({ type: mark === '~' ? 'del' : length === 2 ? 'strong' : 'em', children: nodes });
  }

  /** Ends the innermost open thing without its closing mark: the mark was only text. */
  abandon(asIfClosed = false) {
    if (asIfClosed && this.top.nodes.length) return this.finish();
    const { mark, length, nodes } = this.frames.pop();
    this.add({ type: 'text', text: mark.endsWith('[') ? mark : mark.repeat(length) });
    nodes.forEach((node) => this.add(node));
  }

  bracket(mark) {
    if (this.frames.length > MAX_OPEN) return this.literal(mark);
    this.at += mark.length;
    this.frames.push({ mark, nodes: [] });
  }

  link() {
    const opener = this.frames.findLast((f) => f.mark?.endsWith('['));
    if (!opener) return this.literal(']');
    while (this.top !== opener) this.abandon();
    const target = this.text[this.at + 1] === '(' ? destination(this.text, this.at + 1) : null;
    const href = target && safeUrl(target.href);
    if (!href) {
      this.abandon();
      return this.literal(']');
    }
    this.frames.pop();
    const children = withoutLinks(opener.nodes);
    this.add({ type: 'link', href, children: children.length ? children : [{ type: 'text', text: target.href }] });
    this.at = target.end;
  }

  angle() {
    const found = match(ANGLE_URL, this.text, this.at);
    const href = found && safeUrl(found[1]);
    if (!href) return this.literal('<');
    this.at += found[0].length;
    this.add({ type: 'link', href, children: [{ type: 'text', text: found[1] }] });
  }

  bareUrl() {
    const found = WORD.test(this.text[this.at - 1] ?? ' ') ? null : match(BARE_URL, this.text, this.at);
    const url = found && trimUrl(found[0]);
    const href = url && safeUrl(url);
    if (!href) return this.literal(this.text[this.at]);
    this.at += url.length;
    this.add({ type: 'link', href, children: [{ type: 'text', text: url }] });
  }
}
