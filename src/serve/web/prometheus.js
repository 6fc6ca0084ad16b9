// The Prometheus text format, and what can be computed from two readings of counters and histograms.

const SAMPLE = /^([A-Za-z_:][A-Za-z0-9_:]*)(?:\{(.*)\})?[ \t]+(\S+)/;
const LABEL = /([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\]|\\.)*)"/g;
const ESCAPES = { '\\n': '\n', '\\"': '"', '\\\\': '\\' };

/** The samples of a page: a map from name to [{labels, value}]. Comments and lines that are none are left out. */
export function parseMetrics(text) {
  const metrics = new Map();
  for (const line of text.split('\n')) {
    const found = SAMPLE.exec(line);
    const value = found && number(found[3]);
    if (!found || value === null) continue;
    if (!metrics.has(found[1])) metrics.set(found[1], []);
    metrics.get(found[1]).push({ labels: labelsOf(found[2] ?? ''), value });
  }
  return metrics;
}

function number(text) {
  if (/^[+-]?inf$/i.test(text)) return text[0] === '-' ? -Infinity : Infinity;
  const value = Number(text);
  return Number.isNaN(value) ? null : value;
}

function labelsOf(text) {
  const labels = {};
  for (const [, name, value] of text.matchAll(LABEL)) labels[name] = value.replace(/\\[n"\\]/g, (e) => ESCAPES[e]);
  return labels;
}

/** The sum over all label values (several models), or null if there is no such metric. */
export function total(metrics, name) {
  const samples = metrics.get(name);
  return samples ? samples.reduce((sum, s) => sum + s.value, 0) : null;
}

/** A histogram's cumulative counts as [[upper bound, count], ...] by rising bound, summed over the other labels; [] if there is none. */
export function buckets(metrics, name) {
  const sums = new Map();
  for (const { labels, value } of metrics.get(`${name}_bucket`) ?? []) {
    const bound = number(labels.le ?? '');
    if (bound !== null) sums.set(bound, (sums.get(bound) ?? 0) + value);
  }
  return [...sums].sort((a, b) => a[0] - b[0]);
}

/** What came into a histogram between two readings; all of `now` if the server was started again in between. */
export function bucketsSince(before, now) {
  const old = new Map(before);
  const rows = now.map(([bound, count]) => [bound, count - (old.get(bound) ?? 0)]);
  return rows.some(([, count]) => count < 0) ? now : rows;
}

/** The q-quantile (0 to 1) of a histogram's counts, straight within the bucket; null if it is empty. Above the last bound: that bound. */
export function quantile(q, counts) {
  const all = counts.length ? counts[counts.length - 1][1] : 0;
  if (!(all > 0)) return null;
  const rank = q * all;
  let lower = 0;
  let below = 0;
  for (const [bound, count] of counts) {
    if (count >= rank && count > below) return bound === Infinity ? lower : lower + (bound - lower) * Math.max(0, rank - below) / (count - below);
    lower = bound;
    below = count;
  }
  return lower;
}
