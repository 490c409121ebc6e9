/**
 * One task on any page, live: its title, status, bar, message and, for its owner, a button that cancels it.
 *
 *     <link rel="stylesheet" href="…/task-progress.css">
 *     <script type="module" src="…/task-progress.js"></script>
 *     <task-progress task-id="0193…"></task-progress>
 *
 * It draws itself into the page, so that the page's styles reach it, and styles nothing inline: a strict
 * Content-Security-Policy lets it be. `task-ended` is dispatched at the end, with `{taskId, status, output}`.
 */

import { cancel } from "./calls.js";
import { subscribe } from "./client.js";
import { wordsFor } from "./task-progress-words.js";
import { TaskView } from "./task-view.js";

const ENDED = new Set(["completed", "failed", "dead_letter", "cancelled", "compensated"]);

function make(name, part, properties = {}) {
  const element = Object.assign(document.createElement(name), properties);
  element.dataset.part = part;
  return element;
}

export class TaskProgress extends HTMLElement {
  static observedAttributes = ["task-id", "no-cancel"];

  connectedCallback() {
    this._language = this.closest("[lang]")?.lang ?? "";
    this._words = wordsFor(this._language, this.querySelector("template"));
    this._percent = new Intl.NumberFormat(this._language || undefined, { style: "percent", maximumFractionDigits: 0 });
    this.classList.add("task-progress");
    if (!this._parts) this._build();
    this._begin();
  }

  disconnectedCallback() {
    this._end();
  }

  attributeChangedCallback(name, before, after) {
    if (!this.isConnected || !this._parts || before === after) return;
    if (name === "task-id") this._begin();
    else this._draw();
  }

  get taskId() {
    return this.getAttribute("task-id") ?? "";
  }

  set taskId(id) {
    this.setAttribute("task-id", id);
  }

  /** What is known of the task, as `useTask` of the React hooks has it. */
  get state() {
    return this._view?.state() ?? null;
  }

  _build() {
    const parts = {
      title: make("span", "title"),
      status: make("span", "status"),
      bar: make("progress", "bar", { max: 100 }),
      message: make("span", "message"),
      figure: make("span", "figure"),
      error: make("p", "error"),
      connection: make("p", "connection"),
      cancel: make("button", "cancel", { type: "button", textContent: this._words.cancel }),
      told: make("p", "told"),
    };
    parts.error.setAttribute("role", "alert");
    // Only what matters is said aloud; the bar tells its value to whoever asks it.
    parts.told.setAttribute("role", "status");
    const head = make("p", "head");
    head.append(parts.title, " ", parts.status);
    const below = make("p", "below");
    below.append(parts.message, " ", parts.figure);
    parts.cancel.addEventListener("click", () => void this._cancel());
    this.append(head, parts.bar, below, parts.error, parts.connection, parts.cancel, parts.told);
    this._parts = parts;
  }

  _begin() {
    this._end();
    this._drawn = "";
    this._isLost = false;
    this._view = this.taskId ? new TaskView(this.taskId) : null;
    if (this._view) this._close = this._view.follow((id, options, take) => this._subscribe(id, options, take), () => this._plan());
    this._draw();
  }

  _subscribe(id, options, take) {
    const onState = (state) => {
      const isLost = state === "lost";
      if (isLost !== this._isLost) {
        this._isLost = isLost;
        this._plan();
      }
    };
    return subscribe(id, { ...options, onState }, take);
  }

  _end() {
    this._close?.();
    this._close = null;
    cancelAnimationFrame(this._frame);
    this._frame = 0;
  }

  _plan() {
    // A page in the background gets no frames, and must still show at once what is so when it is looked at.
    if (document.hidden) this._draw();
    else this._frame ||= requestAnimationFrame(() => this._draw());
  }

  _draw() {
    cancelAnimationFrame(this._frame);
    this._frame = 0;
    const state = this._view?.state();
    this.hidden = !state;
    if (!state) return;
    const { status, title, progress, message, error, isOwner } = state;
    const hasEnded = ENDED.has(status);
    const parts = this._parts;
    const word = this._words[status] ?? status;
    this.dataset.status = status;
    show(parts.title, title);
    show(parts.status, state.loading ? "" : word);
    show(parts.message, hasEnded ? "" : message);
    show(parts.figure, progress === null || hasEnded ? "" : this._percent.format(progress / 100));
    show(parts.error, status === "not_found" ? "" : error);
    show(parts.connection, this._isLost && !hasEnded ? this._words.lost : "");
    parts.bar.hidden = hasEnded || status === "not_found";
    parts.bar.setAttribute("aria-label", title || word);
    if (progress === null) parts.bar.removeAttribute("value");
    else parts.bar.value = progress;
    parts.cancel.hidden = !isOwner || hasEnded || status === "cancel_requested" || this.hasAttribute("no-cancel");
    if (!state.loading && status !== this._drawn) this._tell(state, word, hasEnded);
  }

  _tell(state, word, hasEnded) {
    const isFirst = this._drawn === "";
    this._drawn = state.status;
    // Whoever opens the page reads it anyway.
    if (!isFirst) this._parts.told.textContent = `${state.title}: ${word}`;
    if (!hasEnded) return;
    const detail = { taskId: state.taskId, status: state.status, output: state.output };
    this.dispatchEvent(new CustomEvent("task-ended", { bubbles: true, detail }));
  }

  async _cancel() {
    const { cancel: button, error } = this._parts;
    button.disabled = true;
    try {
      await cancel(this.taskId);
      show(error, "");
    } catch (problem) {
      // One that has ended meanwhile says so by itself.
      if (problem.status !== 409) show(error, `${this._words["cancel-failed"]} ${problem.message}`);
    } finally {
      button.disabled = false;
    }
  }
}

function show(element, text) {
  const shown = text ?? "";
  if (element.textContent !== shown) element.textContent = shown;
  element.hidden = shown === "";
}

if (!customElements.get("task-progress")) customElements.define("task-progress", TaskProgress);
