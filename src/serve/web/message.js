// A message of a conversation on the page.

import { h, iconButton, setLang, isComposing, touchOnly } from './dom.js';
import { MarkdownView } from './markdown.js';
import { number, t } from './i18n.js';

/** "23 tokens/s · first after 0.4 s · 12 in, 34 out". */
export function statsText(stats) {
  if (!stats) return '';
  const parts = [];
  if (stats.rate) parts.push(t('speed', { n: number(stats.rate, stats.rate < 10 ? 1 : 0) }));
  if (stats.first !== undefined) parts.push(t('first', { s: number(stats.first, stats.first < 1 ? 2 : 1) }));
  if (stats.prompt !== undefined) {
    const values = { prompt: number(stats.prompt), completion: number(stats.completion ?? 0), cached: number(stats.cached ?? 0) };
    parts.push(t(stats.cached ? 'usedCached' : 'used', values));
  }
  return parts.join(' · ');
}

const ERRORS = { network: 'errNetwork', busy: 'errBusy', request: 'errRequest', server: 'errServer', cut: 'errCut' };

/** What an error means, in a sentence. kept: some of the answer had come. */
export function errorText(error, hasKey, kept = false) {
  if (kept && ['cut', 'network'].includes(error.kind)) return t('noteCut');
  if (error.kind === 'key') return t(hasKey ? 'errKeyWrong' : 'errKey');
  if (error.kind === 'busy' && error.wait) return t('errBusyWait', { s: error.wait });
  return t(ERRORS[error.kind] ?? 'errServer');
}

/** An error with its sentence, the server's words and what can be done. actions: {retry, key, asText, hasKey, kept}. */
export function errorElement(error, actions) {
  const sentence = h('span', {}, errorText(error, actions.hasKey, actions.kept));
  const detail = error.detail && ['request', 'server', 'busy'].includes(error.kind) ? h('small', {}, error.detail) : null;
  const [label, onclick] = error.kind === 'key' ? ['enterKey', actions.key] : error.code === 'no_chat_template' ? ['asText', actions.asText] : ['retry', actions.retry];
  const button = h('button', { type: 'button', onclick }, t(label));
  if (error.wait) countDown(sentence, error);
  return h('div', { class: 'error' }, h('div', {}, sentence, detail), button);
}

/** The error that ended an answer. */
export function messageError(message, actions) {
  const { key, hasKey, retry, asText } = actions;
  return errorElement(message.error, { key, hasKey: hasKey(), kept: message.content !== '', retry: () => retry(message), asText: () => asText(message) });
}

function countDown(node, error) {
  const timer = setInterval(() => {
    if (node.isConnected) error.wait--;
    if (!node.isConnected || error.wait <= 0) clearInterval(timer);
    node.textContent = errorText(error);
  }, 1000);
}

/** The end of an answer that did not end by itself. */
export function noteElement(message) {
  const text = { stopped: 'noteStopped', length: 'noteLength', cut: 'noteCut' }[message.note];
  return text ? h('p', { class: 'note' }, t(text)) : null;
}

/** A field to edit a text in, with its two buttons. Enter saves as it does in the composer when `enter` is set. */
export function editor(text, { label, save, enter, onsave, oncancel }) {
  const area = h('textarea', { 'aria-label': label, rows: '3' });
  area.value = text;
  area.addEventListener('keydown', (event) => {
    if (isComposing(event)) return;
    if (event.key === 'Escape') {
      event.stopPropagation();
      oncancel();
    } else if (enter && event.key === 'Enter' && !event.shiftKey && !touchOnly()) {
      event.preventDefault();
      onsave(area.value);
    }
  });
  const buttons = h('div', { class: 'buttons' },
    h('button', { type: 'button', onclick: oncancel }, t('cancel')), h('button', { type: 'button', class: 'main', onclick: () => onsave(area.value) }, save));
  setTimeout(() => area.focus());
  return h('div', { class: 'editor' }, area, buttons);
}

/** One message. actions: copy, edit, remove, regenerate, retry, asText (given the message), key, hasKey. */
export class MessageView {
  constructor(message, actions) {
    this.message = message;
    this.actions = actions;
    this.body = h('div', { class: 'text', dir: 'auto' });
    this.after = h('div', { class: 'after' });
    this.tools = h('div', { class: 'tools', role: 'group', 'aria-label': t('actions') });
    const name = message.role === 'user' ? t('you') : message.model ?? '';
    this.node = h('article', { class: `message ${message.role}`, id: `m-${message.id}` }, h('h2', { class: 'sr' }, name), this.body, this.after, this.tools);
    if (message.role === 'assistant') this.markdown = new MarkdownView(this.body, { copy: t('copy'), code: t('code'), table: t('table') });
    this.update();
  }

  /** Shows the message as it is now; `growing` while its answer is under way. */
  update(growing = false) {
    const { message } = this;
    setLang(this.body, message.content);
    if (this.markdown) this.markdown.show(message.content, growing);
    else this.body.textContent = message.content;
    this.#reasoning(growing);
    this.node.classList.toggle('growing', growing);
    if (growing) this.#growing();
    else this.#whole();
  }

  #reasoning(growing) {
    if (!this.message.reasoning) return;
    if (!this.reasons) {
      this.reasons = h('div', { class: 'text' });
      this.node.insertBefore(h('details', { class: 'reasoning', open: growing }, h('summary', {}, t('thinking')), this.reasons), this.body);
    }
    this.reasons.textContent = this.message.reasoning;
  }

  #growing() {
    const waiting = !this.message.content && !this.message.reasoning;
    this.after.replaceChildren(waiting ? h('p', { class: 'waiting' }, t('waiting')) : '');
    this.tools.replaceChildren(h('span', { class: 'stats' }, statsText(this.message.stats)));
  }

  #whole() {
    const { message, actions } = this;
    const error = message.error && messageError(message, actions);
    const note = message.error ? null : noteElement(message);
    this.after.replaceChildren(...[note, error].filter(Boolean));
    const answer = message.role === 'assistant';
    const buttons = [
      iconButton('copy', t('copy'), () => actions.copy(message.content)),
      answer ? iconButton('again', t('regenerate'), () => actions.regenerate(message)) : iconButton('edit', t('edit'), () => this.edit()),
      iconButton('delete', t('delete'), () => actions.remove(message)),
    ];
    this.tools.replaceChildren(...buttons, answer ? h('span', { class: 'stats' }, statsText(message.stats)) : '');
  }

  edit() {
    const done = () => {
      this.node.classList.remove('edited');
      box.replaceWith(this.body);
      this.tools.hidden = false;
    };
    const onsave = (text) => {
      if (text.trim()) this.actions.edit(this.message, text);
    };
    const oncancel = () => {
      done();
      this.tools.querySelector('button:nth-child(2)')?.focus();
    };
    const box = editor(this.message.content, { label: t('editing'), save: t('resend'), enter: true, onsave, oncancel });
    this.node.classList.add('edited');
    this.tools.hidden = true;
    this.body.replaceWith(box);
  }
}

