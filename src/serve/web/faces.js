// The two faces of a conversation: messages in turn, and a text that grows.

import { h, iconButton, setLang } from './dom.js';
import { editor, messageError, MessageView, noteElement, statsText } from './message.js';
import { plainText } from './request.js';
import { t } from './i18n.js';

/** Messages in turn. A face shows a conversation in `root`; update(message, growing) shows one message again. */
export class ChatFace {
  constructor(root, conversation, actions) {
    this.views = new Map();
    root.className = 'turns';
    root.replaceChildren();
    this.add = (message) => {
      const view = new MessageView(message, actions);
      this.views.set(message.id, view);
      root.append(view.node);
      return view;
    };
    conversation.messages.forEach(this.add);
  }

  update(message, growing) {
    (this.views.get(message.id) ?? this.add(message)).update(growing);
  }

  editLast() {
    [...this.views.values()].findLast((view) => view.message.role === 'user')?.edit();
  }
}

/** One text: what the user wrote and how the model went on, piece after piece, with the actions at its end. */
export class TextFace {
  constructor(root, conversation, actions) {
    this.conversation = conversation;
    this.actions = actions;
    this.pieces = new Map();
    this.body = h('div', { class: 'text', dir: 'auto' });
    this.after = h('div', { class: 'after' });
    this.tools = h('div', { class: 'tools', role: 'group', 'aria-label': t('actions') });
    root.className = 'document';
    root.replaceChildren(h('article', { class: 'message' }, h('h2', { class: 'sr' }, t('text')), this.body, this.after, this.tools));
    conversation.messages.forEach((m) => this.#piece(m));
    this.#end(conversation.messages.at(-1), false);
    setLang(this.body, plainText(conversation));
  }

  #piece(message) {
    if (!this.pieces.has(message.id)) {
      const node = h('span', { class: message.role === 'user' ? 'given' : null });
      node.append('');
      this.pieces.set(message.id, node);
      this.body.append(node);
    }
    const text = this.pieces.get(message.id).firstChild;
    if (message.content.startsWith(text.data)) text.appendData(message.content.slice(text.data.length));
    else text.data = message.content;
  }

  update(message, growing) {
    this.#piece(message);
    if (!growing) setLang(this.body, plainText(this.conversation));
    this.#end(message, growing);
  }

  #end(message, growing) {
    if (!message) return;
    this.body.parentNode.classList.toggle('growing', growing);
    const { actions } = this;
    const waiting = growing && !message.content ? h('p', { class: 'waiting' }, t('waiting')) : null;
    const note = growing || message.error ? null : noteElement(message);
    const error = !growing && message.error ? messageError(message, actions) : null;
    this.after.replaceChildren(...[waiting, note, error].filter(Boolean));
    this.tools.replaceChildren(...(growing ? [] : this.#buttons(message)), h('span', { class: 'stats' }, statsText(message.stats)));
  }

  #buttons(message) {
    const { actions } = this;
    const again = message.role === 'assistant' && iconButton('again', t('regenerate'), () => actions.regenerate(message));
    return [
      iconButton('copy', t('copy'), () => actions.copy(plainText(this.conversation))),
      iconButton('edit', t('edit'), () => this.editLast()), again,
      iconButton('delete', t('delete'), () => actions.remove(message)),
    ].filter(Boolean);
  }

  editLast() {
    const oncancel = () => {
      box.replaceWith(this.body);
      this.tools.hidden = false;
    };
    const onsave = (text) => this.actions.editText(text);
    const box = editor(plainText(this.conversation), { label: t('editing'), save: t('save'), enter: false, onsave, oncancel });
    this.tools.hidden = true;
    this.body.replaceWith(box);
  }
}
