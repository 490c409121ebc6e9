/**
 * The last way to follow a task: fetch the page as the server draws it now, and change this one to look like it.
 *
 * What is the same stays the same element, so that the focus, what is scrolled, folded or held keeps its place.
 */

/** How long nothing may come live before the page is fetched. */
const BEGIN_AFTER_MS = 5000;
const EVERY_MS = 3000;
const GIVE_UP_AFTER_MS = 15000;
/** A page that takes long to make and draw is fetched so much less often. */
const SHARE_OF_TIME = 10;
const REFUSALS = new Set([401, 403, 404, 410]);

/**
 * Fetch the progress page of a task from its own address: {article, title}, {isRefused: true}, or null where the server
 * can't be reached or can't answer now.
 */
export async function fetchPage(taskId) {
  let answer;
  let text;
  try {
    answer = await fetch(location.href, {
      headers: { Accept: "text/html" },
      cache: "no-store",
      signal: AbortSignal.timeout(GIVE_UP_AFTER_MS),
    });
    if (REFUSALS.has(answer.status)) return { isRefused: true };
    if (!answer.ok) return null;
    text = await answer.text();
  } catch {
    return null;
  }
  const page = new DOMParser().parseFromString(text, "text/html");
  const article = page.querySelector(".progress-page");
  // Another page in its place is the one to sign in, say, or one of a proxy.
  if (article?.dataset.taskId !== taskId) return answer.redirected ? { isRefused: true } : null;
  return { article, title: page.title };
}

/** Fetches the page again and again while nothing comes live. */
export class Refresher {
  /** `refresh` resolves to whether the page could be fetched; `onChange` is called when `isWorking` changes. */
  constructor({ refresh, onChange }) {
    this._refresh = refresh;
    this._onChange = onChange;
    this._timer = undefined;
    this._isWanted = false;
    /** Fetches in a row that succeeded. */
    this.succeeded = 0;
  }

  /** Whether the page is kept up to date in this way; a single fetch may have met a server that was coming back. */
  get isWorking() {
    return this.succeeded > 1;
  }

  start() {
    if (this._isWanted) return;
    this._isWanted = true;
    this._schedule(BEGIN_AFTER_MS);
  }

  stop() {
    this._isWanted = false;
    clearTimeout(this._timer);
    this.succeeded = 0;
    this._onChange();
  }

  _schedule(milliseconds) {
    clearTimeout(this._timer);
    this._timer = setTimeout(() => void this._run(), milliseconds);
  }

  async _run() {
    const begun = performance.now();
    const isDone = await this._refresh();
    if (!this._isWanted) return;
    this.succeeded = isDone ? this.succeeded + 1 : 0;
    this._onChange();
    this._schedule(Math.max(EVERY_MS, SHARE_OF_TIME * (performance.now() - begun)));
  }
}

/**
 * Change an element to look like a fresh one.
 *
 * Elements with `data-keep` stay as they are, and those that `takeOver(old, fresh)` says it has dealt with.
 */
export function morph(old, fresh, takeOver = () => false) {
  if (old.hasAttribute("data-keep") || takeOver(old, fresh)) return;
  morphAttributes(old, fresh);
  if (old instanceof HTMLTemplateElement) return;
  if (old.childElementCount === 0 && fresh.childElementCount === 0) {
    if (old.textContent !== fresh.textContent) old.textContent = fresh.textContent;
  } else if (isMixed(old) || isMixed(fresh)) {
    if (old.innerHTML !== fresh.innerHTML) old.replaceChildren(...copies(fresh.childNodes));
  } else {
    morphChildren(old, fresh, takeOver);
  }
}

function morphAttributes(old, fresh) {
  for (const { name, value } of fresh.attributes) {
    if (!isReaders(old, name) && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    if (!isReaders(old, name) && !fresh.hasAttribute(name)) old.removeAttribute(name);
  }
}

/** Tell whether an attribute is the reader's to change: what is folded stays folded. */
function isReaders(element, name) {
  return name === "open" && element instanceof HTMLDetailsElement;
}

function morphChildren(old, fresh, takeOver) {
  const known = withKeys(old.children);
  const wanted = withKeys(fresh.children);
  const keyOf = new Map([...known].map(([key, element]) => [element, key]));
  let at = old.firstElementChild;
  for (const [key, element] of wanted) {
    const match = known.get(key);
    if (match === undefined) {
      old.insertBefore(document.importNode(element, true), at);
      continue;
    }
    // What is no longer wanted goes first: to move what is would lose its focus and its place.
    while (at !== null && at !== match && !wanted.has(keyOf.get(at))) at = removed(at);
    if (at === match) at = at.nextElementSibling;
    else old.insertBefore(match, at);
    morph(match, element, takeOver);
  }
  while (at !== null) at = removed(at);
}

function removed(element) {
  const next = element.nextElementSibling;
  element.remove();
  return next;
}

/** Return children by what tells them apart from their siblings. */
function withKeys(children) {
  const found = new Map();
  for (const child of children) {
    const { nodeId, part } = child.dataset;
    const name = `${nodeId ?? part ?? ""} ${child.id} ${child.localName} ${child.classList[0] ?? ""}`;
    let key = name;
    for (let nth = 2; found.has(key); nth += 1) key = `${name} ${nth}`;
    found.set(key, child);
  }
  return found;
}

function isMixed(element) {
  for (const child of element.childNodes) if (child.nodeType === Node.TEXT_NODE && child.data.trim()) return true;
  return false;
}

function copies(nodes) {
  return [...nodes].map((node) => document.importNode(node, true));
}
