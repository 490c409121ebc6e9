/**
 * One connection to the server, shared by all that a page or a program follows. It is renewed as often as it breaks, and
 * each goes on after the last number that it had.
 */

import { pauseBefore } from "./backoff.js";
import { EventsLine } from "./events-line.js";
import { addressOf, socketAddress } from "./settings.js";
import { SocketLine } from "./socket-line.js";
import { ListSubscription, Subscription } from "./subscription.js";

/** Lines of one kind in a row that may fail before the other kind is tried. */
const ATTEMPTS = 2;

export class Connection {
  constructor() {
    /** What is followed, by what it is named to the server. */
    this._followed = new Map();
    this._line = null;
    this._usesEvents = false;
    /** Attempts since something was heard: how long to pause. */
    this._attempts = 0;
    /** Lines in a row that were never open: when to try the other kind. */
    this._unopened = 0;
    this._timer = undefined;
    this._lists = 0;
    /** Of what a snapshot was asked for that hasn't come yet. */
    this._awaitsSnapshot = new Set();
    this._listenToPage();
  }

  subscribe(taskId, options, onUpdate) {
    return this._add(new Subscription(this, taskId, options, onUpdate));
  }

  watch(scope, filters, options, onTasks) {
    this._lists += 1;
    return this._add(new ListSubscription(this, `list-${this._lists}`, scope, filters, options, onTasks));
  }

  remove(subscription, { hasEnded = false } = {}) {
    const readers = this._of(subscription.key);
    if (!readers.delete(subscription) || readers.size) return;
    this._followed.delete(subscription.key);
    this._awaitsSnapshot.delete(subscription.key);
    if (this._line?.isOpen && !hasEnded) this._line.drop(subscription.target);
    if (!this._followed.size) this._rest();
  }

  /** Don't wait for the pause to end. */
  hurry() {
    if (this._timer !== undefined) this._open();
  }

  /** Begin anew: by other settings, or under another session. */
  renew() {
    if (!this._followed.size) return;
    this._line?.close();
    this._usesEvents = false;
    this._open();
  }

  _listenToPage() {
    // Node.js has no page, and a worker no document.
    if (typeof globalThis.addEventListener !== "function") return;
    const hurry = () => this.hurry();
    // Whoever comes back to the page, or to the network, shouldn't wait for the pause to end.
    addEventListener("online", () => {
      this._line?.checkAlive();
      this.hurry();
    });
    addEventListener("pageshow", hurry);
    globalThis.document?.addEventListener("visibilitychange", () => document.visibilityState === "visible" && hurry());
  }

  _add(subscription) {
    // Says at once what is missing.
    addressOf("/");
    if (!this._followed.has(subscription.key)) this._followed.set(subscription.key, new Set());
    this._of(subscription.key).add(subscription);
    subscription.setState("connecting");
    subscription.joins = Boolean(this._line?.isOpen && this._of(subscription.key).size > 1);
    if (this._line?.isOpen) this._ask(subscription);
    else if (this._line === null && this._timer === undefined) this._open();
    return subscription;
  }

  _of(key) {
    return this._followed.get(key) ?? new Set();
  }

  *_all() {
    for (const readers of [...this._followed.values()]) yield* [...readers];
  }

  _ask(subscription, line = this._line) {
    if (subscription.needsSnapshot) this._awaitsSnapshot.add(subscription.key);
    line.ask(subscription.target, subscription.position, this._typesOf(subscription.key));
  }

  /** Return the types to ask for: what any reader of the task wants. */
  _typesOf(key) {
    const asked = [...this._of(key)].map((reader) => reader.types);
    return asked.every(Boolean) ? { types: [...new Set(asked.flat())] } : {};
  }

  _open() {
    clearTimeout(this._timer);
    this._timer = undefined;
    const socket = socketAddress();
    let line = null;
    const events = {
      onOpen: () => {
        this._unopened = 0;
        for (const subscription of this._all()) subscription.joins = false;
        for (const readers of [...this._followed.values()]) this._ask(furthestBehind([...readers]), line);
      },
      onMessage: (message) => {
        this._attempts = 0;
        this._handle(message);
      },
      onEnd: (how) => this._line === line && this._lost(how),
    };
    try {
      line = socket && !this._usesEvents ? new SocketLine(socket, events) : new EventsLine(this._asked(), events);
    } catch {
      // A policy of the page may forbid it.
      this._lost({ wasOpen: false });
      return;
    }
    this._line = line;
  }

  /** Return what is followed, each from where the furthest behind of its readers is. */
  _asked() {
    return [...this._followed].map(([key, readers]) => {
      const { target, position } = furthestBehind([...readers]);
      return { target, position, types: this._typesOf(key) };
    });
  }

  _lost({ wasOpen, refusal = null }) {
    this._line = null;
    if (!this._followed.size) return;
    if (refusal !== null) {
      for (const subscription of this._all()) subscription.fail({ code: refusal.code, message: refusal.message });
      return;
    }
    for (const subscription of this._all()) subscription.setState("lost");
    this._unopened = wasOpen ? 0 : this._unopened + 1;
    if (wasOpen && this._usesEvents && socketAddress()) {
      // Whatever kept WebSockets back may be over: one of them shows.
      this._usesEvents = false;
      this._unopened = ATTEMPTS - 1;
    } else if (this._unopened >= ATTEMPTS && socketAddress()) {
      this._unopened = 0;
      // Something between here and the server lets this kind of line not through, or the server is away: see which.
      this._usesEvents = !this._usesEvents;
      if (this._usesEvents) {
        this._open();
        return;
      }
    }
    this._timer = setTimeout(() => this._open(), pauseBefore(this._attempts++));
  }

  _rest() {
    clearTimeout(this._timer);
    this._timer = undefined;
    this._usesEvents = false;
    this._awaitsSnapshot.clear();
    this._line?.close();
    this._line = null;
  }

  _handle(message) {
    const key = message.clientSubId ? `list ${message.clientSubId}` : `task ${message.taskId}`;
    const readers = [...this._of(key)];
    if (message.type === "subscribed") {
      for (const subscription of readers) subscription.begin();
    } else if (message.type === "error") {
      for (const subscription of readers) this._refused(subscription, message);
    } else if (message.type !== "pong" && message.type !== "unsubscribed") {
      this._deliver(key, readers, message);
    }
  }

  _deliver(key, readers, message) {
    // One that the log doesn't reach back to is for everybody.
    const isOthers = message.type === "snapshot" && this._awaitsSnapshot.delete(key) && !message.incomplete;
    const behind = readers.filter((subscription) => !subscription.take(message, { isOthers }));
    if (behind.length && this._line?.isOpen) this._ask(furthestBehind(behind));
  }

  _refused(subscription, error) {
    if (error.code === "not_found" && subscription.wasServed) {
      // The line was opened under a session that is gone, as one is after signing in elsewhere: a new one bears the new.
      subscription.wasServed = false;
      this._line?.close();
      this._open();
      return;
    }
    if (error.code !== "interrupted") {
      subscription.fail({ code: error.code, message: error.message });
      return;
    }
    subscription.setState("lost");
    clearTimeout(subscription.retry);
    const again = () => this._line?.isOpen && this._ask(subscription);
    subscription.retry = setTimeout(again, pauseBefore(subscription.attempts++));
  }
}

/** One that needs a snapshot is behind all others: what comes then brings them on as well. */
function furthestBehind(readers) {
  return readers.reduce((one, other) => {
    if (one.needsSnapshot || other.needsSnapshot) return one.needsSnapshot ? one : other;
    return (one.seq ?? 0) <= (other.seq ?? 0) ? one : other;
  });
}
