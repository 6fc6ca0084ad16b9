// Small helpers for elements.

const SVG = 'http://www.w3.org/2000/svg';

/** An element. Properties: "onclick" and the like are listeners, true and false set or leave out an attribute, others are attributes. */
export function h(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  set(node, properties);
  node.append(...children.flat().filter((child) => child != null && child !== false));
  return node;
}

export function svg(tag, properties = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  set(node, properties);
  node.append(...children);
  return node;
}

function set(node, properties) {
  for (const [name, value] of Object.entries(properties)) {
    if (value == null || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? '' : value);
  }
}

/** A picture of the sprite in index.html. */
export const icon = (name) => svg('svg', { class: 'icon', 'aria-hidden': 'true' }, svg('use', { href: `#i-${name}` }));

export const iconButton = (name, label, onclick) => h('button', { type: 'button', class: 'quiet', 'aria-label': label, title: label, onclick }, icon(name));

export const find = (selector) => document.querySelector(selector);

/** The language of a text for voices and fonts, by its beginning: "zh" where Chinese characters outnumber words of letters, else none. */
export function languageOf(text) {
  const count = (pattern) => (text.slice(0, 2000).match(pattern) ?? []).length;
  if (count(/[\u3040-\u30ff]/g)) return 'ja';
  return count(/\p{Script=Han}/gu) > count(/[A-Za-z]+/g) ? 'zh' : null;
}

export function setLang(node, text) {
  const lang = languageOf(text);
  if (lang) node.setAttribute('lang', lang);
  else node.removeAttribute('lang');
}

let toastTimer = 0;

/** A short message at the lower edge, with at most one action; it goes by itself. */
export function toast(text, action = null) {
  const box = find('#toast');
  const button = action && h('button', { type: 'button', onclick: () => { box.replaceChildren(); action.run(); } }, action.label);
  box.replaceChildren(h('div', {}, h('span', {}, text), button));
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => box.replaceChildren(), action ? 10000 : 4000);
}

/** Puts a text on the clipboard; false if the browser does not allow it. Pages not served over HTTPS only have the old way. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = h('textarea', { class: 'hidden-text', 'aria-hidden': 'true' });
    area.value = text;
    (document.querySelector('dialog[open]') ?? document.body).append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    return done;
  }
}

/** Hands the browser a file to save. */
export function download(name, text, type) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  h('a', { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

/** Whether a key press is part of composing a character (Chinese, Japanese, Korean input). */
export const isComposing = (event) => event.isComposing || event.keyCode === 229;

/** Whether the finger is the only pointer: then Enter makes a new line, since there is no Shift-Enter. */
export const touchOnly = () => matchMedia('(pointer: coarse)').matches && !matchMedia('(any-pointer: fine)').matches;
