// Every text of the page, in English and Chinese. {name} is filled in.

export const TEXTS = {
  // the frame
  title: ['deepseek', 'deepseek'],
  skip: ['Skip to the conversation', '跳到对话'],
  menu: ['Conversations and pages', '对话与页面'],
  closeMenu: ['Close the menu', '关闭菜单'],
  pages: ['Pages', '页面'],
  conversations: ['Conversations', '对话'],
  newChat: ['New conversation', '新对话'],
  none: ['Conversations you start appear here. They stay in this browser.', '开始的对话会显示在这里，只保存在本浏览器中。'],
  untitled: ['Untitled', '未命名'],
  deleteChat: ['Delete “{title}”', '删除“{title}”'],
  metrics: ['Metrics', '运行指标'],
  recipes: ['Recipes', '训练配方'],
  contributions: ['Contributions', '数据贡献'],
  recipesSoon: ['Recipes for training and fine-tuning will be listed here; there is nothing here yet.', '这里将列出训练与微调的配方，目前还没有内容。'],
  contributionsSoon: ['Contributing data, and seeing what became of it, will be possible here; there is nothing here yet.', '这里将可以贡献数据并查看其用途，目前还没有内容。'],
  settings: ['Settings', '设置'],
  help: ['Keyboard shortcuts', '键盘快捷键'],
  close: ['Close', '关闭'],
  model: ['Model', '模型'],
  noModel: ['no model', '无模型'],
  baseTag: ['continues text', '续写'],
  // an empty conversation
  hello: ['What would you like to talk about?', '想聊些什么？'],
  helloText: ['Write a beginning', '写一个开头'],
  baseHint: ['{model} was not trained to chat. It goes on with whatever you write.', '{model} 未经对话训练，会接着你写的内容往下写。'],
  textHint: ['{model} goes on with whatever you write.', '{model} 会接着你写的内容往下写。'],
  begin1: ['Once upon a time', '床前明月光'],
  begin2: ['It was a bright cold day', '却说那日'],
  begin3: ['床前明月光', 'Once upon a time'],
  // writing
  conversation: ['Conversation', '对话内容'],
  message: ['Message', '消息'],
  ask: ['Write a message', '输入消息'],
  continueHint: ['Add text, or leave empty to go on', '添加文字，或留空继续'],
  send: ['Send', '发送'],
  goOn: ['Continue', '续写'],
  stop: ['Stop', '停止'],
  latest: ['To the latest text', '回到最新'],
  you: ['You', '你'],
  text: ['Text', '文本'],
  thinking: ['Reasoning', '思考过程'],
  waiting: ['Waiting for the first token', '等待第一个词元'],
  answering: ['Answering', '正在回答'],
  answered: ['The answer is complete', '回答完毕'],
  // actions on a message
  copy: ['Copy', '复制'],
  copied: ['Copied', '已复制'],
  copyFailed: ['The browser did not allow copying', '浏览器不允许复制'],
  edit: ['Edit', '编辑'],
  regenerate: ['Regenerate', '重新生成'],
  delete: ['Delete', '删除'],
  cancel: ['Cancel', '取消'],
  resend: ['Send again', '重新发送'],
  save: ['Save', '保存'],
  editing: ['Edit the message', '编辑消息'],
  deleted: ['Deleted', '已删除'],
  undo: ['Undo', '撤销'],
  code: ['Code', '代码'],
  table: ['Table', '表格'],
  actions: ['Actions', '操作'],
  // how it went
  speed: ['{n} tokens/s', '{n} 词元/秒'],
  first: ['first after {s} s', '首词元 {s} 秒'],
  used: ['{prompt} in, {completion} out', '输入 {prompt}，输出 {completion}'],
  usedCached: ['{prompt} in ({cached} cached), {completion} out', '输入 {prompt}（缓存 {cached}），输出 {completion}'],
  noteStopped: ['Stopped.', '已停止。'],
  noteLength: ['Ended at the token limit.', '达到词元数上限而结束。'],
  noteCut: ['The connection broke off. What had arrived is kept.', '连接中断，已收到的内容已保留。'],
  errNetwork: ['The server cannot be reached.', '无法连接服务器。'],
  errKey: ['The server asks for an API key.', '服务器需要 API 密钥。'],
  errKeyWrong: ['The server does not accept this API key.', '服务器不接受此 API 密钥。'],
  errBusy: ['The server has too much to do just now.', '服务器当前过于繁忙。'],
  errBusyWait: ['The server has too much to do just now. Try again in {s} s.', '服务器当前过于繁忙，请在 {s} 秒后重试。'],
  errRequest: ['The server did not accept the request.', '服务器未接受该请求。'],
  errServer: ['Something went wrong in the server.', '服务器出错。'],
  errCut: ['The connection broke off.', '连接中断。'],
  retry: ['Try again', '重试'],
  enterKey: ['Enter the key', '输入密钥'],
  asText: ['Continue as text', '改为续写文本'],
  noRoom: ['The browser has no room left for conversations: export and delete some.', '浏览器存储空间已满：请导出并删除一些对话。'],
  // settings
  sampling: ['Sampling', '采样'],
  samplingHint: ['Fields left empty are up to the server.', '留空的字段由服务器决定。'],
  system: ['System text', '系统提示'],
  systemHint: ['Sent before every conversation', '置于每段对话之前'],
  temperature: ['Temperature', '温度'],
  temperatureHint: ['0 always takes the likeliest token; 2 is wild', '0 总取最可能的词元，2 最随机'],
  topP: ['Top-p', 'Top-p'],
  topPHint: ['Only tokens that share this much probability', '只在累计概率达到此值的词元中选取'],
  maxTokens: ['Maximum tokens', '最大词元数'],
  seed: ['Seed', '随机种子'],
  seedHint: ['The same seed gives the same answer', '相同的种子得到相同的回答'],
  stopTexts: ['Stop at', '停止文本'],
  stopHint: ['One text a line; \\n is a line break', '每行一个；\\n 表示换行'],
  json: ['Answer in JSON', '以 JSON 回答'],
  newMode: ['New conversations', '新对话'],
  modeAuto: ['As the model was trained', '按模型的训练方式'],
  modeChat: ['Chat', '对话'],
  modeText: ['Continue a text', '续写文本'],
  reset: ['Reset sampling', '重置采样设置'],
  invalid: ['From {min} to {max}', '应在 {min} 到 {max} 之间'],
  access: ['Access', '访问'],
  apiKey: ['API key', 'API 密钥'],
  keyHint: ['Kept until this window is closed', '保存至本窗口关闭'],
  remember: ['Remember it in this browser', '在本浏览器中记住'],
  look: ['Language and look', '语言与外观'],
  language: ['Language', '语言'],
  theme: ['Look', '外观'],
  auto: ['As the system', '跟随系统'],
  light: ['Light', '浅色'],
  dark: ['Dark', '深色'],
  data: ['Conversations', '对话'],
  dataHint: ['They are kept in this browser only.', '仅保存在本浏览器中。'],
  export: ['Export', '导出'],
  import: ['Import', '导入'],
  clear: ['Delete all', '全部删除'],
  clearAsk: ['Delete all conversations of this browser? This cannot be undone.', '删除本浏览器中的所有对话？此操作无法撤销。'],
  imported: ['{n} conversations imported', '已导入 {n} 段对话'],
  importFailed: ['This file holds no conversations', '此文件中没有对话'],
  // shortcuts
  keySend: ['Send', '发送'],
  keyLine: ['New line', '换行'],
  keyStop: ['Stop the answer', '停止回答'],
  keyNew: ['New conversation', '新对话'],
  keyEdit: ['Edit the last message (in an empty field)', '编辑上一条消息（输入框为空时）'],
  keySettings: ['Settings', '设置'],
  keyHelp: ['This list', '本列表'],
  keyPhone: ['On a touch screen Enter makes a new line, and the button sends.', '在触摸屏上，回车键换行，按钮发送。'],
  // metrics
  metricsHint: ['Every 2 seconds while this page is visible', '页面可见时每 2 秒更新'],
  metricsNone: ['The server tells no metrics.', '服务器没有提供指标。'],
  paused: ['Paused', '已暂停'],
  noData: ['nothing yet', '暂无数据'],
  mTokens: ['Tokens per second', '每秒词元数'],
  mRequests: ['Requests', '请求数'],
  mKv: ['KV memory in use', 'KV 内存占用'],
  mCache: ['Prompt tokens from the cache', '提示词元缓存命中率'],
  mFirst: ['Time to first token', '首词元延迟'],
  mInter: ['Between tokens', '词元间隔'],
  mGenerated: ['written', '生成'],
  mPrompt: ['read', '读入'],
  mRunning: ['running', '运行中'],
  mWaiting: ['waiting', '等待中'],
  mUsed: ['in use', '已用'],
  mHit: ['cached', '命中'],
  mP50: ['median', '中位数'],
  mP95: ['95 %', '95 %'],
  chartSays: ['{title}, last {minutes} min. {series}', '{title}，最近 {minutes} 分钟。{series}'],
  seriesSays: ['{name}: now {now}, least {min}, most {max}.', '{name}：当前 {now}，最小 {min}，最大 {max}。'],
  minutesAgo: ['{n} min ago', '{n} 分钟前'],
  now: ['now', '现在'],
};

export const LANGUAGES = { en: 'English', zh: '中文' };

let current = 'en';

/** The language for a wish ("" = as the browser has it). */
export function chooseLanguage(wish, browser) {
  return wish in LANGUAGES ? wish : /^zh\b/i.test(browser ?? '') ? 'zh' : 'en';
}

export function setLanguage(language) {
  current = language;
}

export const language = () => current;

/** The text of that name in the page's language. */
export function t(name, values = {}) {
  const text = TEXTS[name][current === 'zh' ? 1 : 0];
  return text.replace(/\{(\w+)\}/g, (whole, key) => values[key] ?? whole);
}

/** Numbers as the language writes them, with at most that many decimals. */
export const number = (value, decimals = 0) => new Intl.NumberFormat(current === 'zh' ? 'zh-CN' : 'en', { maximumFractionDigits: decimals }).format(value);

/** Fills in the fixed texts: data-t is an element's text; data-t-label, -title and -placeholder are its attributes. */
export function translate(root) {
  const attributes = { tLabel: 'aria-label', tTitle: 'title', tPlaceholder: 'placeholder' };
  for (const node of root.querySelectorAll('[data-t],[data-t-label],[data-t-title],[data-t-placeholder]')) {
    if (node.dataset.t) node.textContent = t(node.dataset.t);
    for (const [key, attribute] of Object.entries(attributes)) if (node.dataset[key]) node.setAttribute(attribute, t(node.dataset[key]));
  }
}
