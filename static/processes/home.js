/**
 * Keep the home page's running work up to date: its percentages move, and what ends says so and shows its result.
 *
 * The page is whole without this script. Only what changes is touched, so that no list moves under a reader's eyes.
 */

import { subscribe } from "../tasks/client.js";
import { Tree, percent } from "../tasks/tree.js";
import { Words } from "../tasks/words.js";

const ENDED = new Set(["completed", "failed", "dead_letter", "cancelled", "compensated"]);

/** Return the path of this site that a finished task leads to, or null: other sites are never followed. */
export function resultOf(root, origin = location.origin) {
  const target = root?.meta?.redirect;
  if (typeof target !== "string" || !target.startsWith("/") || !URL.canParse(target, origin)) return null;
  const url = new URL(target, origin);
  return url.origin === origin ? url.pathname + url.search + url.hash : null;
}

/** Follow one task and keep its row up to date. */
export class WorkRow {
  constructor(element, { words, announce }) {
    this._element = element;
    this._words = words;
    this._announce = announce;
    this._tree = new Tree();
    this._frame = 0;
    this._parts = Object.fromEntries(
      ["status", "message", "bar", "figure", "result"].map((name) => [name, element.querySelector(`[data-part="${name}"]`)]),
    );
  }

  follow() {
    subscribe(this._element.dataset.taskId, { snapshot: true }, (update) => this._take(update));
  }

  _take(update) {
    this._tree.apply(update);
    // A page in the background gets no frames, and must still show at once what is so when it is looked at.
    if (document.hidden) this._draw();
    else this._frame ||= requestAnimationFrame(() => this._draw());
  }

  _draw() {
    cancelAnimationFrame(this._frame);
    this._frame = 0;
    this._tree.takeChanges();
    const { root, status } = this._tree;
    const hasEnded = ENDED.has(status);
    const share = percent(root);
    const parts = this._parts;
    this._drawStatus(status);
    parts.message.textContent = (hasEnded ? root.error : root.message) ?? "";
    parts.message.hidden = parts.message.textContent === "";
    parts.bar.hidden = hasEnded;
    if (share === null) parts.bar.removeAttribute("value");
    else parts.bar.value = Math.trunc(share);
    parts.figure.textContent = share === null || hasEnded ? "" : this._words.say("percent", { share: Math.trunc(share) });
    const target = status === "completed" ? resultOf(root) : null;
    if (target !== null) {
      parts.result.href = target;
      parts.result.hidden = false;
    }
  }

  _drawStatus(status) {
    if (this._element.dataset.status === status) return;
    this._element.dataset.status = status;
    const word = this._words.has(status) ? this._words.say(status) : status;
    this._parts.status.textContent = word;
    this._parts.status.className = `status status-${status}`;
    if (ENDED.has(status)) this._announce(`${this._tree.root.title}: ${word}`);
  }
}

const live = document.querySelector("[data-live]");
if (live) {
  const region = live.querySelector('[data-part="live"]');
  const words = new Words(live.querySelector("template.words"), document.documentElement.lang);
  const announce = (text) => region.append(Object.assign(document.createElement("p"), { textContent: text }));
  for (const element of live.querySelectorAll("[data-task-id]")) new WorkRow(element, { words, announce }).follow();
}
