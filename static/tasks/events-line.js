/**
 * A line to the server by one stream of server-sent events, for all that a page follows: where no WebSocket gets through,
 * and where a token has to be shown. It behaves as a SocketLine does.
 */

import { Arrivals } from "./arrivals.js";
import { openEvents } from "./event-stream.js";
import { send } from "./http.js";

/** Something on the way may hold a stream back; the server says `connected` at once. */
const OPEN_WITHIN_MS = 8000;
const ANSWER_WITHIN_MS = 8000;
/** Tasks that the address names; longer ones don't get through every proxy. */
const NAMED_AT_MOST = 60;

export class EventsLine {
  /** `followed` is what is followed already: `{target, position, types}` of each task and list. */
  constructor(followed, { onOpen, onMessage, onEnd }) {
    this._onEnd = onEnd;
    this._onMessage = onMessage;
    this._onOpen = onOpen;
    this._connectionId = null;
    this._hasEnded = false;
    /** What the address has asked for, and how. */
    this._named = new Map();
    /** What was asked for otherwise than the address has done. */
    this._outdated = new Set();
    /** Lists that the address has asked for, by scope: what comes of them bears no label. */
    this._labels = new Map();
    /** What had no room in the address. */
    this._left = new Set(followed.map(({ target }) => nameOf(target)));
    this._unanswered = new Map();
    this._arrivals = new Arrivals((message) => this._take(message));
    this._tooSlow = setTimeout(() => this._end(null), OPEN_WITHIN_MS);
    this._close = openEvents(`/api/events/${this._query(followed)}`, {
      onMessage: (text) => !this._hasEnded && this._arrivals.add(text),
      onEnd: (refusal) => this._end(refusal),
    });
  }

  get isOpen() {
    return !this._hasEnded && this._connectionId !== null;
  }

  ask(target, position, types) {
    const name = nameOf(target);
    const named = this._named.get(name);
    this._named.delete(name);
    if (named === JSON.stringify([position, types])) return;
    // What is confirmed first is what the address has asked for.
    if (named !== undefined) this._outdated.add(name);
    clearTimeout(this._unanswered.get(name));
    // Whoever hears nothing of it opens another stream, whose address asks again.
    this._unanswered.set(name, setTimeout(() => this._end(null), ANSWER_WITHIN_MS));
    this._post("/api/subscribe-job/", { ...target, ...position, ...types }).catch((error) => {
      this._answered(name);
      if (this._hasEnded) return;
      if (isRefused(error, this._left.has(name))) {
        this._onMessage({ type: "error", code: error.code, message: error.message, ...target });
      } else this._end(null);
    });
  }

  drop(target) {
    this._answered(nameOf(target));
    // What still comes of it is passed over.
    this._post("/api/unsubscribe-job/", target).catch(() => {});
  }

  /** The network was away: nobody could tell whether this stream has outlived it. */
  checkAlive() {
    this._end(null);
  }

  close() {
    this._hasEnded = true;
    clearTimeout(this._tooSlow);
    for (const timer of this._unanswered.values()) clearTimeout(timer);
    this._close();
  }

  _post(path, body) {
    return send(path, { method: "POST", body: { connectionId: this._connectionId, ...body } });
  }

  _query(followed) {
    const query = new URLSearchParams();
    this._nameTasks(query, followed.filter(({ target }) => target.taskId).slice(0, NAMED_AT_MOST));
    this._nameLists(query, followed.filter(({ target }) => target.scope));
    // Colons and commas need no escape, and addresses have their limits.
    return query.size ? `?${query.toString().replaceAll("%3A", ":").replaceAll("%2C", ",")}` : "";
  }

  _nameTasks(query, tasks) {
    for (const { target, position, types } of tasks) {
      query.append("task", position.snapshot ? target.taskId : `${target.taskId}:${position.since}`);
      this._note(target, position, types);
    }
    if (tasks.some(({ position }) => position.snapshot)) query.append("snapshot", "1");
    // Those of the address are meant for all; what a reader doesn't want is passed over.
    if (tasks.length && tasks.every(({ types }) => types.types)) {
      query.append("types", [...new Set(tasks.flatMap(({ types }) => types.types))].join(","));
    }
  }

  /** The filters of an address are meant for all its lists, and each scope may be there once. */
  _nameLists(query, lists) {
    for (const { target, position, types } of lists) {
      const isLike = JSON.stringify(position) === JSON.stringify(lists[0].position);
      if (!isLike || this._labels.has(target.scope)) continue;
      query.append("scope", target.scope);
      this._labels.set(target.scope, target.clientSubId);
      this._note(target, position, types);
    }
    for (const [name, value] of lists.length ? Object.entries(lists[0].position) : []) {
      if (value !== undefined && value !== false) query.append(name, value === true ? "1" : String(value));
    }
  }

  _note(target, position, types) {
    this._left.delete(nameOf(target));
    this._named.set(nameOf(target), JSON.stringify([position, types]));
  }

  _take(told) {
    const label = told.scope && told.clientSubId === undefined ? this._labels.get(told.scope) : undefined;
    const message = label === undefined ? told : { ...told, clientSubId: label };
    if (message.type === "connected") {
      clearTimeout(this._tooSlow);
      this._connectionId = message.connectionId;
      this._onOpen();
    } else if (message.type === "end") {
      this._end(null);
    } else {
      const answers = message.type === "subscribed" || message.type === "error";
      if (answers && this._outdated.delete(nameOf(message))) return;
      if (answers) this._answered(nameOf(message));
      this._onMessage(message);
    }
  }

  _answered(name) {
    clearTimeout(this._unanswered.get(name));
    this._unanswered.delete(name);
  }

  _end(refusal) {
    if (this._hasEnded) return;
    this._arrivals.finish();
    if (this._hasEnded) return;
    const wasOpen = this.isOpen;
    this.close();
    this._onEnd({ wasOpen, refusal });
  }
}

/** Tell whether it is of no use to ask again; an address needs no CSRF token, and has room for what wasn't there before. */
function isRefused({ status, code }, wasLeft) {
  if (code === "csrf_failed") return wasLeft;
  return status >= 400 && status < 500 && status !== 404 && status !== 429;
}

function nameOf({ taskId, scope, clientSubId }) {
  return scope ? `list ${clientSubId}` : `task ${taskId}`;
}
