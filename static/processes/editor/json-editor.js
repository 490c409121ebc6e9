/**
 * One JSON text area with the Ace editor over it: highlighting, completion, marks, a toolbar.
 *
 * The text area stays the form's field, always up to date. Ace asks for no worker and no inline style, so the pages'
 * Content-Security-Policy needs no exception.
 */

/* global ace */

import { complete } from "./completion.js";
import { format, levelsOf } from "./json-tree.js";
import { gettext } from "./translation.js";

const THEMES = { light: "ace/theme/github_light_default", dark: "ace/theme/github_dark" };
const DARK = window.matchMedia("(prefers-color-scheme: dark)");
/** What may stand in a name; completion looks at so much before the cursor. */
const IN_NAME = /[\p{L}\p{N}_@$%*.-]/u;
const OPENS_COMPLETION = ['"', " ", "{", "%", "$"];

ace.config.set("useStrictCSP", true);
ace.config.set("loadWorkerFromBlob", false);

/** An Ace editor over a text area; `words()` gives what completion needs, `onChange` is told of every change. */
export class JsonEditor {
  constructor(textarea, { label, words, onChange }) {
    Object.assign(this, { textarea, label, words });
    this.kind = textarea.dataset.json;
    /** What has a toolbar, and is checked as a whole. */
    this.isDefinition = this.kind === "definition" || this.kind === "rules";
    /** What is a document, and not a value in a row. */
    this.isWhole = this.isDefinition || this.kind === "data";
    this._marks = [];
    this._build();
    this._ace = this._start();
    this.session = this._ace.session;
    this.session.on("change", () => {
      this.textarea.value = this.text;
      onChange(this);
    });
    this._watchTheme();
  }

  /** The text as it stands. */
  get text() {
    return this.session.getValue();
  }

  /** Take over what the browser has put back into the field. */
  takeOver() {
    const text = unix(this.textarea.value);
    if (text !== this.text && this.session.getUndoManager().isClean()) this.session.setValue(text);
  }

  /** Put the cursor at a line and column, both from 1. */
  goTo({ line, column }) {
    this._show("editor");
    this._ace.focus();
    this._ace.gotoLine(line, column - 1, false);
    this._ace.renderer.scrollCursorIntoView(null, 0.3);
  }

  /** Mark problems {text, start, end, severity} at their places; those before are taken away. */
  mark(problems) {
    for (const { id, range } of this._marks) {
      this.session.removeMarker(id);
      range.start.detach();
      range.end.detach();
    }
    const { Range } = ace.require("ace/range");
    const placed = problems.filter(({ start }) => start);
    this._marks = placed.map(({ start, end, severity }) => {
      const range = new Range(start.line - 1, start.column - 1, end.line - 1, end.column - 1);
      if (range.isEmpty()) this._widen(range);
      // Anchors, so that a mark moves with its text until the next check.
      range.start = this.session.doc.createAnchor(range.start);
      range.end = this.session.doc.createAnchor(range.end);
      return { range, id: this.session.addMarker(range, `json-mark json-mark-${severity}`, "text") };
    });
    const annotations = placed.map(({ start, text, severity }) => ({
      row: start.line - 1,
      column: start.column - 1,
      text,
      type: severity,
    }));
    this.session.setAnnotations(annotations);
    this.frame.classList.toggle(
      "has-problems",
      problems.some(({ severity }) => severity === "error"),
    );
  }

  /** Make a mark out of a mere place: the character there, or the last one before it. */
  _widen(range) {
    const atEnd = range.end.column >= this.session.getLine(range.end.row).length;
    if (!atEnd) range.end.column += 1;
    else range.start.column = Math.max(0, range.start.column - 1);
  }

  /** Say how the text stands, in a word or two. */
  say(text, kind) {
    if (!this.status || this.status.textContent === text) return;
    this.status.textContent = text;
    this.status.dataset.kind = kind;
  }

  /** Lay the text out anew; refuse what isn't JSON. */
  format() {
    let text;
    try {
      text = format(this.text, this.isDefinition ? levelsOf(this.text) : 0);
    } catch (error) {
      this.say(gettext("Not formatted: this isn't valid JSON yet"), "error");
      return;
    }
    if (text === this.text) return;
    const cursor = this._ace.getCursorPosition();
    const { Range } = ace.require("ace/range");
    const last = this.session.getLength() - 1;
    this.session.replace(new Range(0, 0, last, this.session.getLine(last).length), text);
    this._ace.moveCursorToPosition(cursor);
    this._ace.clearSelection();
  }

  destroy() {
    this._theme.disconnect();
    DARK.removeEventListener("change", this._paint);
    this._ace.destroy();
    this.frame.remove();
  }

  _build() {
    this.frame = element("div", { className: `json-editor is-${this.kind}` });
    this.surface = element("div", { className: "json-surface" });
    if (this.isDefinition) this.frame.append(this._toolbar());
    this.frame.append(this.surface);
    this.textarea.before(this.frame);
    this.textarea.classList.add("is-covered");
    for (const label of this.textarea.labels)
      label.addEventListener("click", () => this._mode !== "text" && this._ace.focus());
  }

  _toolbar() {
    const bar = element("div", { className: "json-toolbar", role: "toolbar", ariaLabel: gettext("Editor") });
    const button = (text, title, act) => {
      const made = element("button", { type: "button", textContent: text, title });
      made.addEventListener("click", () => act(made));
      bar.append(made);
      return made;
    };
    button(gettext("Format"), gettext("Lay the JSON out anew"), () => this.format());
    button(gettext("Find"), gettext("Find and replace (Ctrl-F)"), () => this._ace.execCommand("find"));
    button(gettext("Fold"), gettext("Show each action in one line, or all of them whole"), (made) => this._fold(made));
    button(gettext("Full screen"), gettext("Use the whole window (F11 in the editor)"), () => this._fill());
    this._plain = button(gettext("Plain text"), gettext("Edit in a plain text field"), () =>
      this._show(this._mode === "text" ? "editor" : "text"),
    );
    this._plain.setAttribute("aria-pressed", "false");
    this.status = element("span", { className: "json-status", role: "status" });
    bar.append(this.status);
    return bar;
  }

  _start() {
    const editor = ace.edit(this.surface, {
      mode: "ace/mode/json",
      theme: this._themeName(),
      useWorker: false,
      newLineMode: "unix",
      tabSize: 2,
      useSoftTabs: true,
      showPrintMargin: false,
      showGutter: this.isWhole,
      highlightActiveLine: this.isWhole,
      displayIndentGuides: this.isWhole,
      minLines: this.isDefinition ? 14 : this.isWhole ? 8 : 2,
      maxLines: this.isWhole ? 36 : 12,
      fontSize: "13px",
      fontFamily: "ui-monospace, SFMono-Regular, Menlo, Consolas, 'Liberation Mono', monospace",
      enableKeyboardAccessibility: true,
      textInputAriaLabel: this.label,
      enableBasicAutocompletion: [this._completer()],
      enableLiveAutocompletion: true,
    });
    editor.session.setValue(unix(this.textarea.value));
    editor.renderer.setPadding(8);
    editor.renderer.setScrollMargin(4, 4);
    // A quote begins something new: a list that is open is closed, so that Ace makes another one.
    editor.commands.on("exec", ({ command, args }) => {
      if (command.name === "insertstring" && args === '"') editor.completer?.detach();
    });
    if (this.isDefinition) {
      editor.commands.addCommand({
        name: "format",
        bindKey: { win: "Ctrl-Shift-F", mac: "Command-Shift-F" },
        exec: () => this.format(),
      });
      editor.commands.addCommand({ name: "fullscreen", bindKey: "F11", exec: () => this._fill() });
    }
    return editor;
  }

  _completer() {
    const completer = {
      id: "process",
      identifierRegexps: [IN_NAME],
      triggerCharacters: OPENS_COMPLETION,
      getCompletions: (editor, session, position, prefix, answer) => {
        const words = this.words();
        if (!words) return answer(null, []);
        const offset = session.doc.positionToIndex(position);
        const explicit = !editor.completer?.autoShown;
        const found = complete(session.getValue(), offset, { kind: this.kind, explicit, ...words });
        // What Ace itself does with a value never happens: insertMatch puts the snippet in.
        return answer(
          null,
          found.items.map((item) => ({ ...item, value: item.caption, docHTML: item.doc, completer })),
        );
      },
      insertMatch: (editor, item) => this._insert(editor, item),
    };
    return completer;
  }

  /** Put a chosen item in, at the place as it is now: more may have been typed since the list was made. */
  _insert(editor, { caption, snippet }) {
    const { doc } = editor.session;
    const words = this.words();
    const now = complete(editor.session.getValue(), doc.positionToIndex(editor.getCursorPosition()), {
      kind: this.kind,
      ...words,
    });
    const item = now.items.find((one) => one.caption === caption) ?? { snippet };
    const { Range } = ace.require("ace/range");
    const { snippetManager } = ace.require("ace/snippets");
    const shift = now.comma === null || now.comma === undefined ? 0 : 1;
    if (shift) editor.session.insert(doc.indexToPosition(now.comma), ",");
    const range = Range.fromPoints(doc.indexToPosition(now.start + shift), doc.indexToPosition(now.end + shift));
    editor.session.replace(range, "");
    editor.moveCursorToPosition(range.start);
    editor.clearSelection();
    snippetManager.insertSnippet(editor, item.snippet);
    // Once Ace has closed this list.
    if (item.again) setTimeout(() => editor.execCommand("startAutocomplete"));
    return true;
  }

  _fold(button) {
    const folded = this.session.getAllFolds().length > 0;
    if (folded) this.session.unfold();
    else this.session.foldAll(1);
    button.setAttribute("aria-pressed", String(!folded));
  }

  _fill() {
    const fills = this.frame.classList.toggle("fills-window");
    document.documentElement.classList.toggle("has-full-editor", fills);
    this._ace.setOptions(fills ? { maxLines: undefined, minLines: undefined } : { minLines: 14, maxLines: 36 });
    if (fills) this.surface.style.height = "";
    this._ace.resize(true);
    this._ace.focus();
  }

  /** Show the editor, or the text area below it. */
  _show(mode) {
    if (!this.isDefinition || (this._mode ?? "editor") === mode) return;
    this._mode = mode;
    const plain = mode === "text";
    this.surface.hidden = plain;
    this.textarea.classList.toggle("is-covered", !plain);
    this._plain.setAttribute("aria-pressed", String(plain));
    if (plain) {
      this.textarea.addEventListener("input", this._adopt);
      this.textarea.focus();
    } else {
      this.textarea.removeEventListener("input", this._adopt);
      this._ace.resize(true);
      this._ace.focus();
    }
  }

  /** Take over what is typed into the plain field; undo knows it too. */
  _adopt = () => this.session.doc.setValue(unix(this.textarea.value));

  _watchTheme() {
    this._paint = () => this._ace.setTheme(this._themeName());
    this._theme = new MutationObserver(this._paint);
    this._theme.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    DARK.addEventListener("change", this._paint);
  }

  _themeName() {
    const chosen = document.documentElement.dataset.theme ?? "auto";
    const isDark = chosen === "dark" || (chosen !== "light" && DARK.matches);
    return isDark ? THEMES.dark : THEMES.light;
  }
}

/** Make an element with properties. */
export function element(name, properties = {}) {
  return Object.assign(document.createElement(name), properties);
}

function unix(text) {
  return text.replace(/\r\n?/g, "\n");
}
