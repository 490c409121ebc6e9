/** Ask the server what is wrong with the form as it stands, and show it: marks in the editors, and lists below them. */

import { element } from "./json-editor.js";
import { gettext, ngettext } from "./translation.js";

const PAUSE_MS = 400;
/** A list longer than this isn't read. */
const MOST_SHOWN = 50;

/** Checks a form whenever `soon()` is called, once typing pauses; a late answer to an older text is dropped. */
export class Checker {
  constructor(form, { check, template, editors }) {
    Object.assign(this, { form, editors, address: check, template });
    this._asked = null;
    this._timer = undefined;
    this._pause = PAUSE_MS;
    this._lists = [];
    this._hasBegun = false;
  }

  soon() {
    clearTimeout(this._timer);
    // An answer that is still to come is about a text that isn't there any more.
    this._asked?.abort();
    // Nothing is wrong with what nobody has begun to write.
    this._hasBegun ||= [...this.editors.keys()].some(({ value }) => value.trim() !== "");
    if (!this._hasBegun && this._lists.length === 0) {
      this._say(gettext("Nothing written yet"), "unknown");
      return;
    }
    this._timer = setTimeout(() => this._check(), this._pause);
  }

  async _check() {
    const asked = new AbortController();
    this._asked = asked;
    const began = performance.now();
    try {
      const body = new FormData(this.form);
      body.set("template", this.template);
      const response = await fetch(this.address, {
        method: "POST",
        body,
        signal: asked.signal,
        headers: { Accept: "application/json" },
      });
      const isJson = response.headers.get("Content-Type")?.startsWith("application/json");
      if (asked.signal.aborted) return;
      if (!response.ok || !isJson) return this._say(refusal(response), "unknown");
      const { problems } = await response.json();
      if (!asked.signal.aborted) this.show(problems);
    } catch (error) {
      if (error.name !== "AbortError") this._say(gettext("Not checked: the server can't be reached"), "unknown");
    }
    // A long text takes longer; asking for it all the time would only keep the server busy.
    this._pause = Math.max(PAUSE_MS, Math.min(5000, 3 * (performance.now() - began)));
    return undefined;
  }

  /** Show problems, as the server tells them, in the place of those that are shown. */
  show(problems) {
    for (const list of this._lists.splice(0)) list.remove();
    const all = problems.map((problem) => ({ ...problem, text: sentence(problem) }));
    const definition = [...this.editors.values()].find(({ isDefinition }) => isDefinition);
    for (const editor of this.editors.values())
      editor.mark(all.filter((problem) => this._editorOf(problem) === editor));
    // The server's own list says the same, without the links.
    for (const list of this.form.querySelectorAll(":is(.field-definition, .field-rules, .field-target, .field-base) .errorlist")) {
      const row = list.closest("tr.form-row")?.id ?? null;
      if (all.some((problem) => problem.row === row)) list.remove();
    }
    const inDefinition = all.filter(({ row }) => row === null);
    if (definition) this._list(inDefinition, definition.frame);
    for (const [row, found] of byRow(all)) {
      const cell = this.form.querySelector(`#${CSS.escape(row)} :is(td.field-target, td.field-base)`);
      if (cell) this._list(found, cell.querySelector(".json-editor") ?? cell.lastElementChild);
    }
    const errors = all.filter(({ severity }) => severity === "error");
    this._say(summary(all), errors.length ? "error" : all.length ? "warning" : "fine");
  }

  _say(text, kind) {
    for (const editor of this.editors.values()) editor.say(text, kind);
  }

  _editorOf({ part, row }) {
    for (const [textarea, editor] of this.editors) {
      if (part === "definition" ? editor.isDefinition : part === "binding" && textarea.name === `${row}-target`)
        return editor;
    }
    return null;
  }

  _list(problems, after) {
    if (problems.length === 0) return;
    const list = element("ul", { className: "json-problems errorlist" });
    for (const problem of problems.slice(0, MOST_SHOWN)) list.append(this._item(problem));
    if (problems.length > MOST_SHOWN)
      list.append(
        element("li", { textContent: gettext("and %(count)s more", { count: problems.length - MOST_SHOWN }) }),
      );
    after.after(list);
    this._lists.push(list);
  }

  _item(problem) {
    const item = element("li", { className: `json-${problem.severity}` });
    const editor = this._editorOf(problem);
    if (editor && problem.start) {
      const { line, column } = problem.start;
      const link = element("button", {
        type: "button",
        className: "json-place",
        textContent: gettext("Line %(line)s, column %(column)s", { line, column }),
      });
      link.addEventListener("click", () => editor.goTo(problem.start));
      item.append(link, " ");
    } else if (problem.source) {
      const source = gettext("In “%(name)s”", { name: problem.source });
      item.append(element("b", { textContent: source }), ` ${problem.path || "/"} `);
    }
    item.append(problem.severity === "warning" ? `${gettext("Probably a mistake:")} ${problem.text}` : problem.text);
    return item;
  }
}

function byRow(problems) {
  const rows = new Map();
  for (const problem of problems) {
    if (problem.row !== null) rows.set(problem.row, [...(rows.get(problem.row) ?? []), problem]);
  }
  return rows;
}

function sentence({ message, value, suggestion }) {
  const found = typeof value === "object" || value === "" ? null : String(value);
  const told = found === null || message.includes(found) ? "" : ` — ${gettext("found: %(value)s", { value: found })}`;
  return `${message}${told}.${suggestion ? ` ${suggestion}` : ""}`;
}

function summary(all) {
  const errors = all.filter(({ severity }) => severity === "error");
  // Warnings come only where there are no errors.
  const found = errors.length ? errors : all;
  if (found.length === 0) return gettext("No problems");
  const inDefinition = found.filter(({ row }) => row === null).length;
  const elsewhere = found.length - inDefinition;
  const counted = (number) =>
    errors.length
      ? ngettext("%(count)s problem", "%(count)s problems", number)
      : ngettext("%(count)s warning", "%(count)s warnings", number);
  if (elsewhere === 0) return counted(inDefinition);
  return inDefinition === 0
    ? gettext("%(found)s in the rows below", { found: counted(elsewhere) })
    : gettext("%(found)s, %(more)s more below", { found: counted(inDefinition), more: elsewhere });
}

function refusal(response) {
  if (response.status === 413 || response.status === 400) return gettext("Not checked: the text is too long");
  if (response.redirected || response.status === 403)
    return gettext("Not checked: you are signed out, or may not change this");
  return gettext("Not checked: the server answered %(status)s", { status: response.status });
}
