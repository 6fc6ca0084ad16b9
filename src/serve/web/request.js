// From a conversation and the settings to the request that the server gets.

/** Settings that go into the request under their own name; an empty one is left to the server. */
export const NUMBERS = { temperature: [0, 2], top_p: [0, 1], max_tokens: [1, 1e9], seed: [0, 2 ** 53 - 1] };
/** Tokens that a text goes on for where the settings say nothing: the API's own 16 are a line. */
const TEXT_TOKENS = 200;

function sampling(settings) {
  const body = {};
  for (const name of Object.keys(NUMBERS)) if (Number.isFinite(settings[name])) body[name] = settings[name];
  const stop = stopList(settings.stop);
  if (stop.length) body.stop = stop;
  if (settings.json) body.response_format = { type: 'json_object' };
  return body;
}

/** Stop texts, one a line; "\n" and "\t" stand for a line break and a tab. */
export function stopList(text) {
  return (text ?? '').split('\n').filter((line) => line !== '').map((line) => line.replaceAll('\\n', '\n').replaceAll('\\t', '\t'));
}

/** The messages to send: answers without text are left out, neighbours of one role joined (templates want the roles in turn). */
export function chatMessages(conversation, system) {
  const messages = system?.trim() ? [{ role: 'system', content: system }] : [];
  for (const { role, content } of conversation.messages) {
    const last = messages[messages.length - 1];
    if (role === 'assistant' && !content) continue;
    if (last?.role === role) last.content += `\n\n${content}`;
    else messages.push({ role, content });
  }
  return messages;
}

/** The text that a completion continues: all pieces in order. */
export const plainText = (conversation) => conversation.messages.map((m) => m.content).join('');

/** {path, body} for the next answer of a conversation: of the chat, or of the text that the model goes on with. */
export function nextRequest(conversation, settings) {
  const common = { ...(conversation.model && { model: conversation.model }), stream: true, stream_options: { include_usage: true }, ...sampling(settings) };
  if (conversation.mode === 'text') return { path: 'v1/completions', body: { max_tokens: TEXT_TOKENS, ...common, prompt: plainText(conversation) } };
  return { path: 'v1/chat/completions', body: { ...common, messages: chatMessages(conversation, settings.system) } };
}
