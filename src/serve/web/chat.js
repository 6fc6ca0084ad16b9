// Conversations: sending, streaming, stopping, and everything that is done to messages.

import { Announcer } from './announce.js';
import { ApiError } from './api.js';
import { copyText, find, h, isComposing, toast, touchOnly } from './dom.js';
import { ChatFace, TextFace } from './faces.js';
import { t } from './i18n.js';
import { errorText } from './message.js';
import { Meter } from './meter.js';
import { nextRequest } from './request.js';
import { newConversation, newId, titleOf } from './store.js';

const FRAME = 60; // least milliseconds between two drawings of a growing answer
const SAVE = 1000;

export class Chat {
  #runs = new Map(); // answers under way, by conversation: {conversation, message, controller, done}
  #forgotten = new Set(); // conversations that were deleted: what still comes for them is not kept
  #follow = true; // the view stays at the end of the text

  /** app: {store, api, settings(), model(), changed(), askKey()}. */
  constructor(app) {
    this.app = app;
    this.root = find('#messages');
    this.log = find('#log');
    this.input = find('#input');
    this.announcer = new Announcer(find('#spoken'));
    this.actions = {
      copy: async (text) => toast(t((await copyText(text)) ? 'copied' : 'copyFailed')),
      edit: (message, text) => this.#edit(message, text),
      editText: (text) => this.#editText(text),
      remove: (message) => this.#remove(message),
      regenerate: (message) => this.regenerate(message),
      retry: (message) => this.regenerate(message),
      asText: (message) => this.#asText(message),
      key: () => app.askKey(),
      hasKey: () => app.store.key() !== '',
    };
    this.#listen();
    this.open();
    addEventListener('pagehide', () => this.#runs.forEach((run) => this.#save(run.conversation)));
  }

  #listen() {
    find('#composer').addEventListener('submit', (event) => {
      event.preventDefault();
      this.send(this.input.value);
    });
    this.input.addEventListener('keydown', (event) => this.#key(event));
    this.input.addEventListener('input', () => this.#composer());
    find('#stop').addEventListener('click', () => this.stop());
    find('#latest').addEventListener('click', () => this.#toEnd());
    this.log.addEventListener('scroll', () => this.#scrolled());
    this.root.addEventListener('click', (event) => {
      const button = event.target.closest('.copy-code');
      if (button) this.actions.copy(button.closest('.code').querySelector('code').textContent);
    });
  }

  #key(event) {
    if (isComposing(event)) return;
    if (event.key === 'Enter' && !event.shiftKey && !touchOnly()) {
      event.preventDefault();
      this.send(this.input.value);
    } else if (event.key === 'ArrowUp' && this.input.value === '') {
      event.preventDefault();
      this.face?.editLast();
    }
  }

  // What is shown

  /** Opens a conversation of the store, or a new one. */
  open(id = null) {
    if (id !== null && id === this.conversation?.id) return;
    const known = id !== null ? this.#runs.get(id)?.conversation ?? this.app.store.get(id) : null;
    this.conversation = known ?? this.#fresh();
    this.show();
    this.#toEnd();
  }

  #fresh() {
    const model = this.app.model();
    return newConversation(model.id, this.#mode(model));
  }

  /** How a conversation with a model is held, unless the settings want something else. */
  #mode(model) {
    return this.app.settings().mode || (model.chat ? 'chat' : 'text');
  }

  /** The model or what is known of it has changed: an empty conversation takes its mode. */
  refresh() {
    if (!this.conversation.messages.length) this.conversation = { ...this.#fresh(), id: this.conversation.id };
    this.show();
  }

  /** The user chose another model. A chat does not go on with one that does not chat: a new conversation begins. */
  modelChosen() {
    const { conversation } = this;
    if (conversation.messages.length && conversation.mode === 'chat' && this.#mode(this.app.model()) === 'text') this.app.go('');
    else this.refresh();
  }

  get busy() {
    return this.#runs.has(this.conversation.id);
  }

  isRunning(id) {
    return this.#runs.has(id);
  }

  /** Draws the conversation anew. */
  show() {
    const { conversation, root } = this;
    const text = conversation.mode === 'text';
    find('#chat-title').textContent = conversation.title || t('newChat');
    if (conversation.messages.length) this.face = new (text ? TextFace : ChatFace)(root, conversation, this.actions);
    else this.#welcome(text);
    const run = this.#runs.get(conversation.id);
    if (run) this.face.update(run.message, true);
    this.#composer();
  }

  #welcome(text) {
    const model = this.app.model();
    const begin = (name) => {
      const button = h('button', { type: 'button', onclick: () => this.send(button.textContent) }, t(name));
      return button;
    };
    const parts = text ? [h('p', {}, t(model.chat ? 'textHint' : 'baseHint', { model: model.id })), h('div', { class: 'begin' }, ['begin1', 'begin2', 'begin3'].map(begin))] : [];
    this.face = null;
    this.root.className = 'welcome';
    this.root.replaceChildren(h('p', { class: 'hello' }, t(text ? 'helloText' : 'hello')), ...(model.id ? parts : []));
  }

  #composer() {
    const { input, conversation } = this;
    const text = conversation.mode === 'text';
    const goesOn = text && conversation.messages.length > 0;
    find('#stop').hidden = !this.busy;
    find('#send').hidden = this.busy;
    find('#send').disabled = !input.value.trim() && !goesOn;
    find('#send').setAttribute('aria-label', t(text ? 'goOn' : 'send'));
    find('#send').title = t(text ? 'goOn' : 'send');
    input.placeholder = t(goesOn ? 'continueHint' : text ? 'helloText' : 'ask');
    input.setAttribute('enterkeyhint', touchOnly() ? 'enter' : 'send');
    if (!CSS.supports('field-sizing', 'content')) {
      input.style.height = 'auto';
      input.style.height = `${input.scrollHeight + 2}px`;
    }
  }

  #scrolled() {
    this.#follow = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 40;
    find('#latest').hidden = this.#follow;
  }

  #toEnd() {
    this.log.scrollTop = this.log.scrollHeight;
    this.#scrolled();
  }

  // What is done

  async send(text) {
    const { conversation } = this;
    const goesOn = conversation.mode === 'text' && conversation.messages.length > 0;
    if (this.busy || (!text.trim() && !goesOn)) return;
    conversation.messages = conversation.messages.filter((m) => m.role === 'user' || m.content);
    if (text) conversation.messages.push({ id: newId(), role: 'user', content: text });
    conversation.title ||= titleOf(conversation);
    this.input.value = '';
    this.#run(conversation);
  }

  stop() {
    this.#runs.get(this.conversation.id)?.controller.abort();
  }

  /** Stops what is under way in the open conversation, and waits until it has stopped. */
  async #halt() {
    const run = this.#runs.get(this.conversation.id);
    run?.controller.abort();
    await run?.done;
  }

  /** Makes an answer again; what came after it goes, and can be had back. */
  async regenerate(message) {
    await this.#halt();
    const { conversation } = this;
    const at = conversation.messages.indexOf(message);
    if (at < 0) return;
    if (at < conversation.messages.length - 1) this.#offerUndo();
    conversation.messages.length = at;
    this.#run(conversation);
  }

  /** Goes on with a conversation as a text, when its model does not chat. */
  #asText(message) {
    this.conversation.mode = 'text';
    this.regenerate(message);
  }

  /** After a key was entered: tries again what had failed for want of it. */
  retryKey() {
    const last = this.conversation.messages.at(-1);
    if (last?.error?.kind === 'key') this.regenerate(last);
    else this.show();
  }

  async #edit(message, text) {
    await this.#halt();
    const { conversation } = this;
    this.#offerUndo();
    conversation.messages.length = conversation.messages.indexOf(message);
    conversation.messages.push({ id: newId(), role: 'user', content: text });
    this.#run(conversation);
    this.input.focus();
  }

  #editText(text) {
    this.conversation.messages = text ? [{ id: newId(), role: 'user', content: text }] : [];
    this.#save(this.conversation);
    this.show();
    this.input.focus();
  }

  async #remove(message) {
    await this.#halt();
    this.#offerUndo();
    const { conversation } = this;
    conversation.messages = conversation.messages.filter((m) => m !== message);
    this.#save(conversation);
    this.show();
    this.input.focus();
  }

  #offerUndo() {
    const { conversation } = this;
    const before = [...conversation.messages];
    const run = async () => {
      if (this.conversation === conversation) await this.#halt();
      conversation.messages = before;
      this.#save(conversation);
      if (this.conversation === conversation) this.show();
    };
    toast(t('deleted'), { label: t('undo'), run });
  }

  /** A conversation was deleted. */
  forget(id) {
    this.#forgotten.add(id);
    this.#runs.get(id)?.controller.abort();
  }

  /** And had back. */
  remember(id) {
    this.#forgotten.delete(id);
  }

  #save(conversation) {
    if (this.#forgotten.has(conversation.id)) return;
    conversation.updated = Date.now();
    try {
      this.app.store.put(conversation);
    } catch {
      toast(t('noRoom'));
    }
  }

  // An answer

  #run(conversation) {
    conversation.model = this.app.model().id;
    const message = { id: newId(), role: 'assistant', content: '', model: conversation.model, note: 'cut' }; // until it has ended
    const run = { conversation, message, controller: new AbortController(), meter: new Meter(), saved: Date.now(), drawn: 0 };
    const request = nextRequest(conversation, this.app.settings());
    conversation.messages.push(message);
    this.#runs.set(conversation.id, run);
    this.#save(conversation);
    this.app.changed(conversation);
    this.show();
    this.#toEnd();
    this.announcer.begin();
    this.announcer.say(t('answering'));
    run.done = this.#stream(run, request).finally(() => this.#ended(run));
  }

  async #stream(run, request) {
    const { message, meter } = run;
    try {
      for await (const piece of this.app.api.stream(request, run.controller.signal)) this.#take(run, piece);
    } catch (error) {
      if (error.name === 'AbortError') message.note = 'stopped';
      else message.error = this.#describe(error, run.conversation);
    }
    message.stats = meter.stats(run.usage);
  }

  #take(run, piece) {
    const { message } = run;
    if (piece.text || piece.reasoning) run.meter.piece();
    message.content += piece.text;
    if (piece.reasoning) message.reasoning = (message.reasoning ?? '') + piece.reasoning;
    if (piece.finish) message.note = piece.finish === 'length' ? 'length' : undefined;
    if (piece.usage) run.usage = piece.usage;
    this.#draw(run);
    if (Date.now() - run.saved > SAVE) {
      run.saved = Date.now();
      this.#save(run.conversation);
    }
  }

  /** Shows a growing answer soon: many pieces of a fast stream are one drawing. */
  #draw(run) {
    if (run.timer || run.ended) return;
    run.timer = setTimeout(() => requestAnimationFrame(() => {
      run.timer = 0;
      if (run.ended || run.conversation !== this.conversation) return;
      run.message.stats = run.meter.stats(null);
      this.#update(run, true);
    }), FRAME);
  }

  #update(run, growing) {
    this.face.update(run.message, growing);
    this.announcer.answer(run.message.content, !growing);
    if (this.#follow) this.#toEnd();
  }

  #ended(run) {
    run.ended = true;
    clearTimeout(run.timer);
    this.#runs.delete(run.conversation.id);
    this.#save(run.conversation);
    this.app.changed(run.conversation);
    if (run.conversation !== this.conversation) return;
    this.#update(run, false);
    this.announcer.say(run.message.error ? errorText(run.message.error, this.actions.hasKey(), run.message.content !== '') : t('answered'));
    this.#composer();
  }

  #describe(error, conversation) {
    if (!(error instanceof ApiError)) return { kind: 'server', detail: error.message, status: 0, wait: null };
    if (error.code === 'no_chat_template') this.app.noChat(conversation.model);
    return { kind: error.kind, detail: error.detail, code: error.code, status: error.status, wait: error.wait };
  }
}
