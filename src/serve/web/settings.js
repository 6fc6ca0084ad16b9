// The settings dialog: each field is kept as it is changed.

import { find, toast } from './dom.js';
import { t } from './i18n.js';
import { NUMBERS } from './request.js';
import { DEFAULTS } from './store.js';

const SAMPLING = ['system', 'stop', 'json', 'mode', ...Object.keys(NUMBERS)];

export class Settings {
  /** app: {store, settings(), changeSettings(), keyChanged(), conversationsChanged()}. */
  constructor(app) {
    this.app = app;
    this.dialog = find('#settings');
    this.form = this.dialog.querySelector('form');
    this.form.noValidate = true;
    this.key = find('#s-key');
    this.remember = find('#remember');
    for (const [name, [min, max]] of Object.entries(NUMBERS)) Object.assign(this.field(name), { min, max });
    this.form.addEventListener('change', (event) => this.#change(event.target));
    this.dialog.addEventListener('close', () => this.#closed());
    find('#reset').addEventListener('click', () => this.#reset());
    this.#data();
  }

  field(name) {
    return this.form.elements.namedItem(name);
  }

  open(field = null) {
    const settings = this.app.settings();
    for (const element of this.form.elements) if (element.name in settings) this.#fill(element, settings[element.name]);
    this.key.value = this.before = this.app.store.key();
    this.remember.checked = this.app.store.keyRemembered;
    if (!this.dialog.open) this.dialog.showModal();
    if (field) this.form.querySelector(field).focus();
  }

  #fill(element, value) {
    if (element.type === 'checkbox') element.checked = value;
    else element.value = value ?? '';
    this.#mark(element, '');
  }

  #mark(element, problem) {
    element.setCustomValidity(problem);
    element.toggleAttribute('aria-invalid', Boolean(problem));
    if (problem) element.reportValidity();
  }

  #change(element) {
    if (element === this.key || element === this.remember) return this.app.store.saveKey(this.key.value.trim(), this.remember.checked);
    if (!(element.name in DEFAULTS)) return;
    const numeric = NUMBERS[element.name];
    element.setCustomValidity('');
    const bad = numeric && !element.validity.valid;
    if (numeric) this.#mark(element, bad ? t('invalid', { min: numeric[0], max: numeric[1] }) : '');
    const value = element.type === 'checkbox' ? element.checked : !numeric ? element.value : bad || element.value === '' ? null : Number(element.value);
    this.app.changeSettings({ [element.name]: value });
  }

  #reset() {
    const values = Object.fromEntries(SAMPLING.map((name) => [name, DEFAULTS[name]]));
    for (const [name, value] of Object.entries(values)) this.#fill(this.field(name), value);
    this.app.changeSettings(values);
  }

  #closed() {
    if (this.app.store.key() !== this.before) this.app.keyChanged();
  }

  #data() {
    find('#export').addEventListener('click', () => this.app.exportConversations());
    find('#import').addEventListener('click', () => find('#import-file').click());
    find('#import-file').addEventListener('change', (event) => this.#import(event.target));
    find('#clear').addEventListener('click', () => find('#confirm').showModal());
    find('#confirm').addEventListener('close', () => {
      if (find('#confirm').returnValue === 'yes') this.app.clearConversations();
      find('#confirm').returnValue = '';
    });
  }

  async #import(input) {
    try {
      toast(t('imported', { n: this.app.store.import(await input.files[0].text()) }));
    } catch (error) {
      toast(t(error.name === 'QuotaExceededError' ? 'noRoom' : 'importFailed'));
    }
    input.value = '';
    this.app.conversationsChanged();
  }
}
