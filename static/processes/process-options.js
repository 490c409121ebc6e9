/**
 * Status, options and progress of an object that a process drives, on any page:
 *
 *   <process-status src="/api/instances/…/"></process-status>
 *   <process-options src="/api/instances/…/"></process-options>
 *   <process-progress src="/api/instances/…/"></process-progress>
 *
 * `src` is an address that answers with `status`, `assignee`, `options` and `running` (docs/own_models.md), and that
 * takes `{"action"}` at `src` + `execute/`: that of an instance, or of a team's own object. Elements with the same address ask together. What the server has drawn
 * inside an element stays until something is new; an element that is empty draws itself. Nothing here is styled inline,
 * so that a strict Content-Security-Policy lets it be.
 */

import { subscribe } from "../tasks/client.js";
import { Tree, percent } from "../tasks/tree.js";
import { Words } from "../tasks/words.js";

const ENDED = new Set(["completed", "failed", "dead_letter", "cancelled", "compensated"]);
const STYLES = { expected: "expected", exceptional: "exceptional" };
const GROUPS = ["expected", "optional", "anytime", "exceptional"];

/** Return an address if it is one of this site (a path), else null: no answer leads a reader elsewhere. */
export function ownAddress(address, origin = location.origin) {
  if (typeof address !== "string" || !URL.canParse(address, origin)) return null;
  const url = new URL(address, origin);
  return url.origin === origin ? url.pathname + url.search + url.hash : null;
}

function make(name, properties = {}, attributes = {}) {
  const element = Object.assign(document.createElement(name), properties);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

/** Asks one address on behalf of all elements that name it. */
class Source {
  static all = new Map();

  static at(address) {
    if (!Source.all.has(address)) Source.all.set(address, new Source(address));
    return Source.all.get(address);
  }

  constructor(address) {
    this._address = address;
    this._elements = new Set();
    this._known = null;
    this._asking = null;
  }

  add(element) {
    this._elements.add(element);
    if (element.isBlank) {
      if (this._known) element.show(this._known);
      else void this.refresh();
    }
  }

  remove(element) {
    this._elements.delete(element);
    if (this._elements.size === 0) Source.all.delete(this._address);
  }

  /** Ask once, however many want to know at the same time; what can't be had now stays as it is. */
  refresh() {
    this._asking ??= this._ask().finally(() => {
      this._asking = null;
    });
    return this._asking;
  }

  async _ask() {
    try {
      const answer = await fetch(this._address, { headers: { Accept: "application/json" }, credentials: "same-origin" });
      if (answer.ok) this.take(await answer.json());
    } catch {
      // The network is away, or the server is: the next one who asks may be luckier.
    }
  }

  /** Execute an action, and return `{ok, response, message}`. */
  async execute(action, token) {
    const headers = { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": token };
    const body = JSON.stringify({ action });
    try {
      const sent = await fetch(`${this._address}execute/`, { method: "POST", headers, body, credentials: "same-origin" });
      const told = await sent.json();
      if (!sent.ok) return { ok: false, message: typeof told.message === "string" ? told.message : "" };
      if (Array.isArray(told.options)) this.take(told);
      else await this.refresh();
      return { ok: true, response: told.response ?? {} };
    } catch {
      return { ok: false, message: "" };
    }
  }

  take(known) {
    this._known = known;
    for (const element of this._elements) element.show(known);
  }
}

document.addEventListener("visibilitychange", () => {
  // Whoever comes back to a page may have done something elsewhere, and so may others.
  if (!document.hidden) for (const source of Source.all.values()) void source.refresh();
});

class ProcessElement extends HTMLElement {
  connectedCallback() {
    const address = ownAddress(this.getAttribute("src") ?? "");
    this._source = this.getAttribute("src") && address ? Source.at(address) : null;
    this.begin();
    this._source?.add(this);
  }

  disconnectedCallback() {
    this._source?.remove(this);
    this.end();
  }

  /** Whether nothing was drawn by the server. */
  get isBlank() {
    return this._blank ?? false;
  }

  part(name) {
    return this.querySelector(`[data-part="${name}"]`);
  }

  /** Return a part, made by `create` where the server has drawn none. */
  need(name, create) {
    const found = this.part(name);
    if (found) return found;
    this._blank = true;
    const made = create();
    made.dataset.part = name;
    this.append(made);
    return made;
  }

  begin() {}
  end() {}
  show() {}
}

export class ProcessStatus extends ProcessElement {
  begin() {
    this.classList.add("process-status");
    this._status = this.need("status", () => make("span", { className: "process-status-word", hidden: true }));
    this._assignee = this.need("assignee", () => make("span", { className: "process-status-who", hidden: true }));
  }

  show({ status = "", assignee = null }) {
    const word = status.charAt(0).toLocaleUpperCase() + status.slice(1);
    if (this._status.textContent !== word) this._status.replaceChildren(make("bdi", { textContent: word }));
    this._status.hidden = word === "";
    const who = assignee ? (this.dataset.assigned ?? "{user}").replace("{user}", () => assignee) : "";
    if (this._assignee.textContent !== who) this._assignee.textContent = who;
    this._assignee.hidden = who === "";
  }
}

export class ProcessOptions extends ProcessElement {
  begin() {
    this.classList.add("process-options");
    this._groups = this.need("groups", () => make("div", { className: "process-groups" }));
    this._message = this.need("message", () =>
      make("p", { className: "process-message", hidden: true }, { role: "alert" }),
    );
    this._onSubmit = (event) => this._submit(event);
    this.addEventListener("submit", this._onSubmit);
  }

  end() {
    this.removeEventListener("submit", this._onSubmit);
  }

  show({ options: offered = [] }) {
    const leftOut = (this.getAttribute("without") ?? "").split(/\s+/);
    const options = offered.filter((one) => !one.action || !leftOut.includes(one.action));
    const key = JSON.stringify(options);
    if (key === this._shown) return;
    // What the server has drawn is known by what it would say, so that nothing moves under a reader's hand.
    if (this._shown === undefined && !this._blank && this._isDrawn(options)) {
      this._shown = key;
      return;
    }
    this._shown = key;
    const hadFocus = this._groups.contains(document.activeElement);
    this._groups.replaceChildren(
      ...GROUPS.map((name) => [name, options.filter((one) => one.group === name)])
        .filter(([, found]) => found.length > 0)
        .map(([name, found]) => this._group(name, found)),
    );
    if (hadFocus) (this._groups.querySelector("button:enabled, a") ?? this._groups).focus();
  }

  _isDrawn(options) {
    const sorted = GROUPS.flatMap((name) => options.filter((one) => one.group === name));
    const drawn = [...this._groups.querySelectorAll(".process-option")];
    return (
      drawn.length === sorted.length &&
      drawn.every((element, at) => element.textContent === sorted[at].caption && (element.disabled ?? false) === sorted[at].disabled)
    );
  }

  _group(name, options) {
    const group = make(
      "div",
      { className: `process-group process-group-${name}` },
      { role: "group", "aria-label": this.dataset[name] ?? name },
    );
    group.append(...options.map((one) => this._option(one)).filter(Boolean));
    return group;
  }

  _option(option) {
    const className = `process-option process-option-${STYLES[option.group] ?? "other"}`;
    const textContent = option.caption;
    if (option.disabled) return make("button", { className, textContent, type: "button", disabled: true });
    const address = ownAddress(option.url);
    if (address === null) return null;
    if (option.method !== "POST") {
      const link = make("a", { className, textContent, href: address });
      if (option.popup) Object.assign(link, { target: "_blank", rel: "noopener" });
      return link;
    }
    const form = make("form", { method: "post" }, { action: address, ...(option.popup ? { target: "_blank" } : {}) });
    const hidden = (name, value) => make("input", { type: "hidden", name, value });
    form.append(hidden("csrfmiddlewaretoken", this._token()), hidden("action", option.action));
    form.append(make("button", { className, textContent, type: "submit" }));
    return form;
  }

  /** Return the token of the page, or of its cookie where the page has none in this element. */
  _token() {
    const name = this.getAttribute("csrf-cookie") ?? "csrftoken";
    const cookie = document.cookie.split("; ").find((one) => one.startsWith(`${name}=`));
    return this.part("token")?.value ?? (cookie ? decodeURIComponent(cookie.slice(name.length + 1)) : "");
  }

  async _submit(event) {
    const action = event.target.querySelector('input[name="action"]')?.value;
    if (!this.hasAttribute("in-place") || !this._source || !action || event.target.target === "_blank") return;
    event.preventDefault();
    if (this.ariaBusy === "true") return;
    this.ariaBusy = "true";
    this._message.hidden = true;
    const done = await this._source.execute(action, this._token());
    this.ariaBusy = null;
    if (!done.ok) {
      this._message.textContent = done.message || this.dataset.failed || "";
      this._message.hidden = this._message.textContent === "";
      void this._source.refresh();
      return;
    }
    const told = new CustomEvent("process-executed", { bubbles: true, cancelable: true, detail: { action, response: done.response } });
    if (!this.dispatchEvent(told)) return;
    const target = ownAddress(done.response.redirect ?? "");
    if (done.response.redirect && target !== null && target !== ownAddress(location.href)) location.assign(target);
  }
}

/** A row of a run that is at work, kept up to date by the feed of its tree. */
class RunRow {
  constructor(element, owner) {
    this._element = element;
    this._owner = owner;
    this._tree = new Tree();
    this._frame = 0;
    this._subscription = subscribe(element.dataset.taskId, { snapshot: true }, (update) => this._take(update));
  }

  close() {
    cancelAnimationFrame(this._frame);
    this._subscription.close();
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
    const share = percent(root);
    const part = (name) => this._element.querySelector(`[data-part="${name}"]`);
    const before = this._element.dataset.status;
    this._element.dataset.status = status;
    part("status").textContent = this._owner.word(status);
    part("message").textContent = (ENDED.has(status) ? root.error : root.message) ?? "";
    part("message").hidden = part("message").textContent === "";
    part("bar").hidden = ENDED.has(status);
    if (share === null) part("bar").removeAttribute("value");
    else part("bar").value = Math.trunc(share);
    part("figure").textContent = share === null || ENDED.has(status) ? "" : this._owner.figure(Math.trunc(share));
    if (ENDED.has(status) && !ENDED.has(before)) this._owner.ended(root.title, status);
  }
}

export class ProcessProgress extends ProcessElement {
  begin() {
    this.classList.add("process-progress");
    this._rows = this.need("rows", () => make("div"));
    this._log = this.need("log", () => make("div", { className: "process-told" }, { role: "log" }));
    const words = this.part("words");
    this._words = words ? new Words(words, document.documentElement.lang) : null;
    this._followed = new Map();
    for (const element of this._rows.querySelectorAll("[data-task-id]")) this._follow(element);
  }

  end() {
    for (const row of this._followed.values()) row.close();
    this._followed.clear();
  }

  word(status) {
    return this._words?.has(status) ? this._words.say(status) : status;
  }

  figure(share) {
    return this._words ? this._words.say("percent", { share }) : `${share}%`;
  }

  ended(title, status) {
    this._log.append(make("p", { textContent: `${title}: ${this.word(status)}` }));
    this.dispatchEvent(new CustomEvent("process-ended", { bubbles: true, detail: { title, status } }));
    void this._source?.refresh();
  }

  show({ running = [] }) {
    for (const run of running) if (!this._followed.has(run.id)) this._follow(this._row(run));
  }

  _follow(element) {
    this._followed.set(element.dataset.taskId, new RunRow(element, this));
  }

  _row(run) {
    const row = make("div", { className: "process-run" });
    Object.assign(row.dataset, { taskId: run.id, status: run.status });
    const title = make("a", { className: "process-run-title", textContent: run.title });
    title.href = ownAddress(run.url) ?? "";
    const part = (name, element) => {
      element.dataset.part = name;
      return element;
    };
    const bar = make("progress", { max: 100 }, { "aria-label": run.title });
    if (run.percent !== null) bar.value = run.percent;
    row.append(
      title,
      part("status", make("span", { className: "process-run-status", textContent: this.word(run.status) })),
      part("bar", bar),
      part("figure", make("span", { className: "process-run-figure" })),
      part("message", make("span", { className: "process-run-message", textContent: run.message, hidden: !run.message })),
    );
    this._rows.append(row);
    return row;
  }
}

for (const [name, element] of Object.entries({
  "process-status": ProcessStatus,
  "process-options": ProcessOptions,
  "process-progress": ProcessProgress,
})) {
  if (!customElements.get(name)) customElements.define(name, element);
}
