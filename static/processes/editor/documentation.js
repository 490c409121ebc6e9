/** The small pages beside the list of completions, as HTML. */

import { describeTypes, valuesOf } from "./schema.js";
import { gettext } from "./translation.js";

const EFFECTS = {
  pure: gettext("Changes nothing outside."),
  idempotent: gettext("May run again after a crash."),
  transactional: gettext("What it writes is committed with the checkpoint: exactly once."),
  once: gettext("Never runs twice."),
};

/** When the interpreter runs each lifecycle action. */
export const LIFECYCLE = {
  "@start": gettext("Runs before the first action."),
  "@end": gettext("Runs after the last action, if there was no error."),
  "@default": gettext("Runs where no action was asked for."),
  "@unknown": gettext("Runs where an action was asked for that isn't declared."),
  "@error": gettext("Runs after an error; reset_error lets the process go on."),
};

/** Describe anything by a heading, text with empty lines between its paragraphs, and JSON. */
export function documentText(heading, text, json) {
  return page(heading, [...paragraphs(text), json && `<pre>${escape(shortened(json))}</pre>`]);
}

/** Describe a value that a schema tells about. */
export function documentValue(heading, options, { required = false } = {}) {
  const schemas = options.map(({ schema }) => schema);
  const said = [...new Set(schemas.map(({ description }) => description).filter(Boolean))];
  const listed = valuesOf(options)
    .filter(({ schema }) => schema.enum)
    .map(({ value }) => JSON.stringify(value));
  const initial = schemas.find((schema) => "default" in schema)?.default;
  const facts = [
    [gettext("Takes"), listed.length ? listed.join(", ") : describeTypes(options)],
    [gettext("Without it"), required || initial === undefined || initial === null ? null : JSON.stringify(initial)],
  ];
  return page(heading, [...said.flatMap(paragraphs), ...facts.map(fact)], required ? gettext("required") : "");
}

/** Describe a script: what it does, its effect, its config's keys, its errors. */
export function documentScript(script) {
  const config = script.config?.properties ?? {};
  const keys = Object.keys(config).map((key) =>
    script.config.required?.includes(key) ? gettext("%(name)s (required)", { name: key }) : key,
  );
  const facts = [
    [gettext("Config"), keys.join(", ")],
    [gettext("States"), script.states.join(", ")],
    [gettext("Needs the action"), Object.keys(script.requires).join(", ")],
    [gettext("Errors"), Object.keys(script.errors).join(", ")],
    [gettext("Also called"), script.aliases.join(", ")],
  ];
  const effect = `<p>${escape(EFFECTS[script.effect] ?? "")}</p>`;
  return page(script.name, [...paragraphs(script.documentation), effect, ...facts.map(fact)], script.effect);
}

/** Describe an action, by its comment and what it runs. */
export function documentAction({ name, comment, script, source }) {
  const runs = script === null ? gettext("Runs nothing.") : gettext("Runs %(name)s.", { name: script ?? name });
  const from = source && gettext("From “%(name)s”.", { name: source });
  return documentText(name, [comment, runs, from].filter(Boolean).join("\n\n"));
}

/** Describe a binding by its target. */
export function documentBinding({ reference, target, source }) {
  const written = JSON.stringify(target, null, 2) ?? gettext("(not valid yet)");
  const said = source ? gettext("Bound in “%(name)s”.", { name: source }) : gettext("Bound below.");
  return documentText(reference, said, written);
}

function page(heading, parts, note = "") {
  const beside = note ? ` <small>${escape(note)}</small>` : "";
  return `<b>${escape(heading)}</b>${beside}${parts.filter(Boolean).join("")}`;
}

function paragraphs(text) {
  const found = (text ?? "").split(/\n\s*\n/).filter((part) => part.trim());
  return found.slice(0, 4).map((part) => `<p>${code(escape(part.trim()))}</p>`);
}

function fact([name, value]) {
  return value ? `<p><i>${escape(name)}:</i> ${escape(value)}</p>` : "";
}

function code(html) {
  return html.replace(/`([^`]+)`/g, "<code>$1</code>");
}

function shortened(text) {
  return text.length > 600 ? `${text.slice(0, 600)}…` : text;
}

function escape(text) {
  return String(text).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
