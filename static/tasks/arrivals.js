/**
 * The messages of a connection: one is handled as it comes, and those of a burst many in a row, since each by itself takes
 * several times as long. After a few milliseconds the page gets its turn, however many have come.
 */

import { report } from "./http.js";

/** How long those of a burst are gathered, and how long they may be handled before the page gets its turn. */
const GATHER_MS = 10;
const HANDLE_MS = 8;

export class Arrivals {
  constructor(handle) {
    this._handle = handle;
    /** Texts, and the messages of texts that held several. */
    this._waiting = [];
    this._timer = undefined;
    this._workedAt = -Infinity;
  }

  add(text) {
    this._waiting.push(text);
    if (this._timer !== undefined) return;
    if (performance.now() - this._workedAt >= GATHER_MS) this._work();
    else this._timer = setTimeout(() => this._work(), GATHER_MS);
  }

  /** Handle all that is left: nothing more comes. */
  finish() {
    clearTimeout(this._timer);
    this._workThrough(Infinity);
  }

  _work() {
    this._timer = undefined;
    // A page that nobody sees has no turn to wait for, and seldom gets to work.
    this._workThrough(globalThis.document?.hidden ? Infinity : HANDLE_MS);
    this._workedAt = performance.now();
    if (this._waiting.length) this._timer = setTimeout(() => this._work(), GATHER_MS);
  }

  _workThrough(budget) {
    const begun = performance.now();
    let count = 0;
    while (count < this._waiting.length && performance.now() - begun < budget) {
      const next = this._waiting[count];
      count += 1;
      const messages = typeof next === "string" ? parsed(next) : [next];
      if (messages.length === 1) {
        this._take(messages[0]);
      } else {
        // They wait their turn one by one, as if each had come by itself.
        this._waiting.splice(0, count, ...messages);
        count = 0;
      }
    }
    this._waiting.splice(0, count);
  }

  _take(message) {
    try {
      this._handle(message);
    } catch (error) {
      // It is the page's error as any other; the next message is none the worse for it.
      report(error);
    }
  }
}

function parsed(text) {
  try {
    const value = JSON.parse(text);
    return Array.isArray(value) ? value : [value];
  } catch (error) {
    report(error);
    return [];
  }
}
