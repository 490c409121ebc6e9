/** The small pages beside the list of completions, as HTML. */

import { describeTypes, valuesOf } from "./schema.js";

const EFFECTS = {
  pure: "Changes nothing outside.",
  idempotent: "May run again after a crash.",
  transactional: "What it writes is committed with the checkpoint: exactly once.",
  once: "Never runs twice.",
};

/** When the interpreter runs each lifecycle action. */
export const LIFECYCLE = {
  "@start": "Runs before the first action.",
  "@end": "Runs after the last action, if there was no error.",
  "@default": "Runs where no action was asked for.",
  "@unknown": "Runs where an action was asked for that isn't declared.",
  "@error": "Runs after an error; reset_error lets the process go on.",
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
    ["Takes", listed.length ? listed.join(", ") : describeTypes(options)],
    ["Without it", required ? null : initial === undefined || initial === null ? null : JSON.stringify(initial)],
  ];
  return page(heading, [...said.flatMap(paragraphs), ...facts.map(fact)], required ? "required" : "");
}

/** Describe a script: what it does, its effect, its config's keys, its errors. */
export function documentScript(script) {
  const config = script.config?.properties ?? {};
  const keys = Object.keys(config).map((key) => (script.config.required?.includes(key) ? `${key} (required)` : key));
  const facts = [
    ["Config", keys.join(", ")],
    ["States", script.states.join(", ")],
    ["Needs the action", Object.keys(script.requires).join(", ")],
    ["Errors", Object.keys(script.errors).join(", ")],
    ["Also called", script.aliases.join(", ")],
  ];
  const effect = `<p>${escape(EFFECTS[script.effect] ?? "")}</p>`;
  return page(script.name, [...paragraphs(script.documentation), effect, ...facts.map(fact)], script.effect);
}

/** Describe an action, by its comment and what it runs. */
export function documentAction({ name, comment, script, source }) {
  const runs = script === null ? "Runs nothing." : `Runs ${script ?? name}.`;
  return documentText(name, [comment, runs, source && `From “${source}”.`].filter(Boolean).join("\n\n"));
}

/** Describe a binding by its target. */
export function documentBinding({ reference, target, source }) {
  const written = JSON.stringify(target, null, 2) ?? "(not valid yet)";
  return documentText(reference, source ? `Bound in “${source}”.` : "Bound below.", written);
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
