// A line chart over time, as an SVG with its values in words.

import { h, svg } from './dom.js';
import { t } from './i18n.js';

const HEIGHT = 120;
const LEFT = 50;
const BOTTOM = 18;

/** The least of 1, 2, 5, 10, 20 ... that is not below the value. */
export function niceCeiling(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].find((n) => n * power >= value * 0.9999) * power;
}

/** The points of a line as SVG path data; a missing value (null) leaves a gap. */
export function linePath(points, x, y) {
  let pen = 'M';
  const parts = [];
  for (const [time, value] of points) {
    if (value !== null) parts.push(`${pen}${x(time).toFixed(1)} ${y(value).toFixed(1)}`);
    pen = value === null ? 'M' : 'L';
  }
  return parts.join('');
}

export class Chart {
  /** series: [{name}] with at most two; format: a value as text; top: the axis's fixed end, if it has one. */
  constructor({ title, series, format, top = null }) {
    Object.assign(this, { title, series, format, top });
    this.values = series.map(() => h('b', {}, '–'));
    const legend = series.map((s, i) => h('span', { class: `series s${i}` }, h('i'), s.name, ' ', this.values[i]));
    this.picture = svg('svg', { class: 'chart', height: HEIGHT, role: 'img' });
    this.node = h('section', { class: 'card' }, h('h2', {}, title), h('p', { class: 'legend' }, legend), this.picture);
  }

  /** lines: for each series [[time in ms, value or null], ...]; shown is `span` ms up to `now`. */
  show(lines, now, span) {
    const width = Math.max(160, this.picture.clientWidth);
    const recent = lines.map((line) => line.filter(([time]) => time >= now - span));
    const values = recent.flat().map(([, value]) => value).filter((value) => value !== null);
    const top = this.top ?? niceCeiling(Math.max(0, ...values));
    const x = (time) => LEFT + (width - LEFT - 4) * (1 - (now - time) / span);
    const y = (value) => 8 + (HEIGHT - 8 - BOTTOM) * (1 - value / top);
    const paths = recent.map((line, i) => svg('path', { class: `line s${i}`, d: linePath(line, x, y) }));
    this.picture.setAttribute('viewBox', `0 0 ${width} ${HEIGHT}`);
    this.picture.replaceChildren(...this.#axes(width, top, y, span), ...paths.reverse());
    recent.forEach((line, i) => { this.values[i].textContent = this.#text(line.at(-1)?.[1] ?? null); });
    this.#describe(recent, span);
  }

  #text(value) {
    return value === null ? '–' : this.format(value);
  }

  #axes(width, top, y, span) {
    const lines = [0, top / 2, top].map((v) => svg('path', { class: 'grid', d: `M${LEFT} ${y(v)}H${width - 4}` }));
    const labels = [0, top].map((v) => svg('text', { x: LEFT - 6, y: y(v) + 4, 'text-anchor': 'end' }, this.format(v)));
    const times = [svg('text', { x: LEFT, y: HEIGHT - 3 }, t('minutesAgo', { n: span / 60000 })), svg('text', { x: width - 4, y: HEIGHT - 3, 'text-anchor': 'end' }, t('now'))];
    return [...lines, ...labels, ...times];
  }

  #describe(lines, span) {
    const said = this.series.map(({ name }, i) => {
      const values = lines[i].map(([, value]) => value).filter((value) => value !== null);
      if (!values.length) return `${name}: ${t('noData')}.`;
      const [now, min, max] = [values.at(-1), Math.min(...values), Math.max(...values)].map((value) => this.format(value));
      return t('seriesSays', { name, now, min, max });
    });
    this.picture.setAttribute('aria-label', t('chartSays', { title: this.title, minutes: span / 60000, series: said.join(' ') }));
  }
}
