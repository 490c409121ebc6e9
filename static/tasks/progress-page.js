/**
 * Bring the server-rendered progress page to life: the tree, its bars and texts follow the task's updates.
 *
 * The page is whole without this script. What is drawn here looks like what the server draws (templates/processes/), keyed
 * by node id, so that the first snapshot changes only what has changed since. Where nothing comes live, the page is fetched
 * again every few seconds.
 */

import { subscribe } from "./client.js";
import { countText, drawBar, hasEnded, percentText, setText, statusText, whole } from "./node-view.js";
import { OutputLog } from "./output-log.js";
import { Refresher, fetchPage, morph } from "./refreshing.js";
import { StallWatch } from "./stalls.js";
import { Telling } from "./telling.js";
import { TreeDrawing } from "./tree-drawing.js";
import { Tree } from "./tree.js";
import { Words } from "./words.js";

const REDIRECT_AFTER_MS = 700;
/** Steps of the percentage that are read out to those who don't see the bars. */
const SPOKEN_STEP = 25;
/** A page in the background gets no frames; it is drawn so often. */
const HIDDEN_DRAW_MS = 200;
/** How often, and after what time, the page as it is at the end is asked for. */
const LAST_LOOKS = 5;
const LAST_LOOK_PAUSE_MS = 1000;

/** Return the path of this site that a finished task leads to, or null: other sites are never followed. */
export function redirectOf(root, origin = location.origin) {
  return pathHere(root?.meta?.redirect, origin);
}

/** Follow one task and keep the page up to date. */
export class ProgressPage {
  constructor(page) {
    this._page = page;
    this._taskId = page.dataset.taskId;
    this._words = new Words(page.querySelector("template.words"), document.documentElement.lang);
    this._tree = new Tree();
    this._frame = 0;
    this._timer = undefined;
    this._state = "connecting";
    this._problem = "";
    this._isLeaving = false;
    this._hasEnded = false;
    /** Whether an action has failed and is tried again later: its job is pending like any other. */
    this._isTriedAgain = page.dataset.status === "retry";
    /** Whether the server is to be asked why the work doesn't move, and what this visitor may do about it. */
    this._asksWhy = false;
    // What follows the first part of the title stays: the page's own title, and the site's.
    this._titleRest = document.title.slice(document.title.indexOf(" · "));
    this._drawing = new TreeDrawing(page, this._tree, this._words);
    this._adopt();
    this._spoken = this._parts.status.textContent;
    this._spokenShare = spokenStep(this._shownPercent());
    /** The last update that the page shows, drawn by the server or live. */
    this._seq = Number(page.dataset.seq);
    this._telling = new Telling(page, this._words);
    this._stalls = new StallWatch(`/api/tasks/${this._taskId}/`, (stall) => this._hearStall(stall));
    this._refresher = new Refresher({ refresh: () => this._refresh(), onChange: () => this._tick() });
  }

  start() {
    this._page.addEventListener("submit", (event) => {
      if (!event.target.matches('[data-part="cancel"]')) return;
      event.preventDefault();
      void this._cancel(event.target);
    });
    this._subscription = subscribe(this._taskId, {
      snapshot: true,
      onState: (state) => this._show(state),
      onError: (error) => this._fail(error.code === "not_found" ? this._words.say("not-yours") : error.message),
    }, (update) => this._take(update));
    this._refresher.start();
    setInterval(() => this._tick(), 1000);
  }

  /** Find what the page is made of: at first, and when a refresh may have changed it. */
  _adopt() {
    this._parts = {};
    for (const element of this._page.querySelectorAll("[data-part]")) this._parts[element.dataset.part] = element;
    this._log = OutputLog.of(this._parts.log.querySelector(".log"), this._words);
    OutputLog.settle();
  }

  // --- live ---------------------------------------------------------------------------------------------------------

  _take(update) {
    this._tree.apply(update);
    // A snapshot of what the page shows already is no news.
    if (this._tree.seq > this._seq) {
      this._seq = this._tree.seq;
      this._stalls.hear();
      if (update.type === "taskStatus" || update.type === "snapshot") this._hearStatus(update);
      if (this._page.dataset.stalled !== undefined) this._showStall(null);
    }
    this._schedule();
  }

  _hearStatus({ type, status, waitingFor }) {
    this._isTriedAgain = status === "pending" && waitingFor?.code === "retry";
    // A snapshot doesn't tell what is waited for.
    this._asksWhy = status === "waiting" || waitingFor !== undefined || (type === "snapshot" && status === "pending");
    // What was said of another wait holds no more.
    setText(this._parts.waits, status === "waiting" ? this._words.say("waits") : "");
  }

  /** However many updates arrive, the page is drawn once a frame. */
  _schedule() {
    if (document.hidden) this._timer ??= setTimeout(() => this._draw(), HIDDEN_DRAW_MS);
    else this._frame ||= requestAnimationFrame(() => this._draw());
  }

  _draw() {
    cancelAnimationFrame(this._frame);
    clearTimeout(this._timer);
    this._frame = 0;
    this._timer = undefined;
    // A page that was refreshed is ahead of what is replayed: it isn't drawn backwards.
    if (this._tree.seq < this._seq) return;
    const { ids, replaced } = this._tree.takeChanges();
    this._drawing.note(ids, replaced);
    // The root is an ancestor of whatever has changed.
    if (ids.length) this._drawRoot(this._tree.root);
    if (!this._drawing.draw()) this._schedule();
    OutputLog.settle();
    if (this._tree.finished) this._end(redirectOf(this._tree.root));
    this._tick();
  }

  _drawRoot(root) {
    const status = this._isTriedAgain && this._tree.status === "pending" ? "retry" : this._tree.status;
    const parts = this._parts;
    const isOver = hasEnded(status);
    const percent = whole(this._tree.percent(root));
    const share = percentText(percent, this._words);
    const words = statusText(status, this._words);
    this._page.dataset.status = status;
    if (root.title !== (this._title ??= root.title)) {
      // An indicator that has begun anew may be of something else.
      this._title = root.title;
      setText(this._page.querySelector("h1"), root.title);
      parts.bar.setAttribute("aria-label", root.title);
    }
    setText(parts.status, words);
    setText(parts.figure, share);
    parts.bar.hidden = isOver && percent === null;
    drawBar(parts.bar, percent);
    setOptional(parts.count, countText(root, this._words));
    setOptional(parts.message, root.message ?? "");
    setOptional(parts.error, root.error ?? "");
    parts.log.hidden = !root.output;
    if (root.output) this._log.draw(root.output, root.outputLines);
    document.title = (isOver || percent === null ? words : share) + this._titleRest;
    this._speakProgress(words, percent);
    this._drawWaits();
    if (parts.begin) parts.begin.hidden = !this._tree.finished || status === "completed";
    if (parts.cancel) {
      parts.cancel.hidden = this._tree.finished;
      if (status === "cancel_requested") parts.cancel.querySelector("button").disabled = true;
    }
  }

  // --- what is said ---------------------------------------------------------------------------------------------------

  _speakProgress(words, percent) {
    const step = spokenStep(percent);
    // What the page already said when it was loaded isn't read out again.
    if (words === this._spoken && step === this._spokenShare) return;
    this._spoken = words;
    this._spokenShare = step;
    const isRunning = this._page.dataset.status === "running";
    const share = percentText(step, this._words);
    this._speak(step && isRunning ? this._words.say("status-and-percent", { status: words, share }) : words);
  }

  _speak(text) {
    const { live } = this._parts;
    // A new text, not a changed one: that is what is read out everywhere.
    if (live.textContent !== text) live.textContent = text;
  }

  _hearStall(stall) {
    this._showStall(stall);
    // It is quiet: parts of the work may have come to a form meanwhile, of which this log says nothing.
    if (["waiting", "pending", "retry"].includes(this._page.dataset.status)) void this._refresh();
  }

  _showStall(stall) {
    const { dataset } = this._page;
    if (hasEnded(dataset.status)) stall = null;
    const isNew = stall !== null && stall.code !== dataset.stalled;
    if (stall === null) delete dataset.stalled;
    else dataset.stalled = stall.code;
    this._parts.stall.hidden = stall === null;
    setText(this._parts["stall-text"], stall?.text ?? "");
    if (isNew) this._speak(stall.text);
    this._drawWaits();
  }

  _drawWaits() {
    const { status, stalled } = this._page.dataset;
    const { forms } = this._parts;
    if (forms) forms.hidden = status !== "waiting" || forms.querySelector("a") === null;
    if (this._asksWhy) {
      // In words, and what this visitor may answer, only the server knows it.
      this._asksWhy = false;
      void this._refresh();
    }
    const { waits } = this._parts;
    waits.hidden = !waits.textContent || hasEnded(status) || stalled !== undefined || forms?.hidden === false;
  }

  _show(state) {
    this._state = state;
    if (state === "live" || state === "ended") this._refresher.stop();
    else if (state === "lost") this._refresher.start();
    this._tick();
  }

  _fail(text) {
    this._state = "closed";
    this._refresher.stop();
    this._subscription?.close();
    this._say(text, "error");
  }

  _tick() {
    if (this._state === "closed") return;
    if (this._refresher.isWorking) this._say(this._words.say("refreshes"), "quiet");
    else if (this._state === "lost") this._say(this._words.say("lost"), "warning");
    else this._say(this._problem, "error");
    if (this._state === "live" && this._tree.root !== null && !this._tree.finished) this._stalls.look();
  }

  _say(text, kind) {
    const box = this._parts.connection;
    if (box.textContent === text) return;
    box.hidden = text === "";
    box.dataset.kind = kind;
    box.textContent = text;
  }

  // --- the page as the server draws it --------------------------------------------------------------------------------

  /** Fetch the page and take over what has changed; resolves to whether that went well. */
  async _refresh() {
    const fresh = await fetchPage(this._taskId);
    if (fresh === null || this._isLeaving || this._state === "closed") return false;
    if (fresh.isRefused) {
      this._fail(this._words.say("not-yours"));
      return false;
    }
    // The server is there: perhaps live updates get through again.
    if (this._state === "lost" && this._refresher.succeeded === 0) this._subscription.hurry();
    // Newer things may have come live meanwhile.
    if (Number(fresh.article.dataset.seq) >= this._tree.seq) this._takePage(fresh);
    return true;
  }

  _takePage({ article, title }) {
    const before = this._page.dataset.stalled;
    morph(this._page, article, (old, fresh) => this._takeLog(old, fresh));
    document.title = title;
    this._drawing.adopt();
    this._adopt();
    this._telling.offer();
    const { seq, status, stalled, redirect } = this._page.dataset;
    this._seq = Number(seq);
    this._isTriedAgain = status === "retry";
    this._speakProgress(this._parts.status.textContent, this._shownPercent());
    if (stalled !== undefined && stalled !== before) this._speak(this._parts["stall-text"].textContent);
    if (hasEnded(status)) this._end(pathHere(redirect));
  }

  _shownPercent() {
    const { bar } = this._parts;
    return bar.hasAttribute("value") ? bar.value : null;
  }

  _takeLog(old, fresh) {
    const log = OutputLog.known(old);
    if (log === undefined) return false;
    log.draw(fresh.querySelector(".output").textContent, undefined);
    return true;
  }

  // --- the end --------------------------------------------------------------------------------------------------------

  _end(target) {
    if (this._hasEnded) return;
    this._hasEnded = true;
    this._state = "ended";
    this._subscription?.close();
    this._refresher.stop();
    this._telling.hide();
    this._showStall(null);
    this._telling.tell(this._page.querySelector("h1").textContent, statusText(this._page.dataset.status, this._words));
    if (target === null) void this._lookOnce();
    else if (document.hidden && this._telling.hasNotified) {
      // Who follows the notification finds the page that it spoke of, and is led on from there.
      document.addEventListener("visibilitychange", () => this._leave(target), { once: true });
    } else {
      this._leave(target);
    }
  }

  /** Ask for the page as it is now: what can be done after the end, and the result, are for the server to say. */
  async _lookOnce() {
    for (let look = 0; look < LAST_LOOKS && !this._isEndShown(); look += 1) {
      if (look) await new Promise((done) => setTimeout(done, LAST_LOOK_PAUSE_MS * look));
      const fresh = await fetchPage(this._taskId);
      if (fresh?.article && hasEnded(fresh.article.dataset.status)) {
        this._takePage(fresh);
      }
    }
  }

  /** Tell whether the server has drawn the page after the end. */
  _isEndShown() {
    return this._parts.telling === undefined && hasEnded(this._page.dataset.status);
  }

  _leave(target) {
    if (this._isLeaving) return;
    this._isLeaving = true;
    // Replaced, so that Back doesn't lead to a page that leads here again.
    setTimeout(() => location.replace(target), REDIRECT_AFTER_MS);
  }

  async _cancel(form) {
    const button = form.querySelector("button");
    button.disabled = true;
    this._problem = "";
    let problem = this._words.say("unreachable");
    try {
      const answer = await fetch(form.dataset.cancelUrl, {
        method: "POST",
        headers: { Accept: "application/json", "X-CSRFToken": form.elements.csrfmiddlewaretoken.value },
      });
      if (answer.ok) return;
      problem = this._words.say("not-cancelled");
      problem = (await answer.json()).message ?? problem;
    } catch {
      // What `problem` says, or an answer that wasn't JSON.
    }
    button.disabled = false;
    this._problem = problem;
    this._tick();
  }
}

function spokenStep(percent) {
  return percent === null ? 0 : Math.floor(percent / SPOKEN_STEP) * SPOKEN_STEP;
}

function pathHere(target, origin = location.origin) {
  if (typeof target !== "string" || !target.startsWith("/")) return null;
  let url;
  try {
    url = new URL(target, origin);
  } catch {
    return null;
  }
  return url.origin === origin ? url.pathname + url.search + url.hash : null;
}

/** Set a text; what has none takes no room. */
function setOptional(element, text) {
  setText(element, text);
  element.hidden = text === "";
}

const page = document.querySelector(".progress-page[data-task-id]");
if (page) new ProgressPage(page).start();
