/**
 * Requests to the API, and what goes wrong with them.
 */

import { pause } from "./backoff.js";
import { addressOf, identity } from "./configuration.js";

/** Answers after which the same request may well succeed: the server is away, or busy. */
const PASSING = new Set([0, 408, 429, 502, 503, 504]);

/** Say what the server answered: `code` is stable, `fields` say what it is about. */
export class ApiError extends Error {
  constructor({ status = 0, code = "unknown", message = "", fields = {} }, options) {
    super(message || code, options);
    this.name = "ApiError";
    /** That of HTTP; 0 where there was no answer, or where it was part of another one (a stream, a batch). */
    this.status = status;
    this.code = code;
    this.fields = fields;
  }
}

/** Send a request and return its answer; an error of the server's, or none at all, throws ApiError. */
export async function send(path, { method = "GET", body, headers = {}, signal, keepalive } = {}) {
  const type = body === undefined ? {} : { "Content-Type": "application/json" };
  let answer;
  try {
    answer = await fetch(addressOf(path), {
      method,
      body: body === undefined ? undefined : JSON.stringify(body),
      headers: { Accept: "application/json", ...type, ...identity(method), ...headers },
      credentials: "same-origin",
      cache: "no-store",
      signal,
      keepalive,
    });
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    if (!(error instanceof TypeError)) throw error;
    throw new ApiError({ code: "unreachable", message: "The server can't be reached." }, { cause: error });
  }
  if (!answer.ok) throw new ApiError(await problemOf(answer));
  return answer;
}

/** Repeat `action` as long as it fails in passing. */
export async function persistently(action, signal) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await action();
    } catch (error) {
      if (!(error instanceof ApiError) || !PASSING.has(error.status) || error.code === "interrupted") throw error;
    }
    await pause(attempt, signal);
  }
}

async function problemOf(answer) {
  const { status } = answer;
  let told = null;
  try {
    told = await answer.json();
  } catch {
    // Something between here and the server has answered in its stead.
  }
  if (typeof told?.code !== "string") return { status, code: `http_${status}`, message: `The server answered ${status}.` };
  return { status, code: told.code, message: told.message ?? told.detail, fields: told.fields };
}

/** Return a UUID; `crypto.randomUUID` is there on pages from HTTPS only. */
export function uuid() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/** Let an error be the page's, or the program's, as any other: who has raised it can't catch it here. */
export function report(error) {
  if (typeof reportError === "function") reportError(error);
  else
    queueMicrotask(() => {
      throw error;
    });
}
