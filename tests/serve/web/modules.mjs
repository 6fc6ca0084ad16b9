// The parts of the web page that need no browser: node modules.mjs WEB_DIRECTORY
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const web = process.argv[2];
const load = (name) => import(pathToFileURL(path.join(web, name)));

// A document that keeps what it is given and shows it as text; there is no way to parse HTML into it.
class FakeNode {
  constructor(tag) { Object.assign(this, { tag, attributes: {}, children: [], parent: null }); }
  setAttribute(name, value) { this.attributes[name] = value; }
  append(...nodes) { nodes.forEach((n) => { this.children.push(n); if (n instanceof FakeNode) n.parent = this; }); }
  remove() { this.parent.children.splice(this.parent.children.indexOf(this), 1); }
  replaceChildren(...nodes) { this.children = []; this.append(...nodes); }
  get all() { return [this, ...this.children.flatMap((c) => (c instanceof FakeNode ? c.all : []))]; }
  get text() { return this.children.map((c) => c.text ?? c).join(''); }
  toString() {
    const attributes = Object.entries(this.attributes).filter(([n]) => !['rel', 'target', 'tabindex', 'role', 'aria-label'].includes(n));
    return `<${this.tag}${attributes.map(([n, v]) => ` ${n}=${v}`).join('')}>${this.children.map((c) => String(c.text !== undefined && !(c instanceof FakeNode) ? c.text : c)).join('')}</${this.tag}>`;
  }
}
globalThis.document = { createElement: (tag) => new FakeNode(tag), createTextNode: (text) => ({ text }) };
const LABELS = { copy: 'Copy', code: 'Code', table: 'Table' };

const tests = [];
const test = (name, fn) => tests.push([name, fn]);

// server-sent events

const { SseParser, events } = await load('sse.js');

test('events cut at every byte, with each line ending', async () => {
  for (const eol of ['\n', '\r\n', '\r']) {
    const text = [': a comment', 'data: {"a": "你好 😀"}', '', 'event: x', 'data: one', 'data:two', 'data', 'id: 7', '', '', 'data: [DONE]', '', 'data: lost'].join(eol);
    const bytes = new TextEncoder().encode(text);
    const expected = ['{"a": "你好 😀"}', 'one\ntwo\n', '[DONE]'];
    for (let cut = 0; cut <= bytes.length; cut++) {
      const pieces = [bytes.slice(0, cut), bytes.slice(cut)];
      const body = new ReadableStream({ start(c) { pieces.forEach((p) => c.enqueue(p)); c.close(); } });
      const got = [];
      for await (const event of events(body)) got.push(event);
      assert.deepEqual(got, expected, `cut at ${cut} with ${JSON.stringify(eol)}`);
    }
    const parser = new SseParser();
    assert.deepEqual([...text].flatMap((c) => parser.push(c)), expected);
  }
});

// Markdown

const { parseBlocks, blockElement, MarkdownView } = await load('markdown.js');
const { parseInline, safeUrl } = await load('inline.js');
const render = (text) => parseBlocks(text).map((b) => String(blockElement(b, LABELS))).join('');

const EXAMPLES = [
  ['one\ntwo\n\nthree', '<p>one<br></br>two</p><p>three</p>'],
  ['# A\n###### B #\n####### c', '<h3>A</h3><h6>B</h6><p>####### c</p>'],
  ['**a** *b* ***c*** ~~d~~ `e*f*`', '<p><strong>a</strong> <em>b</em> <strong><em>c</em></strong> <del>d</del> <code>e*f*</code></p>'],
  ['**“引用”**后面 **a*b**', '<p><strong>“引用”</strong>后面 <strong>a*b</strong></p>'],
  ['2 * 3 * 4, snake_case_name, **open', '<p>2 * 3 * 4, snake_case_name, **open</p>'],
  ['``a ` b`` and `x', '<p><code>a ` b</code> and `x</p>'],
  ['[a **b**](https://x.y/(z) "t") <https://q.r> https://s.t/u.', '<p><a href=https://x.y/(z)>a <strong>b</strong></a> <a href=https://q.r/>https://q.r</a> <a href=https://s.t/u>https://s.t/u</a>.</p>'],
  ['见https://x.y/z。后', '<p>见https://x.y/z。后</p>'],
  ['见 https://x.y/z。后', '<p>见 <a href=https://x.y/z>https://x.y/z</a>。后</p>'],
  ['![cat](https://x.y/c.png)', '<p><a href=https://x.y/c.png>cat</a></p>'],
  ['\\*a\\* \\(x_1*y*z\\) $$a*b*c$$', '<p>*a* <span class=math>\\(x_1*y*z\\)</span> <span class=math>$$a*b*c$$</span></p>'],
  ['- a\n- b\n  - c\n\n    more\n- [x] d\n- [ ] e', '<ul><li>a</li><li>b<ul><li>c<p>more</p></li></ul></li><li><span>☑ </span>d</li><li><span>☐ </span>e</li></ul>'],
  ['3. a\n4. b\n   ```\n   code\n   ```\n\nafter', '<ol start=3><li>a</li><li>b<div class=code><div class=bar><span></span><button type=button class=copy-code>Copy</button></div><pre><code>code</code></pre></div></li></ol><p>after</p>'],
  ['1. a\n  - b', '<ol><li>a<ul><li>b</li></ul></li></ol>'],
  ['In\n1984. That', '<p>In<br></br>1984. That</p>'],
  ['> a\n> - b\n\n---', '<blockquote><p>a</p><ul><li>b</li></ul></blockquote><hr></hr>'],
  ['t:\n| a | b |\n|---|--:|\n| 1 | `x\\|y` |\n| 2 |', '<p>t:</p><div class=table><table><thead><tr><th>a</th><th class=right>b</th></tr></thead><tbody><tr><td>1</td><td class=right><code>x|y</code></td></tr><tr><td>2</td><td class=right></td></tr></tbody></table></div>'],
  ['~~~js\na\n```\n~~~\nb', '<div class=code><div class=bar><span>js</span><button type=button class=copy-code>Copy</button></div><pre><code>a\n```</code></pre></div><p>b</p>'],
  ['```\nunclosed', '<div class=code><div class=bar><span></span><button type=button class=copy-code>Copy</button></div><pre><code>unclosed</code></pre></div>'],
];

test('Markdown as expected', () => EXAMPLES.forEach(([text, html]) => assert.equal(render(text), html, text)));

test('only http and https become links', () => {
  for (const bad of ['javascript:alert(1)', 'JaVaScRiPt:alert(1)', ' javascript:alert(1)', 'java\nscript:alert(1)', 'data:text/html,<script>', 'vbscript:x', 'file:///etc/passwd', '//x.y', '/x', 'https://', 'http://[', '&#106;avascript:x']) {
    assert.equal(safeUrl(bad), null, bad);
    assert.ok(!render(`[x](${bad}) <${bad}> ![y](${bad}) ${bad}`).includes('<a '), bad);
  }
});

test('raw HTML is text, and elements are those of the renderer', () => {
  const hostile = '<script>alert(1)</script> <img src=x onerror=alert(1)> <a href="javascript:x">y</a>\n\n<iframe>\n\n```html" onload="x\n<b>\n```\n[<img>](https://x.y/"onmouseover="z)';
  const allowed = new Set('p br h3 h4 h5 h6 strong em del code span a pre div button ul ol li blockquote hr table thead tbody tr th td'.split(' '));
  for (const node of parseBlocks(hostile).flatMap((b) => blockElement(b, LABELS).all)) {
    assert.ok(allowed.has(node.tag), node.tag);
    for (const name of Object.keys(node.attributes)) assert.ok(['class', 'href', 'rel', 'target', 'type', 'tabindex', 'role', 'aria-label', 'start'].includes(name), name);
    if (node.attributes.href) assert.match(node.attributes.href, /^https?:/);
  }
  assert.ok(render(hostile).includes('<p><script>alert(1)</script> '), 'shown as it was written');
});

test('a growing text ends as the whole text, and what is final stays', () => {
  const text = EXAMPLES.map(([t]) => t).join('\n\n');
  const root = new FakeNode('div');
  const view = new MarkdownView(root, LABELS);
  let first = null;
  let kept = 0;
  for (let end = 1; end <= text.length; end++) {
    view.show(text.slice(0, end), true);
    if (end > 40) first ??= root.children[0];
    if (root.children[0] === first) kept++;
  }
  view.show(text);
  assert.equal(root.children.join(''), render(text));
  assert.ok(kept > text.length - 60, 'the first block was made again');
  view.show('other');
  assert.equal(root.children.join(''), '<p>other</p>');
});

test('while a text grows, open emphasis and code look closed', () => {
  assert.deepEqual(parseInline('a **b', true)[1], { type: 'strong', children: [{ type: 'text', text: 'b' }] });
  assert.deepEqual(parseInline('a `b', true)[1], { type: 'code', text: 'b' });
});

test('hostile text takes time as its length, not as its square', () => {
  const units = ['`', '`a', '``a`', '*', '*a', '**a ', '_a_', '~~', '[', '![', '](', '[](', '[a](http://', '<', '<http://', 'http://', 'http://x)', '\\(', '\\[', '$$', '\\', '> ', '- ', '- a\n', '  - a\n', '1. ', '#', '# \n',
    '|', '|a', 'a|b\n-|-\n', '|\n', '\n', '~~~\n', '```\n', ' ', '\t', '-', '- - ', 'a\n', '**_~~', '中', '>a\n\n', '[x', '![a](b'];
  for (const unit of units) {
    const time = (n) => {
      const text = unit.repeat(Math.ceil(n / unit.length));
      const start = process.cpuUsage();
      parseBlocks(text).forEach((b) => blockElement(b, LABELS));
      const used = process.cpuUsage(start);
      return used.user + used.system;
    };
    const bytes = unit.includes('`') ? 1 << 20 : 1 << 18;
    assert.ok(time(bytes) < 8e6, `${JSON.stringify(unit)} takes too long`); // microseconds; what grows as the square takes minutes
  }
});

// Prometheus

const { parseMetrics, total, buckets, bucketsSince, quantile } = await load('prometheus.js');

test('metrics are read', () => {
  const m = parseMetrics('# HELP a b\n# TYPE a counter\na 1\na{x="1",y="q\\"\\\\\\n}"} 2.5e1 1700000000\n\nb_bucket{le="0.1"} 1\nb_bucket{le="+Inf"} 3\nnonsense\nc NaN\nd{ 4\n= 1\n');
  assert.equal(total(m, 'a'), 26);
  assert.deepEqual(m.get('a')[1].labels, { x: '1', y: 'q"\\\n}' });
  assert.deepEqual(buckets(m, 'b'), [[0.1, 1], [Infinity, 3]]);
  assert.equal(total(m, 'c'), null);
  assert.equal(total(m, 'nothing'), null);
  assert.deepEqual(buckets(m, 'nothing'), []);
  parseMetrics('a{'.repeat(1e5));
  parseMetrics(`a{${'x="'.repeat(1e5)}} 1`);
});

test('quantiles', () => {
  const counts = [[1, 10], [2, 20], [4, 20], [Infinity, 20]];
  assert.equal(quantile(0.5, counts), 1);
  assert.equal(quantile(0.75, counts), 1.5);
  assert.equal(quantile(1, counts), 2);
  assert.equal(quantile(0.5, []), null);
  assert.equal(quantile(0.5, [[1, 0], [Infinity, 0]]), null);
  assert.equal(quantile(0.9, [[1, 1], [Infinity, 10]]), 1);
  assert.deepEqual(bucketsSince([[1, 5], [Infinity, 6]], [[1, 7], [Infinity, 9]]), [[1, 2], [Infinity, 3]]);
  assert.deepEqual(bucketsSince([[1, 5], [Infinity, 6]], [[1, 1], [Infinity, 2]]), [[1, 1], [Infinity, 2]], 'a server started again');
});

// requests, storage, speech, charts

const { nextRequest, stopList } = await load('request.js');
const { Store, MemoryStorage, newConversation, titleOf, DEFAULTS } = await load('store.js');
const { sentenceEnd, spoken, Announcer } = await load('announce.js');
const { niceCeiling, linePath } = await load('chart.js');
const { Meter } = await load('meter.js');
const { languageOf } = await load('dom.js');

test('requests hold what is set, and nothing else', () => {
  const c = newConversation('m', 'chat');
  c.messages = [{ role: 'user', content: 'a' }, { role: 'assistant', content: '' }, { role: 'user', content: 'b' }, { role: 'assistant', content: 'c' }, { role: 'user', content: 'd' }];
  const plain = nextRequest(c, DEFAULTS);
  assert.deepEqual(plain, { path: 'v1/chat/completions', body: { model: 'm', stream: true, stream_options: { include_usage: true },
    messages: [{ role: 'user', content: 'a\n\nb' }, { role: 'assistant', content: 'c' }, { role: 'user', content: 'd' }] } });
  const { body } = nextRequest({ ...c, mode: 'text' }, { ...DEFAULTS, temperature: 0, top_p: 0.5, max_tokens: 7, seed: 3, stop: 'x\n\\n\\n\n', json: true, system: 's' });
  assert.deepEqual([body.temperature, body.top_p, body.max_tokens, body.seed, body.stop, body.response_format, body.prompt, body.messages],
    [0, 0.5, 7, 3, ['x', '\n\n'], { type: 'json_object' }, 'abcd', undefined]);
  assert.equal(nextRequest({ ...c, mode: 'text' }, DEFAULTS).body.max_tokens, 200);
  assert.equal(nextRequest(c, { ...DEFAULTS, system: 's' }).body.messages[0].content, 's');
  assert.deepEqual(stopList(''), []);
});

test('conversations are kept, exported and taken back', () => {
  const local = new MemoryStorage();
  const store = new Store(local, new MemoryStorage());
  const c = { ...newConversation('m', 'text'), messages: [{ id: 'u1', role: 'user', content: ' 你\n好 ' }, { id: 'a1', role: 'assistant', content: 'x', stats: { rate: 2 }, note: 'cut' }] };
  store.put(c);
  assert.deepEqual(store.get(c.id), c);
  assert.equal(titleOf(c), '你 好');
  const other = new Store(new MemoryStorage(), new MemoryStorage());
  assert.equal(other.import(store.export()), 1);
  assert.deepEqual(other.list(), [c]);
  local.setItem('deepseek.chat.bad', '{"id": 1');
  local.setItem('other', 'x');
  assert.equal(store.list().length, 1);
  store.clear();
  assert.equal(store.list().length, 0);
  assert.equal(local.getItem('other'), 'x');
});

test('what is imported is checked', () => {
  const store = new Store(new MemoryStorage(), new MemoryStorage());
  for (const bad of ['', '[]', 'null', '{"conversations": 1}', '{"a":']) assert.throws(() => store.import(bad));
  const n = store.import(JSON.stringify({ conversations: [null, 3, { id: '../x', messages: [] }, { id: 'ok', title: 5, mode: 'evil', messages: [null, { role: 'system', content: 'x' }, { role: 'user', content: 3 }, { role: 'user', content: 'y', extra: 1, error: { kind: 'k', wait: 9 }, stats: { rate: 'x' } }] }] }));
  assert.equal(n, 1);
  const [c] = store.list();
  assert.equal(c.mode, 'chat');
  assert.equal(c.title, '5');
  assert.deepEqual(c.messages.map((m) => [m.content, m.extra, m.error.wait, m.stats]), [['y', undefined, null, undefined]]);
});

test('settings and the key', () => {
  const [local, session] = [new MemoryStorage(), new MemoryStorage()];
  const store = new Store(local, session);
  local.setItem('deepseek.settings', '{"temperature": 0.5, "top_p": "x", "model": 3, "json": true, "evil": 1}');
  assert.deepEqual(store.settings(), { ...DEFAULTS, temperature: 0.5, json: true });
  local.setItem('deepseek.settings', 'nonsense');
  assert.deepEqual(store.settings(), DEFAULTS);
  store.saveKey('k', false);
  assert.deepEqual([store.key(), store.keyRemembered, local.getItem('deepseek.key')], ['k', false, null]);
  store.saveKey('k2', true);
  assert.deepEqual([store.key(), store.keyRemembered, session.getItem('deepseek.key')], ['k2', true, null]);
  store.saveKey('', true);
  assert.equal(store.key(), '');
});

test('a screen reader hears whole sentences', () => {
  assert.equal(sentenceEnd('Pi is 3.14 and', 0), 0);
  assert.equal(sentenceEnd('One. Two. Thr', 0), 9);
  assert.equal(sentenceEnd('他说：“好。”然后', 0), 7);
  assert.equal(sentenceEnd('x'.repeat(500), 0), 500);
  assert.equal(spoken('**a** [b](https://c.d) `e`\n- f'), 'a b e \n f');
  const region = new FakeNode('div');
  Object.defineProperty(region, 'childElementCount', { get: () => region.children.length });
  const announcer = new Announcer(region);
  announcer.begin();
  const text = 'One. Two is longer! 三。 Four';
  for (let end = 1; end <= text.length; end++) announcer.answer(text.slice(0, end));
  announcer.answer(text, true);
  assert.deepEqual(region.children.map((n) => n.textContent), ['One.', 'Two is longer!', '三。', 'Four']);
});

test('the language of a text', () => {
  const cases = { 你好: 'zh', '用 Python 写一个函数': 'zh', 'The word 水 is water': null, '': null, 'これは本': 'ja' };
  for (const [text, language] of Object.entries(cases)) assert.equal(languageOf(text), language, text);
});

test('charts', () => {
  assert.deepEqual([0, 0.3, 1, 1.1, 4, 7, 60].map(niceCeiling), [1, 0.5, 1, 2, 5, 10, 100]);
  const same = (v) => v;
  assert.equal(linePath([[0, null], [1, 2], [2, 3], [3, null], [4, 5]], same, same), 'M1.0 2.0L2.0 3.0M4.0 5.0');
});

test('speed', () => {
  const meter = new Meter();
  assert.deepEqual(meter.stats(null), {});
  meter.piece();
  const stats = meter.stats({ prompt_tokens: 3, completion_tokens: 1, prompt_cache_hit_tokens: 2 });
  assert.ok(stats.first >= 0);
  assert.deepEqual([stats.prompt, stats.completion, stats.cached, stats.rate], [3, 1, 2, undefined]);
  meter.piece();
  assert.ok(meter.stats({ completion_tokens: 100 }).rate <= 100000, 'an answer that came at once does not make the speed infinite');
});

// texts

const { TEXTS, chooseLanguage, setLanguage, t } = await load('i18n.js');
const { CHARTS } = await load('metrics.js');

test('every text is there in both languages, with the same values, and is used', () => {
  const files = fs.readdirSync(web).filter((f) => /\.(js|html)$/.test(f) && f !== 'i18n.js');
  const source = files.map((f) => fs.readFileSync(path.join(web, f), 'utf8')).join('\n');
  const values = (text) => [...text.matchAll(/\{(\w+)\}/g)].map((m) => m[1]).sort();
  for (const [name, pair] of Object.entries(TEXTS)) {
    assert.equal(pair.length, 2, name);
    assert.deepEqual(values(pair[0]), values(pair[1]), name);
    assert.ok(pair[0] && /[\u4e00-\u9fff]/.test(pair[1]) || pair[0] === pair[1] || name.startsWith('begin'), `${name} is not translated`);
    assert.ok(new RegExp(`['"]${name}['"]`).test(source), `nobody uses ${name}`);
  }
  const named = [...source.matchAll(/data-t(?:-\w+)?="(\w+)"|\bt\('(\w+)'/g)].map((m) => m[1] ?? m[2]);
  for (const name of [...named, ...CHARTS.flatMap((c) => [c.title, ...c.series.map(([n]) => n)])]) assert.ok(TEXTS[name], `there is no text ${name}`);
});

test('the language follows the wish, then the browser', () => {
  assert.deepEqual([['', 'zh-TW'], ['', 'en-GB'], ['', 'fr'], ['en', 'zh'], ['zh', 'en'], ['xx', 'zh'], ['', undefined]].map((a) => chooseLanguage(...a)), ['zh', 'en', 'en', 'en', 'zh', 'zh', 'en']);
  setLanguage('zh');
  assert.equal(t('speed', { n: 5 }), '5 词元/秒');
});

test('the page names no address outside itself', () => {
  for (const file of fs.readdirSync(web)) {
    const found = fs.readFileSync(path.join(web, file), 'utf8').match(/https?:\/\/[\w.]+/g) ?? [];
    assert.deepEqual(found.filter((a) => a !== 'http://www.w3.org'), [], file);
  }
});

let failed = 0;
for (const [name, fn] of tests) {
  try {
    await fn();
  } catch (error) {
    failed++;
    console.error(`failed: ${name}\n${error.stack}`);
  }
}
console.log(`${tests.length - failed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
