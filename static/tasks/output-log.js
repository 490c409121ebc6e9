/**
 * A scrolling log that is followed to its end, or held still while somebody reads: by its Pause button, or by scrolling up.
 *
 * What is held doesn't move. How many lines have come meanwhile stands on a button that leads to them.
 */

/** Pixels from the end that still count as the end. */
const AT_END = 24;
/** Text that the page keeps of a log. */
const KEPT = 65536;

const logs = new WeakMap();
/** Logs that have been written to and aren't scrolled to their end yet. */
const unsettled = new Set();

export class OutputLog {
  /** Return the log of an element, which the server or a blueprint has drawn (templates/processes/_log.html). */
  static of(element, words) {
    return logs.get(element) ?? new OutputLog(element, words);
  }

  /** Return the log of an element, or undefined where it has none yet. */
  static known(element) {
    return logs.get(element);
  }

  /** Scroll all that has been written to its end: once for all logs, since each look at a size lays the page out. */
  static settle() {
    for (const log of unsettled) log._toEnd();
    unsettled.clear();
  }

  constructor(element, words) {
    logs.set(element, this);
    this._words = words;
    this._box = element.querySelector(".output");
    this._pause = element.querySelector(".log-pause");
    this._news = element.querySelector(".log-news");
    /** "" while it is followed, else what holds it: "button" or "scrolling". */
    this._heldBy = "";
    this._text = this._box.textContent;
    this._shown = this._text;
    /** Line breaks that had come, in all, when the text was shown. */
    this._shownLines = undefined;
    this._lines = undefined;
    this._top = 0;
    element.querySelector(".log-bar").hidden = false;
    this._pause.addEventListener("click", () => this._hold(this._heldBy ? "" : "button"));
    this._news.addEventListener("click", () => {
      // The button goes; the keyboard goes on where the news are.
      this._box.focus({ preventScroll: true });
      this._hold("");
    });
    this._box.addEventListener("scroll", () => this._look(), { passive: true });
    unsettled.add(this);
  }

  /**
   * Show a text, of which `lines` line breaks have come so far, those included that are no longer kept. Whoever has drawn
   * all there is calls `settle`.
   */
  draw(text, lines) {
    if (text.length > KEPT) text = text.slice(-KEPT);
    if (text === this._text && lines === this._lines) return;
    this._text = text;
    this._lines = lines;
    if (this._heldBy) this._count();
    else this._write();
  }

  /** See whether the reader has scrolled away from the end, or back to it. */
  _look() {
    const { scrollHeight, scrollTop, clientHeight } = this._box;
    const isAtEnd = scrollHeight - scrollTop - clientHeight < AT_END;
    // The end also goes away from the reader when the window gets narrower; that isn't scrolling up.
    const wentUp = scrollTop < this._top;
    this._top = scrollTop;
    if (!this._heldBy && !isAtEnd && wentUp) this._hold("scrolling");
    else if (this._heldBy === "scrolling" && isAtEnd) this._hold("");
  }

  _hold(by) {
    this._heldBy = by;
    this._pause.setAttribute("aria-pressed", String(by !== ""));
    if (by) {
      unsettled.delete(this);
      this._count();
    } else {
      this._write();
      OutputLog.settle();
    }
  }

  _count() {
    const text = this._text;
    if (text === this._shown) {
      this._news.hidden = true;
      return;
    }
    const isKnown = this._lines !== undefined && this._shownLines !== undefined && this._lines >= this._shownLines;
    const since = isKnown ? this._lines - this._shownLines : lineBreaks(text) - lineBreaks(this._shown);
    // A line that isn't finished is new as well.
    this._news.textContent = this._words.count("new-lines", Math.max(1, since));
    this._news.hidden = false;
  }

  _write() {
    const text = this._text;
    const shown = this._shown;
    if (text !== shown) {
      if (shown && text.startsWith(shown)) this._box.append(text.slice(shown.length));
      else this._box.textContent = text;
      this._shown = text;
    }
    this._shownLines = this._lines;
    this._news.hidden = true;
    unsettled.add(this);
  }

  _toEnd() {
    this._box.scrollTop = this._box.scrollHeight;
    this._top = this._box.scrollTop;
  }
}

function lineBreaks(text) {
  let count = 0;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) count += 1;
  return count;
}
