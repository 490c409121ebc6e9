/**
 * The text that the nodes of a task tell, from the beginning of its log, up to a bound.
 */

import { subscribe } from "./client.js";

/** Characters that are kept: the last ones. */
const KEPT = 262144;

export class TaskOutput {
  constructor(taskId) {
    this._taskId = taskId;
    this._seq = 0;
    this._text = "";
    this._wasCleared = false;
    this._hasEnded = false;
    this._readers = new Set();
    this._subscription = null;
    this.subscribe = this.subscribe.bind(this);
    this.value = this.value.bind(this);
    this.clear = this.clear.bind(this);
  }

  value() {
    return this._text;
  }

  /** Forget what has come so far; what follows is shown. */
  clear() {
    this._wasCleared = true;
    this._set("");
  }

  /** Have `reader` called after each change, and follow the task meanwhile; returns what ends that. */
  subscribe(reader) {
    const own = { reader };
    this._readers.add(own);
    // Of work that is yet to be created the id is empty.
    if (this._subscription === null && !this._hasEnded && this._taskId) this._follow();
    return () => {
      this._readers.delete(own);
      if (this._readers.size) return;
      this._subscription?.close();
      this._subscription = null;
    };
  }

  _follow() {
    const onState = (state) => {
      if (state === "ended") this._hasEnded = true;
    };
    const options = { since: this._seq, types: ["nodeOutput"], onState };
    this._subscription = subscribe(this._taskId, options, (update) => this._take(update));
  }

  _take(update) {
    this._seq = update.seq;
    if (update.type === "nodeOutput") this._set(this._text + update.text);
    // It stands for what isn't kept, or was left out.
    else if (update.type === "snapshot" && !this._wasCleared) this._set(outputs(update.task));
  }

  _set(text) {
    this._text = text.length > KEPT ? text.slice(-KEPT) : text;
    for (const { reader } of [...this._readers]) reader();
  }
}

function outputs(node) {
  return (node.output ?? "") + (node.children ?? []).map(outputs).join("");
}
