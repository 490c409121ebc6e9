/**
 * Follow tasks live: one WebSocket for the whole page, server-sent events where WebSockets don't get through.
 *
 *     const subscription = subscribe(taskId, { snapshot: true }, (update) => tree.apply(update));
 *     subscription.close();
 *
 * Every update arrives once and in order, however often the connection breaks: a new one goes on after the last number.
 * Where the server can't go on from there it sends a snapshot, which replaces all that was known. With `types`, only those
 * updates arrive, besides snapshots and the last one; the numbers then have gaps.
 */

import { isTerminal } from "./tree.js";

const FIRST_PAUSE_MS = 300;
const LONGEST_PAUSE_MS = 15000;
const PING_EVERY_MS = 20000;
const ANSWER_WITHIN_MS = 10000;
const OPEN_WITHIN_MS = 8000;
/** WebSocket attempts in a row that may fail before server-sent events are tried. */
const SOCKET_ATTEMPTS = 2;
/** Attempts in a row of server-sent events that may fail before a WebSocket is tried again. */
const EVENT_ATTEMPTS = 2;
/** How long those of a burst are gathered, and how long they may be handled before the page gets its turn. */
const GATHER_MS = 10;
const HANDLE_MS = 8;

/** Return how long to wait before attempt number `attempt` (from 0): exponential, capped, and drawn from its upper half. */
export function pauseBefore(attempt, draw = Math.random()) {
  const longest = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(attempt, 20));
  return longest * (0.5 + draw / 2);
}

class Subscription {
  constructor(connection, taskId, options, onUpdate) {
    this.taskId = taskId;
    this.seq = options.since ?? 0;
    this.needsSnapshot = Boolean(options.snapshot);
    this.types = options.types ?? null;
    this.attempts = 0;
    this.retry = undefined;
    this.source = null;
    /** Whether something has come since it was last refused: then another look is worth it. */
    this.wasServed = false;
    this._connection = connection;
    this._onUpdate = onUpdate;
    this._onState = options.onState ?? (() => {});
    this._onError = options.onError ?? (() => {});
    this._state = "";
  }

  close() {
    clearTimeout(this.retry);
    this._connection.remove(this);
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
    this.close();
    this.setState("closed");
    this._onError(error);
  }

  /** Another subscription of this page may have asked for more; a position only tells how far the log is. */
  _wants(message, ended) {
    if (message.type === "position") return false;
    return !this.types || ended || message.type === "snapshot" || this.types.includes(message.type);
  }

  /** Deliver a message once; returns whether it could follow what came before. */
  take(message) {
    if (message.type === "snapshot") {
      // Another subscription of this page to the same task may have asked for it.
      if (!this.needsSnapshot && message.seq <= this.seq) return true;
      this.needsSnapshot = false;
    } else if (this.needsSnapshot || message.seq <= this.seq) {
      return true;
    } else if (message.seq !== this.seq + 1 && !this.types) {
      return false;
    }
    this.seq = message.seq;
    this.attempts = 0;
    this.wasServed = true;
    this.setState("live");
    const ended = isTerminal(message) || (message.type === "snapshot" && hasEnded(message.task));
    if (ended) this.close();
    if (this._wants(message, ended)) this._onUpdate(message);
    if (ended) this.setState("ended");
    return true;
  }
}

/**
 * The messages of a socket: one is handled as it comes, and those of a burst many in a row, since each by itself takes
 * several times as long. After a few milliseconds the page gets its turn, however many have come.
 */
class Arrivals {
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
    this._workThrough(document.hidden ? Infinity : HANDLE_MS);
    this._workedAt = performance.now();
    if (this._waiting.length) this._timer = setTimeout(() => this._work(), GATHER_MS);
  }

  _workThrough(budget) {
    const begun = performance.now();
    let count = 0;
    while (count < this._waiting.length && performance.now() - begun < budget) {
      const next = this._waiting[count];
      count += 1;
      const messages = typeof next === "string" ? this._parsed(next) : [next];
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

  _parsed(text) {
    try {
      const value = JSON.parse(text);
      return Array.isArray(value) ? value : [value];
    } catch (error) {
      reportError(error);
      return [];
    }
  }

  _take(message) {
    try {
      this._handle(message);
    } catch (error) {
      // It is the page's error as any other; the next message is none the worse for it.
      reportError(error);
    }
  }
}

/** One connection to the server, shared by the subscriptions of a page. */
export class Connection {
  constructor({ socketUrl, tasksUrl } = {}) {
    this._socketUrl = socketUrl ?? `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws/`;
    this._tasksUrl = tasksUrl ?? "/api/tasks/";
    this._subscriptions = new Set();
    this._socket = null;
    this._usesEvents = false;
    /** Attempts since something was heard: how long to pause. */
    this._attempts = 0;
    /** WebSockets in a row that were never open: when to try server-sent events. */
    this._unopened = 0;
    this._heardAt = 0;
    this._timer = undefined;
    this._ping = undefined;
    // Whoever comes back to the page, or to the network, shouldn't wait for the pause to end.
    const hurry = () => this.hurry();
    addEventListener("online", hurry);
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && hurry());
    addEventListener("pageshow", hurry);
  }

  subscribe(taskId, options, onUpdate) {
    const subscription = new Subscription(this, taskId, options, onUpdate);
    this._subscriptions.add(subscription);
    subscription.setState("connecting");
    if (this._usesEvents) this._openEvents(subscription);
    else if (this._isOpen()) this._ask(subscription);
    else if (this._socket === null && this._timer === undefined) this._openSocket();
    return subscription;
  }

  remove(subscription) {
    if (!this._subscriptions.delete(subscription)) return;
    subscription.source?.close();
    subscription.source = null;
    if (this._isOpen() && !this._of(subscription.taskId).length) {
      this._send({ type: "unsubscribe", taskId: subscription.taskId });
    }
    if (!this._subscriptions.size) this._rest();
  }

  _isOpen() {
    return this._socket?.readyState === WebSocket.OPEN;
  }

  _of(taskId) {
    return [...this._subscriptions].filter((subscription) => subscription.taskId === taskId);
  }

  _send(message) {
    this._socket.send(JSON.stringify(message));
  }

  _ask(subscription) {
    const position = subscription.needsSnapshot ? { snapshot: true } : { since: subscription.seq };
    const types = this._typesFor(subscription.taskId);
    // Several updates may come in one message; and the server may ask how far this page has come.
    this._send({ type: "subscribe", taskId: subscription.taskId, ...position, ...types, batch: true, acks: true });
  }

  /** Return the types to ask for: what any subscription of this page to the task wants. */
  _typesFor(taskId) {
    const asked = this._of(taskId).map((subscription) => subscription.types);
    return asked.every(Boolean) ? { types: [...new Set(asked.flat())] } : {};
  }

  _openSocket() {
    clearTimeout(this._timer);
    this._timer = undefined;
    let socket;
    try {
      socket = new WebSocket(this._socketUrl);
    } catch {
      this._lost(false);
      return;
    }
    this._socket = socket;
    let wasOpen = false;
    const arrivals = new Arrivals((message) => this._handle(message));
    const tooSlow = setTimeout(() => socket.close(), OPEN_WITHIN_MS);
    socket.addEventListener("open", () => {
      wasOpen = true;
      clearTimeout(tooSlow);
      this._unopened = 0;
      this._heardAt = Date.now();
      this._ping = setInterval(() => this._checkAlive(), PING_EVERY_MS);
      for (const subscription of this._subscriptions) this._ask(subscription);
    });
    socket.addEventListener("message", (event) => {
      this._heardAt = Date.now();
      this._attempts = 0;
      arrivals.add(event.data);
    });
    socket.addEventListener("close", () => {
      clearTimeout(tooSlow);
      // A new socket goes on after the last one that was handled.
      arrivals.finish();
      if (this._socket !== socket) return;
      this._socket = null;
      clearInterval(this._ping);
      this._lost(wasOpen);
    });
  }

  _renew() {
    const socket = this._socket;
    this._socket = null;
    clearInterval(this._ping);
    socket?.close();
    this._openSocket();
  }

  _lost(wasOpen) {
    if (!this._subscriptions.size) return;
    for (const subscription of this._subscriptions) subscription.setState("lost");
    this._unopened = wasOpen ? 0 : this._unopened + 1;
    if (this._unopened >= SOCKET_ATTEMPTS) {
      this._unopened = 0;
      // Something between here and the server lets no WebSocket through, or the server is away: see which.
      this._usesEvents = true;
      for (const subscription of this._subscriptions) this._openEvents(subscription);
      return;
    }
    this._timer = setTimeout(() => this._openSocket(), pauseBefore(this._attempts++));
  }

  _checkAlive() {
    const asked = Date.now();
    if (!this._isOpen()) return;
    this._send({ type: "ping" });
    const socket = this._socket;
    setTimeout(() => {
      if (this._socket !== socket || this._heardAt >= asked) return;
      // A dead network closes nothing by itself, and waiting for its close could take minutes.
      this._socket = null;
      clearInterval(this._ping);
      socket.close();
      this._lost(true);
    }, ANSWER_WITHIN_MS);
  }

  hurry() {
    if (!this._subscriptions.size) return;
    const waits = (subscription) => subscription.source !== null && subscription.source.readyState !== EventSource.OPEN;
    if (this._timer !== undefined) {
      this._openSocket();
    } else if (this._usesEvents && [...this._subscriptions].every(waits)) {
      this._leaveEvents();
      this._openSocket();
    }
  }

  _leaveEvents() {
    this._usesEvents = false;
    for (const subscription of this._subscriptions) {
      subscription.source?.close();
      subscription.source = null;
    }
  }

  _rest() {
    clearTimeout(this._timer);
    clearInterval(this._ping);
    this._timer = undefined;
    this._usesEvents = false;
    const socket = this._socket;
    this._socket = null;
    socket?.close();
  }

  _handle(message) {
    const subscriptions = message.taskId ? this._of(message.taskId) : [];
    if (message.type === "subscribed") {
      for (const subscription of subscriptions) subscription.setState("live");
    } else if (message.type === "error") {
      for (const subscription of subscriptions) this._refused(subscription, message);
    } else if (message.type === "ping") {
      if (this._isOpen()) this._send({ type: "pong" });
    } else if (message.type !== "pong") {
      for (const subscription of subscriptions) if (!subscription.take(message)) this._ask(subscription);
    }
  }

  _refused(subscription, error) {
    if (error.code === "not_found" && subscription.wasServed) {
      // The socket was opened under a session that is gone, as one is after signing in elsewhere: a new one bears the new.
      subscription.wasServed = false;
      this._renew();
      return;
    }
    if (error.code !== "interrupted") {
      subscription.fail({ code: error.code, message: error.message });
      return;
    }
    subscription.setState("lost");
    clearTimeout(subscription.retry);
    subscription.retry = setTimeout(() => this._isOpen() && this._ask(subscription), pauseBefore(subscription.attempts++));
  }

  _openEvents(subscription) {
    const types = subscription.types ? `&types=${subscription.types.join(",")}` : "";
    const position = (subscription.needsSnapshot ? "snapshot=1" : `since=${subscription.seq}`) + types;
    const url = `${this._tasksUrl}${subscription.taskId}/`;
    const source = new EventSource(`${url}updates/?${position}`);
    subscription.source = source;
    let failed = 0;
    const giveUp = () => {
      source.close();
      if (subscription.source !== source) return;
      subscription.source = null;
      subscription.setState("lost");
      void this._askWhy(subscription, url);
    };
    // A snapshot is there at once. Where it doesn't come, something on the way holds the stream back.
    const tooSlow = subscription.needsSnapshot ? setTimeout(giveUp, OPEN_WITHIN_MS) : undefined;
    source.addEventListener("open", () => {
      if (subscription.needsSnapshot) return;
      this._attempts = 0;
      failed = 0;
      subscription.setState("live");
    });
    source.addEventListener("message", (event) => {
      clearTimeout(tooSlow);
      this._attempts = 0;
      failed = 0;
      if (subscription.take(JSON.parse(event.data))) return;
      source.close();
      this._openEvents(subscription);
    });
    source.addEventListener("error", () => {
      if (subscription.source !== source) return;
      subscription.setState("lost");
      failed += 1;
      // While it is connecting the browser tries again by itself, and goes on after the last number.
      if (source.readyState === EventSource.CLOSED || failed >= EVENT_ATTEMPTS) {
        clearTimeout(tooSlow);
        giveUp();
      }
    });
  }

  async _askWhy(subscription, url) {
    let answer = null;
    try {
      answer = await fetch(url, { headers: { Accept: "application/json" } });
    } catch {
      // The server can't be reached.
    }
    if (!this._subscriptions.has(subscription)) return;
    if (answer?.status === 404) {
      subscription.fail(await answer.json());
      return;
    }
    // Begin anew, with a WebSocket first, for all: the server is the same for all of them.
    if (!this._usesEvents) return;
    this._leaveEvents();
    clearTimeout(this._timer);
    this._timer = setTimeout(() => this._openSocket(), pauseBefore(this._attempts++));
  }
}

let shared = null;

/** Follow a task over the page's shared connection. */
export function subscribe(taskId, options, onUpdate) {
  shared ??= new Connection();
  return shared.subscribe(taskId, options, onUpdate);
}

function hasEnded(task) {
  return ["completed", "failed", "cancelled"].includes(task.status);
}
