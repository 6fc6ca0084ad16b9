// The server's HTTP interface (OpenAI's): models, streamed answers, and failures as one kind of error.

import { events } from './sse.js';

/** kind: "network" (no server), "key" (401, 403), "busy" (429, 503; wait = seconds or null), "request" (other 4xx),
 *  "server" (5xx, or an error in the stream), "cut" (the stream ended early). detail: the server's own words; code: its word for a program. */
export class ApiError extends Error {
  constructor(kind, { status = 0, detail = '', code = '', wait = null } = {}) {
    super(detail || kind);
    Object.assign(this, { kind, status, detail, code, wait });
  }
}

const kindOf = (status) => (status === 401 || status === 403 ? 'key' : status === 429 || status === 503 ? 'busy' : status >= 500 ? 'server' : 'request');

/** Seconds to wait by the Retry-After header, a number or a date; null if there is none. */
function waitOf(response) {
  const value = response.headers.get('Retry-After');
  if (value === null) return null;
  const seconds = /^\d+$/.test(value) ? Number(value) : Math.ceil((Date.parse(value) - Date.now()) / 1000);
  return Number.isFinite(seconds) ? Math.max(0, seconds) : null;
}

async function errorOf(response) {
  const text = await response.text().catch(() => '');
  let error = {};
  try {
    error = JSON.parse(text).error ?? {};
  } catch { /* not JSON: its text will do */ }
  const detail = String(error.message ?? text).slice(0, 500);
  return new ApiError(kindOf(response.status), { status: response.status, detail, code: error.code ?? '', wait: waitOf(response) });
}

export class Api {
  /** key: a function that returns the API key, or "". Addresses are relative to the page, so a proxy may put it under a path. */
  constructor(key) {
    this.key = key;
  }

  async fetch(path, options = {}) {
    const headers = { ...(this.key() && { Authorization: `Bearer ${this.key()}` }), ...(options.body && { 'Content-Type': 'application/json' }) };
    let response;
    try {
      response = await fetch(path, { cache: 'no-store', ...options, headers });
    } catch (error) {
      throw error.name === 'AbortError' ? error : new ApiError('network');
    }
    if (!response.ok) throw await errorOf(response);
    return response;
  }

  /** [{id, chat}]: chat is false for a model without a chat template, which only continues text. */
  async models() {
    const response = await this.fetch('v1/models');
    const list = await response.json().catch(() => null);
    if (!Array.isArray(list?.data)) throw new ApiError('server', { detail: '/v1/models' });
    return list.data.map((m) => ({ id: String(m.id), chat: m.chat !== false }));
  }

  async metrics() {
    return (await this.fetch('metrics')).text();
  }

  /** The pieces of a streamed answer: {text, reasoning, finish, usage}, each present where the server sent it. */
  async *stream({ path, body }, signal) {
    const response = await this.fetch(path, { method: 'POST', body: JSON.stringify(body), signal });
    let finished = false;
    try {
      for await (const data of events(response.body)) {
        if (data === '[DONE]') return;
        const piece = pieceOf(data);
        finished ||= Boolean(piece.finish);
        yield piece;
      }
    } catch (error) {
      throw error.name === 'AbortError' || error instanceof ApiError ? error : new ApiError('cut');
    }
    if (!finished) throw new ApiError('cut');
  }
}

function pieceOf(data) {
  let chunk;
  try {
    chunk = JSON.parse(data);
  } catch {
    throw new ApiError('server', { detail: data.slice(0, 200) });
  }
  if (chunk?.error) throw new ApiError('server', { detail: String(chunk.error.message ?? chunk.error) });
  const choice = chunk?.choices?.[0];
  return {
    text: choice?.delta?.content ?? choice?.text ?? '',
    reasoning: choice?.delta?.reasoning_content ?? '',
    finish: choice?.finish_reason ?? null,
    usage: chunk?.usage ?? null,
  };
}
