/**
 * What one reader follows over a connection: a task, whose updates it gets once and in order, or a list of tasks.
 */

import { isTerminal } from "./tree.js";

const ENDED = new Set(["completed", "failed", "cancelled"]);

class Followed {
  constructor(connection, options) {
    /** Refusals in a row that may pass. */
    this.attempts = 0;
    this.retry = undefined;
    /** Whether something has come since it was last refused: then another look is worth it. */
    this.wasServed = false;
    /** Whether the server follows it no more by itself. */
    this._hasEnded = false;
    /** Whether what comes was still sent to others, who are further on: the server hasn't begun anew for this one yet. */
    this.joins = false;
    this._connection = connection;
    this._onState = options.onState ?? (() => {});
    this._onError = options.onError ?? (() => {});
    this._state = "";
  }

  close() {
    clearTimeout(this.retry);
    this._connection.remove(this, { hasEnded: this._hasEnded });
  }

  /** Try again at once where the connection is lost: the server has just been seen. */
  hurry() {
    this._connection.hurry();
  }

  setState(state) {
    if (state === this._state) return;
    this._state = state;
    this._onState(state);
  }

  fail(error) {
    this._hasEnded = true;
    this.close();
    this.setState("closed");
    this._onError(error);
  }

  _isServed() {
    this.attempts = 0;
    this.wasServed = true;
    this.setState("live");
  }
}

/** One reader of one task. */
export class Subscription extends Followed {
  constructor(connection, taskId, options, onUpdate) {
    super(connection, options);
    this.taskId = taskId;
    this.seq = options.since ?? 0;
    this.needsSnapshot = Boolean(options.snapshot);
    this.types = options.types ?? null;
    this._onUpdate = onUpdate;
  }

  get key() {
    return `task ${this.taskId}`;
  }

  /** Return what names it to the server. */
  get target() {
    return { taskId: this.taskId };
  }

  /** Return from where it wants to go on. */
  get position() {
    return this.needsSnapshot ? { snapshot: true } : { since: this.seq };
  }

  /** Another subscription of this page may have asked for more; a position only tells how far the log is. */
  _wants(message, ended) {
    if (message.type === "position") return false;
    return !this.types || ended || message.type === "snapshot" || this.types.includes(message.type);
  }

  /**
   * Deliver a message once; returns whether it could follow what came before. A snapshot that only another reader has
   * asked for (`isOthers`) would leave out what lies between.
   */
  take(message, { isOthers = false } = {}) {
    // Of some types only, gaps couldn't be told from what is missing.
    if (this.joins && this.types) return true;
    if (message.type === "snapshot") {
      // The log doesn't reach to where this reader is: it was brought back from a backup, and its numbers come again.
      const isBehind = message.incomplete === true && message.seq < this.seq;
      if (!this.needsSnapshot && !isBehind && (message.seq <= this.seq || isOthers)) return message.seq <= this.seq;
      this.needsSnapshot = false;
    } else if (this.needsSnapshot || message.seq <= this.seq) {
      return true;
    } else if (message.seq !== this.seq + 1 && !this.types) {
      return false;
    }
    this.seq = message.seq;
    this._isServed();
    const ended = isTerminal(message) || (message.type === "snapshot" && ENDED.has(message.task.status));
    if (ended) {
      this._hasEnded = true;
      this.close();
    }
    if (this._wants(message, ended)) this._onUpdate(message);
    if (ended) this.setState("ended");
    return true;
  }
}

/** One reader of one list: its tasks, newest first, and what has just become of them. */
export class ListSubscription extends Followed {
  constructor(connection, label, scope, filters, options, onTasks) {
    super(connection, options);
    this.scope = scope;
    this.tasks = [];
    this._label = label;
    this._filters = filters;
    this._onTasks = onTasks;
  }

  get key() {
    return `list ${this._label}`;
  }

  get target() {
    return { scope: this.scope, clientSubId: this._label };
  }

  /** A list begins anew whenever it is followed. */
  get position() {
    return this._filters;
  }

  take(message) {
    this._isServed();
    const byId = new Map(message.snapshot ? [] : this.tasks.map((task) => [task.taskId, task]));
    const changed = message.tasks.filter((task) => !(byId.get(task.taskId)?.seq > task.seq));
    for (const task of changed) byId.set(task.taskId, task);
    const gone = message.gone ?? [];
    for (const id of gone) byId.delete(id);
    this.tasks = [...byId.values()].sort(newestFirst);
    this._onTasks(this.tasks, { changed, gone, snapshot: message.snapshot === true });
    return true;
  }
}

function newestFirst(one, other) {
  const [first, second] = [one.createdAt, other.createdAt];
  if (first !== second) return first < second ? 1 : -1;
  return one.taskId < other.taskId ? 1 : -1;
}
