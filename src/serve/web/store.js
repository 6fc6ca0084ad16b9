// What the browser keeps: conversations, settings, the key. One entry for each conversation, so that a save is small.

const CHAT = 'deepseek.chat.';
const SETTINGS = 'deepseek.settings';
const KEY = 'deepseek.key';
const ID = /^[\w-]{1,64}$/;

export const DEFAULTS = {
  model: '', temperature: null, top_p: null, max_tokens: null, seed: null, stop: '', system: '', json: false, mode: '', language: '', theme: '',
};

export const newId = () => Date.now().toString(36) + Math.random().toString(36).slice(2, 8);

/** A conversation: {id, title, created, updated, model, mode: "chat" or "text", messages: [{id, role, content, ...}]}. */
export const newConversation = (model, mode) => ({ id: newId(), title: '', created: Date.now(), updated: Date.now(), model, mode, messages: [] });

/** The first words of a conversation. */
export function titleOf(conversation) {
  const first = conversation.messages.find((m) => m.role === 'user' && m.content.trim()) ?? conversation.messages[0];
  return (first?.content ?? '').trim().replace(/\s+/g, ' ').slice(0, 60);
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** A message from a file or an older page as this one expects it, or null. */
function checkedMessage(m) {
  if (!m || typeof m.content !== 'string' || !['user', 'assistant'].includes(m.role)) return null;
  const kept = { id: ID.test(m.id) ? m.id : newId(), role: m.role, content: m.content };
  for (const name of ['model', 'reasoning', 'note']) if (typeof m[name] === 'string') kept[name] = m[name];
  const numbers = Object.entries(m.stats ?? {}).filter(([, value]) => Number.isFinite(value));
  if (numbers.length) kept.stats = Object.fromEntries(numbers);
  if (typeof m.error?.kind === 'string') kept.error = { kind: m.error.kind, detail: String(m.error.detail ?? ''), status: Number(m.error.status) || 0, wait: null };
  return kept;
}

/** A conversation from a file or an older page as this one expects it, or null. */
export function checked(c) {
  if (!c || !ID.test(c.id) || !Array.isArray(c.messages)) return null;
  const time = (value) => (Number.isFinite(value) ? value : Date.now());
  const messages = c.messages.map(checkedMessage).filter(Boolean);
  return {
    id: c.id, title: String(c.title ?? '').slice(0, 200), created: time(c.created), updated: time(c.updated),
    model: String(c.model ?? ''), mode: c.mode === 'text' ? 'text' : 'chat', messages,
  };
}

/** A stand-in where the browser gives no storage: everything lasts as long as the page. */
export class MemoryStorage {
  #map = new Map();
  get length() { return this.#map.size; }
  key(i) { return [...this.#map.keys()][i] ?? null; }
  getItem(name) { return this.#map.get(name) ?? null; }
  setItem(name, value) { this.#map.set(name, String(value)); }
  removeItem(name) { this.#map.delete(name); }
}

export class Store {
  #local;
  #session;

  constructor(local, session) {
    this.#local = local;
    this.#session = session;
  }

  #names() {
    return Array.from({ length: this.#local.length }, (_, i) => this.#local.key(i)).filter((name) => name?.startsWith(CHAT));
  }

  /** All conversations, the one last changed first. */
  list() {
    return this.#names().map((name) => checked(parse(this.#local.getItem(name)))).filter(Boolean).sort((a, b) => b.updated - a.updated);
  }

  get(id) {
    return checked(parse(this.#local.getItem(CHAT + id)));
  }

  /** Keeps a conversation; throws the browser's error when there is no room. */
  put(conversation) {
    this.#local.setItem(CHAT + conversation.id, JSON.stringify(conversation));
  }

  remove(id) {
    this.#local.removeItem(CHAT + id);
  }

  clear() {
    this.#names().forEach((name) => this.#local.removeItem(name));
  }

  export() {
    return JSON.stringify({ format: 'deepseek-conversations', version: 1, conversations: this.list() }, null, 1);
  }

  /** Takes the conversations of an exported file; returns how many. Throws if it is none. */
  import(text) {
    const conversations = parse(text)?.conversations;
    if (!Array.isArray(conversations)) throw new Error('no conversations');
    const good = conversations.map(checked).filter(Boolean);
    good.forEach((c) => this.put(c));
    return good.length;
  }

  settings() {
    const saved = parse(this.#local.getItem(SETTINGS)) ?? {};
    const valid = Object.entries(DEFAULTS).filter(([name, value]) => typeof saved[name] === typeof value || (value === null && Number.isFinite(saved[name])));
    return { ...DEFAULTS, ...Object.fromEntries(valid.map(([name]) => [name, saved[name]])) };
  }

  saveSettings(settings) {
    this.#local.setItem(SETTINGS, JSON.stringify(settings));
  }

  key() {
    return this.#session.getItem(KEY) ?? this.#local.getItem(KEY) ?? '';
  }

  get keyRemembered() {
    return this.#local.getItem(KEY) !== null;
  }

  /** The key lasts until the window is closed, or, remembered, until it is taken away. */
  saveKey(key, remember) {
    for (const storage of [this.#session, this.#local]) storage.removeItem(KEY);
    if (key) (remember ? this.#local : this.#session).setItem(KEY, key);
  }
}

/** The browser's storage, or a stand-in where it refuses. */
export function openStorage(name) {
  try {
    const storage = window[name];
    storage.setItem('deepseek.try', '1');
    storage.removeItem('deepseek.try');
    return storage;
  } catch {
    return new MemoryStorage();
  }
}
