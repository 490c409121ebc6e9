/**
 * Bring the server-rendered progress page to life: the tree, its bars and texts follow the task's updates.
 *
 * The page is whole without this script. What is drawn here looks like what the server draws (templates/processes/_node.html),
 * keyed by node id, so that the first snapshot changes only what has changed since.
 */

import { subscribe } from "./client.js";
import { Tree, percent } from "./tree.js";

/** Silence after which the page says that there is no news. */
const QUIET_MS = 20000;
const NOT_YOURS = "This task isn't there for you any more. If you have signed out, sign in again and reload the page.";
/** After how many minutes of silence that is said anew. */
const SILENCE_MINUTES = [1, 2, 5, 10, 20, 30, 60];
const REDIRECT_AFTER_MS = 700;
/** Steps of the percentage that are read out to those who don't see the bars. */
const SPOKEN_STEP = 25;

const WORDS = {
  pending: "Waiting for a worker",
  claimed: "Starting",
  created: "Not started",
  running: "Running",
  waiting: "Waiting",
  retry: "Will be tried again",
  completed: "Completed",
  failed: "Failed",
  dead_letter: "Failed",
  cancel_requested: "Cancelling",
  cancelled: "Cancelled",
  skipped: "Skipped",
  compensating: "Being undone",
  compensated: "Undone",
};
const ENDED = new Set(["completed", "failed", "dead_letter", "cancelled", "compensated", "skipped"]);
const number = new Intl.NumberFormat(document.documentElement.lang || undefined, { maximumFractionDigits: 1 });

/** Return the path of this site that a finished task leads to, or null: other sites are never followed. */
export function redirectOf(root, origin = location.origin) {
  const target = root?.meta?.redirect;
  if (typeof target !== "string" || !target.startsWith("/")) return null;
  let url;
  try {
    url = new URL(target, origin);
  } catch {
    return null;
  }
  return url.origin === origin ? url.pathname + url.search + url.hash : null;
}

/** Return a percentage in whole numbers, rounded down so that 100 means done; null where nothing is known. */
export function wholePercent(node) {
  const share = percent(node);
  return share === null ? null : Math.trunc(share);
}

/** Return how far a node is in its own units. */
export function countText(node) {
  if (node.total !== undefined && node.total !== null) return `${number.format(node.current ?? 0)} of ${number.format(node.total)}`;
  return node.current !== undefined && node.current !== null ? number.format(node.current) : "";
}

class NodeView {
  constructor(element) {
    this.element = element;
    const part = (name) => element.querySelector(`:scope > .node-body > .node-${name}, :scope > .node-body > .node-line > .node-${name}`);
    this.title = part("title");
    this.status = part("status");
    this.figure = part("figure");
    this.bar = part("bar");
    this.count = part("count");
    this.message = part("message");
    this.error = part("error");
    this.output = part("output");
    this.children = element.querySelector(":scope > .node-body > .node-children");
  }

  draw(node) {
    const { element } = this;
    if (element.dataset.status !== node.status) element.dataset.status = node.status;
    setText(this.title, node.title);
    setText(this.status, WORDS[node.status] ?? node.status);
    const share = wholePercent(node);
    const isOpen = !ENDED.has(node.status);
    setText(this.figure, share !== null && isOpen ? `${share} %` : "");
    drawBar(this.bar, share, isOpen && node.status !== "created");
    setText(this.count, countText(node));
    setText(this.message, node.message ?? "");
    setText(this.error, node.error ?? "");
    drawOutput(this.output, node.output ?? "");
  }
}

/** Follow one task and keep the page up to date. */
export class ProgressPage {
  constructor(page) {
    this._page = page;
    this._tree = new Tree();
    this._views = new Map();
    this._frame = 0;
    this._spoken = "";
    this._spokenShare = 0;
    this._heardAt = Date.now();
    this._state = "connecting";
    this._template = page.querySelector("template.node-template").content.firstElementChild;
    this._list = page.querySelector(".tree");
    this._parts = Object.fromEntries(
      ["status", "figure", "bar", "count", "message", "error", "output", "live", "connection", "result", "again"].map((name) => [
        name,
        page.querySelector(`[data-part="${name}"]`),
      ]),
    );
    this._cancelForm = page.querySelector("form[data-cancel-url]");
    for (const element of page.querySelectorAll("[data-node-id]")) {
      this._views.set(element.dataset.nodeId, new NodeView(element));
    }
    for (const log of page.querySelectorAll(".output")) log.scrollTop = log.scrollHeight;
  }

  start() {
    this._cancelForm?.addEventListener("submit", (event) => {
      event.preventDefault();
      void this._cancel();
    });
    subscribe(this._page.dataset.taskId, {
      snapshot: true,
      onState: (state) => this._show(state),
      onError: (error) => this._say(error.code === "not_found" ? NOT_YOURS : error.message, "error"),
    }, (update) => this._take(update));
    setInterval(() => this._tick(), 1000);
  }

  _take(update) {
    this._heardAt = Date.now();
    this._tree.apply(update);
    // However many updates arrive, the page is drawn once a frame. A page in the background gets no frames.
    if (document.hidden) this._draw();
    else this._frame ||= requestAnimationFrame(() => this._draw());
  }

  _draw() {
    cancelAnimationFrame(this._frame);
    this._frame = 0;
    const { ids, replaced } = this._tree.takeChanges();
    const rootId = this._tree.root.id;
    if (replaced) this._dropUnknown();
    for (const id of ids) {
      const node = this._tree.node(id);
      if (id === rootId) this._drawRoot(node);
      else this._viewOf(id).draw(node);
    }
    if (this._tree.finished) this._finish();
    this._tick();
  }

  _viewOf(id) {
    let view = this._views.get(id);
    if (view === undefined) {
      const element = this._template.cloneNode(true);
      element.dataset.nodeId = id;
      const { title } = this._tree.node(id);
      element.querySelector("progress").setAttribute("aria-label", title);
      element.querySelector(".output").setAttribute("aria-label", `Output of ${title}`);
      view = new NodeView(element);
      this._views.set(id, view);
      const parentId = this._tree.parentOf(id);
      const list = parentId === this._tree.root.id ? this._list : this._viewOf(parentId).children;
      list.append(element);
    }
    return view;
  }

  _dropUnknown() {
    for (const [id, view] of this._views) {
      if (this._tree.node(id) === undefined) {
        view.element.remove();
        this._views.delete(id);
      }
    }
  }

  _drawRoot(root) {
    const { status } = this._tree;
    const parts = this._parts;
    this._page.dataset.status = status;
    const share = wholePercent(root);
    const words = WORDS[status] ?? status;
    setText(parts.status, words);
    setText(parts.figure, share === null ? "" : `${share} %`);
    drawBar(parts.bar, share, !ENDED.has(status), !ENDED.has(status) || share !== null);
    setText(parts.count, countText(root));
    setText(parts.message, root.message ?? "");
    setText(parts.error, root.error ?? "");
    drawOutput(parts.output, root.output ?? "");
    const lead = ENDED.has(status) ? words : share === null ? words : `${share} %`;
    document.title = `${lead} · ${this._page.dataset.title}`;
    this._speak(words, share);
    if (parts.again) parts.again.hidden = !ENDED.has(status) || status === "completed";
    if (this._cancelForm) {
      this._cancelForm.hidden = ENDED.has(status);
      if (status === "cancel_requested") this._cancelForm.querySelector("button").disabled = true;
    }
  }

  _speak(words, share) {
    const step = share === null ? 0 : Math.floor(share / SPOKEN_STEP) * SPOKEN_STEP;
    if (words === this._spoken && step === this._spokenShare) return;
    const isFirst = this._spoken === "";
    this._spoken = words;
    this._spokenShare = step;
    // What the page already said when it was loaded isn't read out again.
    if (!isFirst) setText(this._parts.live, step && words === WORDS.running ? `${words}: ${step} %` : words);
  }

  _finish() {
    const target = redirectOf(this._tree.root);
    if (target === null || this._isLeaving) return;
    this._isLeaving = true;
    const link = this._parts.result;
    if (link) {
      link.querySelector("a").href = target;
      link.hidden = false;
    }
    // Replaced, so that Back doesn't lead to a page that leads here again.
    setTimeout(() => location.replace(target), REDIRECT_AFTER_MS);
  }

  _show(state) {
    this._state = state;
    if (state === "live") this._heardAt = Date.now();
    this._tick();
  }

  _tick() {
    const quiet = Date.now() - this._heardAt;
    if (this._state === "closed") return;
    if (this._state === "lost") {
      this._say("The connection is lost. The work goes on; this page catches up as soon as it is back.", "warning");
    } else if (this._state === "live" && quiet > QUIET_MS && this._tree.root !== null && !this._tree.finished) {
      this._say(silence(this._tree.status, quiet), "quiet");
    } else if (!this._isCancelRefused) {
      this._say("", "");
    }
  }

  _say(text, kind) {
    const box = this._parts.connection;
    box.hidden = text === "";
    box.dataset.kind = kind;
    setText(box, text);
  }

  async _cancel() {
    const form = this._cancelForm;
    const button = form.querySelector("button");
    button.disabled = true;
    this._isCancelRefused = false;
    let problem = "The server can't be reached. Please try again.";
    try {
      const answer = await fetch(form.dataset.cancelUrl, {
        method: "POST",
        headers: { Accept: "application/json", "X-CSRFToken": form.elements.csrfmiddlewaretoken.value },
      });
      if (answer.ok) return;
      problem = "The task could not be cancelled.";
      problem = (await answer.json()).message ?? problem;
    } catch {
      // What `problem` says, or an answer that wasn't JSON.
    }
    button.disabled = false;
    this._isCancelRefused = true;
    this._say(problem, "error");
  }
}

function setText(element, text) {
  if (element === null || element.textContent === text) return;
  element.textContent = text;
  // Empty parts take no room.
  if (element.hasAttribute("data-optional")) element.hidden = text === "";
}

function drawBar(bar, share, isOpen, isShown = isOpen) {
  bar.hidden = !isShown;
  if (share === null) {
    bar.removeAttribute("value");
  } else if (bar.getAttribute("value") !== String(share)) {
    bar.setAttribute("value", share);
  }
}

/** Show the text, and stay at its end unless the reader has scrolled up. */
function drawOutput(box, text) {
  const old = box.textContent;
  if (old === text) return;
  const follows = box.scrollHeight - box.scrollTop - box.clientHeight < 24;
  box.hidden = text === "";
  if (old && text.startsWith(old)) box.append(text.slice(old.length));
  else box.textContent = text;
  if (follows) box.scrollTop = box.scrollHeight;
}

/** Say what silence means; in few steps, since each change of the text is read out to those who don't see it. */
function silence(status, milliseconds) {
  if (status === "pending") return "No worker is free yet. The work starts by itself as soon as one is; you may leave this page and come back.";
  if (status === "waiting") return "The work waits for something outside. It goes on by itself; you may leave this page and come back.";
  if (status === "retry") return "The last attempt was interrupted. The work is tried again by itself.";
  const minutes = SILENCE_MINUTES.findLast((step) => milliseconds >= step * 60000);
  const time = minutes === undefined ? `${QUIET_MS / 1000} seconds` : minutes === 1 ? "a minute" : `${minutes} minutes`;
  return `No news for more than ${time}. If the worker was lost, another one takes over; nothing that is done is lost.`;
}

const page = document.querySelector(".progress-page[data-task-id]");
if (page) new ProgressPage(page).start();
