// The page put together: pages by address, models, settings, shortcuts.

import { Api } from './api.js';
import { Chat } from './chat.js';
import { download, find, h, isComposing, toast } from './dom.js';
import { chooseLanguage, setLanguage, t, translate } from './i18n.js';
import { errorElement } from './message.js';
import { MetricsPage } from './metrics.js';
import { Settings } from './settings.js';
import { Sidebar } from './sidebar.js';
import { openStorage, Store } from './store.js';

const PAGES = ['chat', 'metrics', 'recipes', 'contributions'];
const RETRY = 5000;

class App {
  #settings;
  #models = [];

  constructor() {
    this.store = new Store(openStorage('localStorage'), openStorage('sessionStorage'));
    this.#settings = this.store.settings();
    this.api = new Api(() => this.store.key());
    this.#look();
    this.chat = new Chat(this);
    this.sidebar = new Sidebar(this);
    this.dialog = new Settings(this);
    this.metrics = new MetricsPage(this);
    this.#listen();
    this.#route();
    this.loadModels();
  }

  #listen() {
    addEventListener('hashchange', () => this.#route());
    addEventListener('keydown', (event) => this.#shortcut(event));
    addEventListener('storage', (event) => event.key?.startsWith('deepseek.chat.') && this.#list());
    find('#new').addEventListener('click', () => this.#newChat());
    find('#skip').addEventListener('click', () => (this.page === 'chat' ? this.chat.input : find(`#page-${this.page} h1`)).focus());
    find('#open-settings').addEventListener('click', () => this.dialog.open());
    find('#open-help').addEventListener('click', () => find('#help').showModal());
    find('#model').addEventListener('change', (event) => {
      this.changeSettings({ model: event.target.value });
      this.#tag();
      this.chat.modelChosen();
    });
  }

  #shortcut(event) {
    if (isComposing(event)) return;
    const command = (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey;
    const open = document.querySelector('dialog[open]');
    if (event.key === 'Escape' && !open) this.chat.stop();
    const run = command && !open && { k: () => this.go(''), ',': () => this.dialog.open(), '/': () => find('#help').showModal() }[event.key.toLowerCase()];
    if (!run) return;
    event.preventDefault();
    run();
  }

  // Pages

  /** Goes to an address within the page: "" is a new conversation. */
  go(path) {
    const hash = `#/${path}`;
    if (location.hash === hash || (!location.hash && path === '')) this.#route();
    else location.hash = hash;
  }

  #newChat() {
    if (this.page === 'chat' && location.hash.replace(/^#\/?/, '') === '') this.#route();
  }

  #route() {
    const [name, id] = location.hash.replace(/^#\/?/, '').split('/');
    const page = PAGES.includes(name) ? name : 'chat';
    const moved = this.page !== undefined && page !== this.page;
    this.page = page;
    for (const p of PAGES) find(`#page-${p}`).hidden = p !== page;
    this.metrics.open(page === 'metrics');
    if (page === 'chat') {
      this.chat.open(name === 'c' && id ? id : null);
      this.#select();
      if (matchMedia('(hover: hover)').matches) this.chat.input.focus();
    } else if (moved) find(`#page-${page} h1`).focus();
    this.#list();
  }

  #list() {
    this.sidebar.show(this.page, this.chat.conversation?.id);
    const title = this.page === 'chat' ? this.chat.conversation.title : t(this.page);
    document.title = title ? `${title} · ${t('title')}` : t('title');
  }

  // Models

  /** The model that is chosen: {id, chat}; its id is "" while none is known. */
  model() {
    return this.#models.find((m) => m.id === find('#model').value) ?? { id: this.#settings.model, chat: true };
  }

  async loadModels() {
    clearTimeout(this.retry);
    try {
      this.#models = await this.api.models();
      find('#server-error').replaceChildren();
    } catch (error) {
      const actions = { retry: () => this.loadModels(), key: () => this.askKey(), hasKey: this.store.key() !== '' };
      find('#server-error').replaceChildren(errorElement(error, actions));
      if (error.kind === 'network' || error.kind === 'busy') this.retry = setTimeout(() => this.loadModels(), RETRY);
      return;
    }
    this.#select();
    this.chat.refresh();
  }

  /** The open conversation's model, or the one chosen last, or the first. */
  #select() {
    const ids = this.#models.map((m) => m.id);
    const { conversation } = this.chat;
    const wanted = [conversation.messages.length ? conversation.model : '', this.#settings.model, ids[0]].find((id) => ids.includes(id));
    find('#model').replaceChildren(...(ids.length ? ids.map((id) => h('option', { value: id }, id)) : [h('option', { value: '' }, t('noModel'))]));
    find('#model').value = wanted ?? '';
    this.#tag();
  }

  #tag() {
    find('#tag').hidden = this.model().chat;
  }

  /** A model turned out to have no chat template. */
  noChat(id) {
    for (const model of this.#models) if (model.id === id) model.chat = false;
    this.#tag();
  }

  // Settings

  settings() {
    return this.#settings;
  }

  changeSettings(values) {
    this.#settings = { ...this.#settings, ...values };
    this.store.saveSettings(this.#settings);
    if ('language' in values || 'theme' in values) this.#look();
    if ('language' in values) this.#route();
    if (('mode' in values && !this.chat.conversation.messages.length) || 'language' in values) this.chat.refresh();
  }

  #look() {
    const { theme, language } = this.#settings;
    const chosen = chooseLanguage(language, navigator.language);
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    document.documentElement.lang = chosen === 'zh' ? 'zh-CN' : 'en';
    setLanguage(chosen);
    translate(document);
  }

  askKey() {
    this.dialog.open('#s-key');
  }

  async keyChanged() {
    await this.loadModels();
    this.chat.retryKey();
  }

  // Conversations

  /** A conversation was begun, or has changed. */
  changed(conversation) {
    if (conversation === this.chat.conversation && this.page === 'chat' && !location.hash.endsWith(conversation.id)) {
      history.replaceState(null, '', `#/c/${conversation.id}`);
    }
    this.#list();
  }

  conversationsChanged() {
    this.#list();
  }

  remove(conversation) {
    const open = conversation.id === this.chat.conversation.id;
    this.chat.forget(conversation.id);
    this.store.remove(conversation.id);
    toast(t('deleted'), { label: t('undo'), run: () => {
      this.chat.remember(conversation.id);
      this.store.put(conversation);
      this.#list();
    } });
    if (open) this.go('');
    else this.#list();
    (find('#chats a') ?? find('#new')).focus();
  }

  exportConversations() {
    download('deepseek-conversations.json', this.store.export(), 'application/json');
  }

  clearConversations() {
    this.store.list().forEach((c) => this.chat.forget(c.id));
    this.store.clear();
    this.go('');
  }
}

window.deepseek = new App();
