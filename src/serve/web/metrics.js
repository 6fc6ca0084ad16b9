// The page of running metrics: /metrics every two seconds while it is seen, as line charts.

import { Chart } from './chart.js';
import { find } from './dom.js';
import { number, t } from './i18n.js';
import { errorText } from './message.js';
import { buckets, bucketsSince, parseMetrics, quantile, total } from './prometheus.js';

const EVERY = 2000;
const SPANS = [1, 2, 5, 10].map((minutes) => minutes * 60000); // the charts show as much of the past as there is
const RECENT = 30000; // quantiles are of what came in this time

const count = (value) => number(value, value < 10 ? 1 : 0);
const percent = (value) => `${number(value * 100, value < 0.1 ? 1 : 0)} %`;
const seconds = (value) => (value < 1 ? `${number(value * 1000, value < 0.01 ? 1 : 0)} ms` : `${number(value, 2)} s`);

/** A counter's growth a second between two readings, or null; a counter that fell belongs to a server started again. */
export function rate(name, before, now) {
  const [a, b] = [total(before.metrics, name), total(now.metrics, name)];
  return a === null || b === null || b < a ? null : (b - a) / ((now.time - before.time) / 1000);
}

function share(part, whole) {
  return part === null || !(whole > 0) ? null : part / whole;
}

const quantileOf = (name, q) => ({ recent, now }) => quantile(q, bucketsSince(buckets(recent.metrics, name), buckets(now.metrics, name)));
const gauge = (name) => ({ now }) => total(now.metrics, name);
const perSecond = (name) => ({ before, now }) => rate(name, before, now);

/** The charts: what each series is called, and how it comes from the readings {before, recent, now}. */
export const CHARTS = [
  { title: 'mTokens', format: count, series: [['mGenerated', perSecond('deepseek_generated_tokens_total')], ['mPrompt', perSecond('deepseek_prompt_tokens_total')]] },
  { title: 'mRequests', format: count, series: [['mRunning', gauge('deepseek_requests_running')], ['mWaiting', gauge('deepseek_requests_waiting')]] },
  { title: 'mFirst', format: seconds, series: [['mP50', quantileOf('deepseek_time_to_first_token_seconds', 0.5)], ['mP95', quantileOf('deepseek_time_to_first_token_seconds', 0.95)]] },
  { title: 'mInter', format: seconds, series: [['mP50', quantileOf('deepseek_inter_token_latency_seconds', 0.5)], ['mP95', quantileOf('deepseek_inter_token_latency_seconds', 0.95)]] },
  { title: 'mKv', format: percent, top: 1, series: [['mUsed', ({ now }) => share(total(now.metrics, 'deepseek_kv_pages'), total(now.metrics, 'deepseek_kv_pages_max'))]] },
  { title: 'mCache', format: percent, top: 1, series: [['mHit', ({ recent, now }) => share(rate('deepseek_cached_tokens_total', recent, now), rate('deepseek_prompt_tokens_total', recent, now))]] },
];

export class MetricsPage {
  #readings = []; // {time, metrics}, or {time, metrics: null} where none came
  #timer = 0;
  #open = false;

  /** app: {api, store}. */
  constructor(app) {
    this.app = app;
    document.addEventListener('visibilitychange', () => this.#turn());
    addEventListener('resize', () => this.#draw());
  }

  /** Called when the page is opened or left. */
  open(open) {
    this.#open = open;
    if (open) this.#build();
    this.#turn();
  }

  #build() {
    this.charts = CHARTS.map((c) => new Chart({ ...c, title: t(c.title), series: c.series.map(([name]) => ({ name: t(name) })) }));
    find('#charts').replaceChildren(...this.charts.map((c) => c.node));
    this.#draw();
  }

  #turn() {
    clearTimeout(this.#timer);
    if (this.#open && !document.hidden) this.#poll();
    else this.#say(t('paused'));
  }

  async #poll() {
    const turn = this.#timer = setTimeout(() => {}, 0); // whoever turns again takes over
    try {
      const metrics = parseMetrics(await this.app.api.metrics());
      this.#take(metrics);
      this.#say(metrics.size ? '' : t('metricsNone'));
    } catch (error) {
      this.#take(null);
      this.#say(error.kind ? errorText(error, this.app.store.key() !== '') : String(error));
    }
    if (turn === this.#timer && this.#open && !document.hidden) this.#timer = setTimeout(() => this.#poll(), EVERY);
  }

  #take(metrics) {
    const time = Date.now();
    this.#readings.push({ time, metrics });
    while (this.#readings[0].time < time - SPANS.at(-1) - RECENT) this.#readings.shift();
    this.#draw();
  }

  #say(text) {
    find('#metrics-state').textContent = text;
  }

  #draw() {
    if (!this.#open) return;
    const now = Date.now();
    const span = SPANS.find((s) => now - s <= (this.#readings[0]?.time ?? now)) ?? SPANS.at(-1);
    const sets = this.#readings.map((_, i) => this.#set(i));
    CHARTS.forEach((c, k) => this.charts[k].show(c.series.map(([, of]) => sets.map((set, i) => [this.#readings[i].time, set && of(set)])), now, span));
  }

  /** The readings that a point is made of: the one before, the one RECENT earlier, and itself; null if there was a gap. */
  #set(i) {
    const now = this.#readings[i];
    const before = this.#readings[i - 1];
    if (!now.metrics || !before?.metrics) return null;
    let first = i - 1;
    while (first > 0 && this.#readings[first - 1].metrics && this.#readings[first - 1].time >= now.time - RECENT) first--;
    return { now, before, recent: this.#readings[first] };
  }
}
