/**
 * Server-sent events, by the browser's own EventSource where its cookies say who reads, else by `fetch`, which takes headers.
 *
 * Neither reconnects here: what is followed, and from where, is asked for anew each time.
 */

import { ApiError, send } from "./http.js";
import { addressOf, usesEventSource } from "./configuration.js";

/** The server sends a comment every 15 s; after this long without anything the network is dead. */
const SILENCE_MS = 40000;

/**
 * Open a stream: `onMessage` gets the text of each event, `onEnd` is called once, with the server's refusal or null.
 * Returns what closes it, after which nothing is called any more.
 */
export function openEvents(path, { onMessage, onEnd }) {
  return usesEventSource() ? bySource(path, onMessage, onEnd) : byFetch(path, onMessage, onEnd);
}

function bySource(path, onMessage, onEnd) {
  const source = new EventSource(addressOf(path));
  source.addEventListener("message", (event) => onMessage(event.data));
  source.addEventListener("error", () => {
    source.close();
    onEnd(null);
  });
  return () => source.close();
}

function byFetch(path, onMessage, onEnd) {
  const stop = new AbortController();
  let silence;
  const heard = () => {
    clearTimeout(silence);
    silence = setTimeout(() => stop.abort(), SILENCE_MS);
  };
  let isClosed = false;
  const read = async () => {
    try {
      heard();
      const answer = await send(path, { headers: { Accept: "text/event-stream" }, signal: stop.signal });
      for await (const event of eventsOf(answer.body, heard)) onMessage(event.data);
    } catch (error) {
      if (error instanceof ApiError && error.status >= 400 && error.status < 500 && error.status !== 429) return error;
    } finally {
      clearTimeout(silence);
    }
    return null;
  };
  void read().then((refusal) => isClosed || onEnd(refusal));
  return () => {
    isClosed = true;
    stop.abort();
  };
}

/** Yield the events of a body, `{event, id, data}`, as the HTML standard reads them; `heard` is called for each piece. */
export async function* eventsOf(body, heard = () => {}) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let event = { event: "message", data: [] };
  try {
    for (;;) {
      const { value, done } = await reader.read().catch((error) => {
        throw interrupted(error);
      });
      if (done) return;
      heard();
      rest += value;
      // A carriage return at the end may be half of a line break.
      const lines = rest.split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop();
      for (const line of lines) {
        if (line !== "") {
          takeField(event, line);
          continue;
        }
        if (event.data.length) yield { ...event, data: event.data.join("\n") };
        event = { event: "message", data: [] };
      }
    }
  } finally {
    // Whoever leaves off reading needs no more of it.
    await reader.cancel().catch(() => {});
  }
}

/** Return the error of an answer that broke off. */
export function interrupted(cause) {
  return new ApiError({ code: "interrupted", message: "The connection broke before the answer was whole." }, { cause });
}

function takeField(event, line) {
  const colon = line.indexOf(":");
  if (colon === 0) return;
  const name = colon < 0 ? line : line.slice(0, colon);
  const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
  if (name === "data") event.data.push(value);
  else if (name === "event" || name === "id") event[name] = value;
}
