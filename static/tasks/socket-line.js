/**
 * A line to the server by WebSocket.
 *
 * A line is opened for a connection, tells it what comes (`onMessage`), when it is ready for questions (`onOpen`), and that
 * it has ended (`onEnd`, with whether it was ever open). What is closed here tells nothing any more.
 */

import { Arrivals } from "./arrivals.js";

const PING_EVERY_MS = 20000;
const ANSWER_WITHIN_MS = 10000;
const OPEN_WITHIN_MS = 8000;

export class SocketLine {
  constructor(url, { onOpen, onMessage, onEnd }) {
    this._onEnd = onEnd;
    this._heardAt = 0;
    this._wasOpen = false;
    this._hasEnded = false;
    this._arrivals = new Arrivals((message) => this._take(message, onMessage));
    this._socket = new WebSocket(url);
    this._tooSlow = setTimeout(() => this._end(), OPEN_WITHIN_MS);
    this._socket.addEventListener("open", () => {
      clearTimeout(this._tooSlow);
      this._wasOpen = true;
      this._heardAt = Date.now();
      this._ping = setInterval(() => this.checkAlive(), PING_EVERY_MS);
      onOpen();
    });
    this._socket.addEventListener("message", (event) => {
      this._heardAt = Date.now();
      if (!this._hasEnded) this._arrivals.add(event.data);
    });
    this._socket.addEventListener("close", () => this._end());
  }

  get isOpen() {
    return !this._hasEnded && this._socket.readyState === WebSocket.OPEN;
  }

  ask(target, position, types) {
    // Several updates may come in one message; and the server may ask how far this page has come.
    this._send({ type: "subscribe", ...target, ...position, ...types, batch: true, acks: true });
  }

  drop(target) {
    this._send({ type: "unsubscribe", ...target });
  }

  /** Find out whether the server is still there: a dead network closes nothing by itself, which could take minutes. */
  checkAlive() {
    if (!this.isOpen) return;
    const asked = Date.now();
    this._send({ type: "ping" });
    setTimeout(() => this._heardAt < asked && this._end(), ANSWER_WITHIN_MS);
  }

  close() {
    this._hasEnded = true;
    clearTimeout(this._tooSlow);
    clearInterval(this._ping);
    this._socket.close();
  }

  _send(message) {
    this._socket.send(JSON.stringify(message));
  }

  _take(message, onMessage) {
    if (message.type !== "ping") onMessage(message);
    else if (this.isOpen) this._send({ type: "pong" });
  }

  _end() {
    if (this._hasEnded) return;
    // A new line goes on after the last message that was handled.
    this._arrivals.finish();
    if (this._hasEnded) return;
    this.close();
    this._onEnd({ wasOpen: this._wasOpen });
  }
}
