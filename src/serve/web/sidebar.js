// The list of conversations and pages, and the drawer that it is on a narrow screen.

import { find, h, iconButton } from './dom.js';
import { t } from './i18n.js';

const narrow = matchMedia('(max-width: 820px)');

export class Sidebar {
  /** app: {store, chat, remove(conversation)}. */
  constructor(app) {
    this.app = app;
    this.drawer = find('#drawer');
    this.opener = find('#open-menu');
    this.opener.addEventListener('click', () => this.open(true));
    find('#close-menu').addEventListener('click', () => this.open(false));
    find('#shade').addEventListener('click', () => this.open(false));
    this.drawer.addEventListener('click', (event) => event.target.closest('a') && this.open(false));
    this.drawer.addEventListener('keydown', (event) => event.key === 'Escape' && this.open(false));
    narrow.addEventListener('change', () => this.open(false));
    this.open(false);
  }

  /** Opens or closes the drawer. On a wide screen the list is always there. */
  open(wanted) {
    const open = wanted && narrow.matches;
    const moved = this.drawer.classList.contains('open') !== open;
    this.drawer.classList.toggle('open', open);
    this.drawer.inert = narrow.matches && !open;
    find('#frame').inert = open;
    this.opener.setAttribute('aria-expanded', String(open));
    if (moved && narrow.matches) (open ? find('#close-menu') : this.opener).focus();
  }

  /** Draws the list anew; `page` and `id` say what is open. */
  show(page, id) {
    const { store, chat } = this.app;
    const all = store.list();
    find('#no-chats').hidden = all.length > 0;
    find('#chats').replaceChildren(...all.map((c) => this.#row(c, page === 'chat' && c.id === id, chat.isRunning(c.id))));
    for (const link of this.drawer.querySelectorAll('[data-page]')) current(link, link.dataset.page === page);
  }

  #row(conversation, open, running) {
    const title = conversation.title || t('untitled');
    const link = h('a', { href: `#/c/${conversation.id}`, dir: 'auto', class: running ? 'running' : null, title }, title);
    current(link, open);
    return h('li', {}, link, iconButton('delete', t('deleteChat', { title }), () => this.app.remove(conversation)));
  }
}

function current(link, is) {
  if (is) link.setAttribute('aria-current', 'page');
  else link.removeAttribute('aria-current');
}
