/**
 * Draw a node of the tree as the server draws it (templates/processes/_node.html).
 *
 * A part that has nothing to say isn't in the page; parts are added from a blueprint. Thousands of nodes stay light so.
 */

import { OutputLog } from "./output-log.js";

const ENDED = new Set(["completed", "failed", "dead_letter", "cancelled", "compensated", "skipped"]);
/** A branch with more children than this can be folded, and is once it is completed. */
const LARGE_BRANCH = 8;
const LINE = ["title", "status", "count", "figure"];
const BODY = ["line", "bar", "message", "error", "log", "branch"];

/** Tell whether work in this status is over. */
export function hasEnded(status) {
  return ENDED.has(status);
}

/** Return a percentage in whole numbers, rounded down so that 100 means done; null where nothing is known. */
export function whole(share) {
  return share === null ? null : Math.trunc(share);
}

/** Return how far a node is in its own units, or "". */
export function countText(node, words) {
  const { current, total } = node;
  if (isNumber(total)) return words.say("count", { current: words.number(current ?? 0), total: words.number(total) });
  return isNumber(current) ? words.number(current) : "";
}

/** Return a percentage as people read it, or "". */
export function percentText(share, words) {
  return share === null ? "" : words.say("percent", { share });
}

/** Return the words for a status. */
export function statusText(status, words) {
  return words.has(status) ? words.say(status) : status;
}

export function setText(element, text) {
  const only = element.firstChild;
  if (only !== null && only.nodeType === Node.TEXT_NODE && only.nextSibling === null) {
    if (only.data !== text) only.data = text;
  } else if (element.textContent !== text) {
    element.textContent = text;
  }
}

export function drawBar(bar, share) {
  if (share === null) bar.removeAttribute("value");
  else if (bar.getAttribute("value") !== String(share)) bar.setAttribute("value", share);
}

/** Makes views of nodes, new or drawn by the server. */
export class NodeViews {
  constructor(blueprint, words) {
    this.words = words;
    this._parts = { "": blueprint.cloneNode(true) };
    const body = part(blueprint, "body");
    for (const name of LINE) this._parts[name] = part(part(body, "line"), name);
    for (const name of BODY) this._parts[name] = part(body, name);
    const bare = this._parts[""];
    for (const name of BODY) if (name !== "line") part(part(bare, "body"), name).remove();
    for (const name of ["count", "figure"]) part(part(part(bare, "body"), "line"), name).remove();
  }

  /** Take over an element that the server has drawn. */
  adopt(element) {
    return new NodeView(element, this);
  }

  /** Make an element for a node. */
  create(id) {
    const element = this.make("");
    element.dataset.nodeId = id;
    return new NodeView(element, this);
  }

  make(name) {
    return this._parts[name].cloneNode(true);
  }
}

class NodeView {
  constructor(element, views) {
    this.element = element;
    this._views = views;
    this.find();
  }

  /** Find the parts that there are: at first, and when something else may have changed them. */
  find() {
    const { element } = this;
    this._body = part(element, "body");
    this._line = part(this._body, "line");
    this._found = {};
    for (const child of this._line.children) this._note(child);
    for (const child of this._body.children) this._note(child);
    const { log, branch } = this._found;
    this._log = log ? OutputLog.of(log, this._views.words) : null;
    this._isFolded = branch !== undefined && isFolded(branch.classList.contains("is-large"), element.dataset.status);
  }

  /** Return the list that the node's children are in. */
  get children() {
    return part(this._found.branch ?? this._add("branch"), "children");
  }

  /** Show a node, whose share is 0 to 100 or null. */
  draw(node, share) {
    const { words } = this._views;
    const { element } = this;
    const percent = whole(share);
    const isOpen = !hasEnded(node.status);
    if (element.dataset.status !== node.status) element.dataset.status = node.status;
    setText(this._found.title, node.title);
    setText(this._found.status, statusText(node.status, words));
    this._text("count", countText(node, words));
    this._text("figure", isOpen ? percentText(percent, words) : "");
    if (isOpen && node.status !== "created") {
      const bar = this._found.bar ?? this._add("bar");
      if (bar.getAttribute("aria-label") !== node.title) bar.setAttribute("aria-label", node.title);
      drawBar(bar, percent);
    } else {
      this._remove("bar");
    }
    this._text("message", node.message ?? "");
    this._text("error", node.error ?? "");
    this._drawLog(node);
    if (node.children.length) this._drawBranch(node);
    else this._remove("branch");
  }

  _drawLog(node) {
    if (!node.output) {
      this._remove("log");
      this._log = null;
      return;
    }
    if (this._log === null) {
      const element = this._add("log");
      const name = this._views.words.say("output-of", { title: node.title });
      element.setAttribute("aria-label", name);
      element.querySelector(".output").setAttribute("aria-label", name);
      element.querySelector(".output").textContent = "";
      this._log = OutputLog.of(element, this._views.words);
    }
    this._log.draw(node.output, node.outputLines);
  }

  _drawBranch(node) {
    const branch = this._found.branch ?? this._add("branch");
    const count = node.children.length;
    setText(branch.firstElementChild, this._views.words.count("steps", count));
    const isLarge = count > LARGE_BRANCH;
    if (branch.classList.contains("is-large") !== isLarge) branch.classList.toggle("is-large", isLarge);
    const folds = isFolded(isLarge, node.status);
    // Once, when it changes: what the reader has folded or unfolded since stays so.
    if (folds !== this._isFolded) branch.open = !folds;
    this._isFolded = folds;
  }

  _text(name, text) {
    if (text === "") this._remove(name);
    else setText(this._found[name] ?? this._add(name), text);
  }

  _note(child) {
    const name = nameOf(child);
    if (name) this._found[name] = child;
  }

  _add(name) {
    const isOfLine = LINE.includes(name);
    const order = isOfLine ? LINE : BODY;
    const parent = isOfLine ? this._line : this._body;
    const next = order.slice(order.indexOf(name) + 1).find((later) => this._found[later]);
    const element = this._views.make(name);
    parent.insertBefore(element, next ? this._found[next] : null);
    this._found[name] = element;
    return element;
  }

  _remove(name) {
    const element = this._found[name];
    if (!element) return;
    element.remove();
    this._found[name] = undefined;
  }
}

function isFolded(isLarge, status) {
  return isLarge && status === "completed";
}

function nameOf(element) {
  for (const name of element.classList) if (name.startsWith("node-")) return name.slice(5);
  return undefined;
}

function part(element, name) {
  for (const child of element.children) if (child.classList.contains(`node-${name}`)) return child;
  throw new Error(`A node of the page lacks its part "node-${name}": see templates/processes/_node.html.`);
}

function isNumber(value) {
  return value !== undefined && value !== null;
}
