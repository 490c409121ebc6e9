/**
 * One connection to the server, shared by all that a page or a program follows. It is renewed as often as it breaks, and
 * each goes on after the last number that it had.
 */

import { pauseBefore } from "./backoff.js";
import { EventsLine } from "./events-line.js";
import { addressOf, socketAddress } from "./configuration.js";
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
    /** By what it is named to the server: the readers for whom it is to be asked for, and the question under way. */
    this._wanting = new Map();
    this._asking = new Map();
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
    this._wanting.delete(subscription.key);
    this._asking.delete(subscription.key);
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

  /** Ask for a reader: one question at a time, since each ends what the one before has begun. */
  _ask(subscription) {
    const { key } = subscription;
    if (!this._wanting.has(key)) this._wanting.set(key, new Set());
    this._wanting.get(key).add(subscription);
    if (!this._asking.has(key)) this._askNext(key);
  }

  _askNext(key) {
    this._asking.delete(key);
    const readers = this._of(key);
    const wanting = [...(this._wanting.get(key) ?? [])].filter((reader) => readers.has(reader));
    this._wanting.delete(key);
    if (!wanting.length || !this._line?.isOpen) return;
    const asked = furthestBehind(wanting);
    // A snapshot serves those who begin with one; what the others want is asked for when it is here.
    const isSnapshot = Boolean(asked.needsSnapshot);
    const later = isSnapshot ? wanting.filter((reader) => !reader.needsSnapshot) : [];
    if (later.length) this._wanting.set(key, new Set(later));
    this._asking.set(key, { isSnapshot, served: wanting.filter((reader) => !later.includes(reader)) });
    this._line.ask(asked.target, asked.position, this._typesOf(key));
  }

  /** What comes from now on is the answer; of a snapshot, only the snapshot itself says so. */
  _confirm(key) {
    const asking = this._asking.get(key);
    if (asking === undefined || asking.isSnapshot) return;
    for (const reader of asking.served) reader.joins = false;
    this._askNext(key);
  }

  _forgetQuestions() {
    this._wanting.clear();
    this._asking.clear();
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
        this._askForAll();
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

  /** Nothing is left of what was asked for over another line. */
  _askForAll() {
    this._forgetQuestions();
    for (const [key, readers] of [...this._followed]) {
      for (const reader of readers) reader.joins = false;
      this._wanting.set(key, new Set(readers));
      this._askNext(key);
    }
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
    this._forgetQuestions();
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
    this._forgetQuestions();
    this._line?.close();
    this._line = null;
  }

  _handle(message) {
    const key = message.clientSubId ? `list ${message.clientSubId}` : `task ${message.taskId}`;
    const readers = [...this._of(key)];
    if (message.type === "subscribed") {
      for (const subscription of readers) subscription.setState("live");
      this._confirm(key);
    } else if (message.type === "error") {
      this._asking.delete(key);
      for (const subscription of readers) this._refused(subscription, message);
    } else if (message.type !== "pong" && message.type !== "unsubscribed") {
      this._deliver(key, readers, message);
    }
  }

  _deliver(key, readers, message) {
    const asking = this._asking.get(key);
    const isAnswer = message.type === "snapshot" && asking?.isSnapshot === true;
    // One that the log doesn't reach back to is for everybody.
    const isOthers = isAnswer && !message.incomplete;
    const behind = readers.filter((subscription) => !subscription.take(message, { isOthers }));
    if (isAnswer) this._asking.delete(key);
    for (const subscription of behind) if (isAnswer || !asking?.served.includes(subscription)) this._ask(subscription);
    if (isAnswer && !this._asking.has(key)) this._askNext(key);
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
