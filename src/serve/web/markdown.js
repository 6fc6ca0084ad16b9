// Markdown to the page, safely: the text becomes a tree, the tree becomes elements; no HTML is ever parsed. What it knows: paragraphs (a
// line break breaks), headings, lists and tasks, quotes, fenced code, tables, rules, and what inline.js knows. Raw HTML is shown as text.

import { parseInline } from './inline.js';

const MAX_DEPTH = 8; // quotes and lists inside each other; deeper ones are paragraphs
const MAX_COLUMNS = 64;
const FENCE = /^( {0,3})(`{3,}|~{3,})([^`]*)$/;
const MARKER = /^( *)([-*+]|\d{1,9}[.)])(?: +|$)/;

/** The blocks of a text: {type, line, ...}, where line is the block's first line, counted from 0. */
export function parseBlocks(text) {
  return blocksOf(text.split('\n'), 0);
}

function blocksOf(lines, depth) {
  const blocks = [];
  for (let i = 0; i < lines.length; ) {
    if (isBlank(lines[i])) {
      i++;
      continue;
    }
    const block = fence(lines, i) ?? heading(lines, i) ?? rule(lines, i) ?? (depth < MAX_DEPTH ? nested(lines, i, depth) : null) ?? table(lines, i) ?? paragraph(lines, i);
    blocks.push({ ...block, line: i });
    i = block.end;
  }
  return blocks;
}

const nested = (lines, i, depth) => quote(lines, i, depth) ?? list(lines, i, depth);
const isBlank = (line) => line.trim() === '';
const indentOf = (line) => line.length - line.trimStart().length;

function fence(lines, i) {
  const open = FENCE.exec(lines[i]);
  if (!open) return null;
  const [, indent, mark, info] = open;
  const closes = (line) => line.trim().length >= mark.length && line.trim() === mark[0].repeat(line.trim().length) && indentOf(line) < 4;
  let end = i + 1;
  while (end < lines.length && !closes(lines[end])) end++;
  const body = lines.slice(i + 1, end).map((line) => line.slice(Math.min(indent.length, indentOf(line))));
  return { type: 'code', language: info.trim().split(/\s/)[0], text: body.join('\n'), end: Math.min(end + 1, lines.length) };
}

function heading(lines, i) {
  const open = /^ {0,3}(#{1,6})(?=[ \t]|$)/.exec(lines[i]);
  if (!open) return null;
  let text = lines[i].slice(open[0].length).trim();
  let end = text.length;
  while (text[end - 1] === '#') end--;
  if (end === 0 || text[end - 1] === ' ') text = text.slice(0, end).trimEnd();
  return { type: 'heading', level: open[1].length, text, end: i + 1 };
}

function rule(lines, i) {
  const isRule = lines[i].length < 200 && /^ {0,3}([-*_])[ \t]*(?:\1[ \t]*){2,}$/.test(lines[i]);
  return isRule ? { type: 'rule', end: i + 1 } : null;
}

function quote(lines, i, depth) {
  let end = i;
  while (end < lines.length && /^ {0,3}>/.test(lines[end])) end++;
  if (end === i) return null;
  const inner = lines.slice(i, end).map((line) => line.replace(/^ {0,3}> ?/, ''));
  return { type: 'quote', children: blocksOf(inner, depth + 1), end };
}

/** The list item marker of a line: {indent, ordered, number, width}, or null. */
function marker(line) {
  const found = line.length > 0 && MARKER.exec(line.slice(0, 100));
  if (!found) return null;
  const ordered = found[2].length > 1 || /\d/.test(found[2]);
  const width = found[0].length - found[1].length;
  return { indent: found[1].length, ordered, number: parseInt(found[2], 10), width: found[1].length + Math.min(width, found[2].length + 1) };
}

function list(lines, i, depth) {
  const first = marker(lines[i]);
  if (!first || first.indent > 3) return null;
  const items = [];
  let end = i;
  while (end < lines.length) {
    const m = marker(lines[end]);
    if (!m || m.ordered !== first.ordered || m.indent > first.indent + 1 || rule(lines, end)) break;
    const next = itemEnd(lines, end, first.indent + 2);
    items.push(item(lines.slice(end, next), m.width, depth));
    end = next;
  }
  return { type: 'list', ordered: first.ordered, start: first.number, items, end };
}

/** The line after an item: it holds what is indented, blank lines before something indented, and lines that run on. */
function itemEnd(lines, i, indent) {
  let end = i + 1;
  for (let at = end; at < lines.length; at++) {
    if (isBlank(lines[at])) continue;
    const runsOn = at === end && !marker(lines[at]) && !startsBlock(lines, at);
    if (indentOf(lines[at]) < indent && !runsOn) break;
    end = at + 1;
  }
  while (end < lines.length && isBlank(lines[end])) end++;
  return end;
}

function item(lines, width, depth) {
  const body = lines.map((line, k) => line.slice(k ? Math.min(width, indentOf(line)) : width));
  const task = /^\[([ xX])\] /.exec(body[0]);
  if (task) body[0] = body[0].slice(4);
  return { task: task ? task[1] !== ' ' : null, children: blocksOf(body, depth + 1) };
}

/** The cells of a table's row; "\|" is a bar in a cell. */
function cells(line) {
  let row = line.trim();
  if (row.startsWith('|')) row = row.slice(1);
  if (row.endsWith('|') && !row.endsWith('\\|')) row = row.slice(0, -1);
  return row.split(/(?<!\\)\|/, MAX_COLUMNS + 1).map((cell) => cell.trim().replaceAll('\\|', '|'));
}

function tableAlign(lines, i) {
  const next = lines[i + 1];
  if (next === undefined || !lines[i].includes('|') || !/^[ \t]*[|:-][|: \t-]*$/.test(next) || !next.includes('-')) return null;
  const marks = cells(next);
  if (marks.length > MAX_COLUMNS || !marks.every((m) => /^:?-+:?$/.test(m)) || cells(lines[i]).length !== marks.length) return null;
  return marks.map((m) => (m.endsWith(':') ? (m.startsWith(':') ? 'center' : 'right') : 'left'));
}

function table(lines, i) {
  const align = tableAlign(lines, i);
  if (!align) return null;
  let end = i + 2;
  while (end < lines.length && lines[end].includes('|') && !startsBlock(lines, end)) end++;
  return { type: 'table', align, head: cells(lines[i]), rows: lines.slice(i + 2, end).map(cells), end };
}

/** Whether a line ends the paragraph before it. A number ends it only if it is 1: "in\n1984. That year" is no list. */
function startsBlock(lines, i) {
  const line = lines[i];
  if (FENCE.test(line) || heading(lines, i) || rule(lines, i) || /^ {0,3}>/.test(line)) return true;
  const m = marker(line);
  return Boolean(m && m.indent < 4 && line.length > m.width && (!m.ordered || m.number === 1)) || tableAlign(lines, i) !== null;
}

function paragraph(lines, i) {
  let end = i + 1;
  while (end < lines.length && !isBlank(lines[end]) && !startsBlock(lines, end)) end++;
  const text = lines.slice(i, end).map((line) => line.trimStart()).join('\n').trimEnd();
  return { type: 'paragraph', text, end };
}

// From the tree to elements

function el(tag, children = [], attributes = {}) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  appendAll(node, children);
  return node;
}

/** As node.append(...children), for more of them than a call takes arguments. */
function appendAll(node, children) {
  for (const child of children) node.append(child);
}

function inlineElement(node) {
  switch (node.type) {
    case 'text': return document.createTextNode(node.text);
    case 'br': return el('br');
    case 'code': return el('code', [node.text]);
    case 'math': return el('span', [node.text], { class: 'math' });
    case 'link': return el('a', node.children.map(inlineElement), { href: node.href, rel: 'noopener noreferrer nofollow', target: '_blank' });
    default: return el(node.type, node.children.map(inlineElement));
  }
}

const inline = (text, open) => parseInline(text, open).map(inlineElement);

/** A block's element. `open`: its text is still growing. Code has a button with class "copy-code". */
export function blockElement(block, labels, open = false) {
  switch (block.type) {
    case 'code': return codeElement(block, labels);
    case 'heading': return el(`h${Math.min(6, block.level + 2)}`, inline(block.text, open)); // below the page's own headings
    case 'rule': return el('hr');
    case 'quote': return el('blockquote', blockElements(block.children, labels, open));
    case 'list': return listElement(block, labels, open);
    case 'table': return tableElement(block, labels);
    default: return el('p', inline(block.text, open));
  }
}

const blockElements = (blocks, labels, open) => blocks.map((b, i) => blockElement(b, labels, open && i === blocks.length - 1));

function codeElement({ language, text }, labels) {
  const bar = el('div', [el('span', [language]), el('button', [labels.copy], { type: 'button', class: 'copy-code' })], { class: 'bar' });
  const body = el('pre', [el('code', [text])], { tabindex: '0', role: 'region', 'aria-label': [labels.code, language].filter(Boolean).join(' ') });
  return el('div', [bar, body], { class: 'code' });
}

function listElement(block, labels, open) {
  const items = block.items.map((it, i) => itemElement(it, labels, open && i === block.items.length - 1));
  return el(block.ordered ? 'ol' : 'ul', items, block.ordered && block.start !== 1 ? { start: String(block.start) } : {});
}

function itemElement({ task, children }, labels, open) {
  const [first, ...rest] = children;
  const lead = first?.type === 'paragraph' ? inline(first.text, open && !rest.length) : first ? [blockElement(first, labels, open)] : [];
  const box = task === null ? [] : [el('span', [task ? '☑ ' : '☐ '])];
  return el('li', [...box, ...lead, ...blockElements(rest, labels, open)]);
}

function tableElement({ align, head, rows }, labels) {
  const row = (tag, texts) => el('tr', align.map((side, i) => el(tag, inline(texts[i] ?? ''), side === 'left' ? {} : { class: side })));
  const body = el('table', [el('thead', [row('th', head)]), el('tbody', rows.map((r) => row('td', r)))]);
  return el('div', [body], { class: 'table', tabindex: '0', role: 'region', 'aria-label': labels.table });
}

/** Shows a growing text in an element: blocks that are complete stay as they are, only the last one is made again. */
export class MarkdownView {
  #root;
  #labels;
  #text = '';
  #stable = 0; // up to here the text's blocks are final
  #tail = []; // the elements after that

  constructor(root, labels) {
    this.#root = root;
    this.#labels = labels;
  }

  /** The whole text so far. Where it does not continue the last one everything is made again. */
  show(text, growing = false) {
    text = text.replace(/\r\n?/g, '\n');
    if (!text.startsWith(this.#text)) this.#clear();
    this.#text = text;
    this.#tail.forEach((node) => node.remove());
    this.#settle();
    this.#tail = blockElements(parseBlocks(text.slice(this.#stable)), this.#labels, growing);
    appendAll(this.#root, this.#tail);
  }

  #clear() {
    this.#root.replaceChildren();
    this.#stable = 0;
    this.#tail = [];
  }

  /** Makes final what complete lines show to be: all blocks but the last. */
  #settle() {
    const complete = this.#text.slice(this.#stable, this.#text.lastIndexOf('\n') + 1);
    const blocks = parseBlocks(complete);
    if (blocks.length < 2) return;
    const last = blocks.pop();
    appendAll(this.#root, blockElements(blocks, this.#labels, false));
    this.#stable += complete.split('\n', last.line).join('\n').length + 1;
  }
}
