/**
 * What may be written at a place in a definition or a binding's target: keys, values, names, states, references.
 *
 *     const { items, start, end } = complete(text, offset, { kind, vocabulary, bindings, explicit });
 *
 * An item is {caption, meta, snippet, score, doc, again}: `snippet` replaces the text from `start` to `end`, with `$0`
 * where the cursor goes; `again` says that something may be chosen there in turn. `comma` is where one is missing, or
 * null.
 */

import { actionsIn, dataKeys, overriding, runsSomething, statesIn } from "./actions.js";
import {
  LIFECYCLE,
  documentAction,
  documentBinding,
  documentScript,
  documentText,
  documentValue,
} from "./documentation.js";
import { contextAt, nodeAt, valueOf } from "./json-tree.js";
import { describeTypes, keysOf, optionsOf, stepInto, typesOf, valuesOf } from "./schema.js";
import { gettext } from "./translation.js";

const PLACEHOLDER = /%\{(param|data|attr):([^{}"]+)\}/g;
const ATTRIBUTES = ["user", "state", "error", "action", "process"];

/** Return the items for an offset of a text; `bindings` are those in the form, [{reference, target}]. */
export function complete(text, offset, { kind, vocabulary, bindings, explicit = true }) {
  const context = contextAt(text, offset);
  const place = new Place(text, offset, context, { kind, vocabulary, bindings, explicit });
  return place.complete();
}

class Place {
  constructor(text, offset, context, { kind, vocabulary, bindings, explicit }) {
    Object.assign(this, { text, offset, context, kind, vocabulary, explicit });
    this.bindings = new Map();
    for (const one of vocabulary.inherited.bindings) this.bindings.set(one.reference, one);
    for (const one of bindings) this.bindings.set(one.reference, { ...one, source: null });
    this.scripts = new Map(
      vocabulary.scripts.flatMap((script) => [script.name, ...script.aliases].map((name) => [name, script])),
    );
    this.actions = kind === "definition" ? actionsIn(context.root) : [];
    const { token } = context;
    this.start = token?.start ?? offset;
    this.end = !token ? offset : token.type === "string" && !token.closed ? offset : token.end;
    this.before = token ? text.slice(token.start + 1, offset) : "";
  }

  complete() {
    const { path, role, token, before } = this.context;
    // After a comma or a bracket most people go to the next line: Enter mustn't choose something there.
    if (!this.explicit && !token && before?.type !== ":") return { items: [], start: this.start, end: this.end };
    const options = this.optionsAt(path);
    const inText = token?.type === "string";
    let items = [];
    if (role === "key") items = this.keys(options);
    else if (inText && this.isInConfig(path) && /%\{?[^{}]*$/.test(this.before)) return this.placeholders();
    else if (inText && this.isInConfig(path) && this.before.startsWith("$")) items = this.references();
    else items = this.values(options, path);
    return this.punctuated(items);
  }

  /** Give the items with the comma that is missing behind them, and say where one is missing before. */
  punctuated(items) {
    const { role, before, after, holder } = this.context;
    const isMember = role === "key" || holder?.kind === "array";
    const follows = holder && after && ["string", "word", "{", "["].includes(after.type) ? "," : "";
    const comma = isMember && before && !["{", "[", ",", ":"].includes(before.type) ? before.end : null;
    const blank = comma === this.start ? " " : "";
    return {
      items: items.map((item) => ({ ...item, snippet: blank + item.snippet + follows })),
      start: this.start,
      end: this.end,
      comma,
    };
  }

  optionsAt(path) {
    const schema = this.kind === "definition" ? this.vocabulary.definition : this.vocabulary.target;
    let options = optionsOf(schema, schema);
    path.forEach((part, index) => {
      const inner = stepInto(options, part);
      options = inner.flatMap((option) =>
        option.schema["x-config"]
          ? this.configOptions(valueOf(nodeAt(this.context.root, path.slice(0, index))))
          : [option],
      );
    });
    return options;
  }

  isInConfig(path) {
    return this.kind === "definition" && path.slice(0, 4).includes("config");
  }

  /** Return the script that an action runs, "process" where it is a process, or undefined. */
  scriptOf(action) {
    const reference = action && "script" in action ? action.script : action?.name;
    const bound = this.bindings.get(reference);
    if (!bound) return this.scripts.get(reference);
    if (bound.target && typeof bound.target === "object" && "process" in bound.target) return "process";
    return this.scripts.get(typeof bound.target === "string" ? bound.target : bound.target?.script);
  }

  configOptions(action) {
    const script = this.scriptOf(action);
    if (script === "process") {
      const entry = { type: "string", description: gettext("The action at which the process is entered.") };
      return optionsOf({ type: "object", properties: { action: entry } }, {});
    }
    return script?.config ? optionsOf(script.config, script.config) : [];
  }

  /** The action that the cursor is in, as far as it is written. */
  currentAction() {
    const { path, root } = this.context;
    return valueOf(nodeAt(root, root?.kind === "array" ? path.slice(0, 1) : path.slice(0, 2)));
  }

  // --- keys

  keys(options) {
    const { holder, token, after } = this.context;
    const given = new Set(holder.members.filter((one) => one.keyToken !== token).map((one) => one.key));
    const onlyKey = after?.type === ":";
    const items = keysOf(options)
      .filter(({ key }) => !given.has(key))
      .map(({ key, options: inner, required }, index) => this.key(key, inner, { onlyKey, required, index }));
    if (options.some(({ schema }) => schema["x-keys"] === "state")) {
      for (const [state, meta, doc] of this.states()) {
        if (given.has(state)) continue;
        const snippet = quoted(state) + (onlyKey ? "" : ": $0");
        items.push({
          caption: state,
          meta,
          snippet,
          score: state === "*" ? 1 : 500,
          doc: documentText(state, doc),
          again: !onlyKey,
        });
      }
    }
    return items;
  }

  key(key, options, { onlyKey, required, index }) {
    const [value, again] = onlyKey ? ["", false] : this.skeleton(key, options);
    return {
      caption: key,
      meta: required ? gettext("required") : describeTypes(options),
      snippet: quoted(key) + (onlyKey ? "" : `: ${value}`),
      score: (required ? 2000 : 1000) - index,
      doc: documentValue(key, options, { required }),
      again,
    };
  }

  /** Return the first text of a member's value, and whether something may be chosen in it. */
  skeleton(key, options) {
    if (options.some(({ schema }) => schema["x-config"])) {
      return this.scriptOf(this.currentAction())?.config === null ? ["$0", false] : ["{$0}", true];
    }
    if (options.some(({ schema }) => schema["x-keys"])) return ["$0", true];
    const kinds = options.filter((option) => !typesOf(option).every((type) => type === "null"));
    const [{ schema } = { schema: {} }] = kinds;
    const types = kinds.flatMap(typesOf).filter((type) => type !== "null");
    if ("const" in schema) return [JSON.stringify(schema.const), false];
    if (types.includes("string")) return ['"$0"', true];
    if (types.includes("boolean"))
      return typeof schema.default === "boolean" ? [`${!schema.default}`, false] : ["$0", true];
    if (types.includes("array")) return ["[$0]", true];
    if (types.includes("object")) return ["{$0}", true];
    if (typeof schema.default === "number") return [`\${0:${schema.default}}`, false];
    return ["$0", types.length === 0];
  }

  states() {
    const action = this.currentAction();
    const script = this.scriptOf(action);
    const found = new Map();
    const add = (state, meta, doc) =>
      typeof state === "string" && state && !found.has(state) && found.set(state, [state, meta, doc]);
    for (const state of statesIn(action?.config))
      add(state, gettext("set here"), gettext("Set by this action's config."));
    for (const state of script?.states ?? [])
      add(state, script.name, gettext("Set by %(name)s.", { name: script.name }));
    for (const other of [...this.actions, ...this.vocabulary.inherited.actions]) {
      if (other.next && typeof other.next === "object") {
        for (const state of Object.keys(other.next))
          add(
            state,
            gettext("used elsewhere"),
            gettext("A state in the next clause of %(name)s.", { name: other.name }),
          );
      }
    }
    found.delete("*");
    found.set("*", ["*", gettext("any other"), gettext("Every state without a branch of its own, and no state.")]);
    return found.values();
  }

  // --- values

  values(options, path) {
    const { token } = this.context;
    const names = new Set(options.map(({ schema }) => schema["x-names"]).filter(Boolean));
    // A script's config that names an action says so by its key.
    const isText = options.some((option) => typesOf(option).includes("string"));
    if (
      path.at(-1) === "action" &&
      this.isInConfig(path) &&
      isText &&
      this.scriptOf(this.currentAction()) !== "process"
    )
      names.add("action");
    const items = [...names].flatMap((name) => this.names(name));
    for (const { value, schema } of valuesOf(options)) {
      if (token?.type === "string" && typeof value !== "string") continue;
      const caption = typeof value === "string" ? value : JSON.stringify(value);
      const meta = "default" in schema && schema.default === value ? gettext("default") : "";
      const said = this.meaningOf(value, names) ?? schema.description;
      items.push({ caption, meta, snippet: quoted(value), score: 900, doc: documentText(caption, said) });
    }
    if (!token || token.type === "word") items.push(...this.containers(options, path));
    const isEmpty = !token || this.before === "";
    if (this.isInConfig(path) && isEmpty && path.at(-1) !== "config" && (this.explicit || names.size > 0))
      items.push(...this.references());
    return items;
  }

  meaningOf(value, names) {
    if (!names.has("next")) return undefined;
    return value === true
      ? gettext("Go on with the next action; the usual.")
      : value === false
        ? gettext("End the process here.")
        : undefined;
  }

  names(kind) {
    const text = (caption, meta, doc, score = 800) => ({ caption, meta, snippet: quoted(caption), score, doc });
    if (kind === "script" || kind === "registered") {
      const scripts = this.vocabulary.scripts.map((one) =>
        text(one.name, one.durable ? gettext("durable") : one.effect, documentScript(one), 700),
      );
      const runs = kind === "script" ? [...this.bindings.values()].filter(({ target }) => runsSomething(target)) : [];
      return [...runs.map((one) => text(one.reference, gettext("binding"), documentBinding(one))), ...scripts];
    }
    if (kind === "process") {
      return this.vocabulary.processes.map(({ slug, title }) =>
        text(slug, gettext("process"), documentText(slug, title)),
      );
    }
    const { lifecycle, inherited } = this.vocabulary;
    const named = this.actions.filter(({ name }) => typeof name === "string" && name);
    const own = new Map(named.map((action) => [action.name, { ...action, source: null }]));
    if (kind === "new") {
      const needed = this.actions.flatMap((action) => Object.entries(this.scriptOf(action)?.requires ?? {}));
      const current = this.currentAction()?.name;
      // A name is made up; those that are known come up by themselves only where one of them has been begun.
      const isBegun = (name) =>
        this.explicit || (this.before && name.toLowerCase().startsWith(this.before.toLowerCase()));
      const isNew = (name) => (!own.has(name) || name === current) && isBegun(name);
      return [
        ...needed
          .filter(([name]) => isNew(name))
          .map(([name, script]) => {
            const said = gettext("Needed here; %(name)s is made for it.", { name: script });
            return text(name, gettext("needed"), documentText(name, said));
          }),
        ...inherited.actions
          .filter(({ name }) => isNew(name))
          .map((one) => text(one.name, gettext("overrides %(name)s", { name: one.source }), documentAction(one))),
        ...lifecycle.all
          .filter(isNew)
          .map((name) => text(name, gettext("lifecycle"), documentText(name, LIFECYCLE[name]), 300)),
      ];
    }
    const all = new Map([...inherited.actions.map((one) => [one.name, one]), ...own]);
    const may = (name) => kind !== "next" || !lifecycle.all.includes(name) || lifecycle.jumpable.includes(name);
    return [...all.values()]
      .filter(({ name }) => may(name))
      .map((one) => text(one.name, one.source ?? gettext("action"), documentAction(one)));
  }

  containers(options, path) {
    const items = [];
    const isAction = options.some(({ schema }) => schema.title === "Action");
    if (isAction) {
      const script = this.vocabulary.scripts.length ? '"${2}"' : "null";
      const snippet = `{\n  "name": "\${1:name}",\n  "script": ${script}\n}`;
      items.push({
        caption: gettext("action"),
        meta: gettext("new"),
        snippet,
        score: 2000,
        doc: documentText(gettext("A new action"), gettext("A name, and a script to run.")),
      });
      const own = new Set(this.actions.map(({ name }) => name));
      for (const one of this.vocabulary.inherited.actions.filter(({ name }) => !own.has(name))) {
        items.push({
          caption: one.name,
          meta: gettext("override %(name)s", { name: one.source }),
          snippet: `${escaped(overriding(one))}$0`,
          score: 900,
          doc: documentAction(one),
        });
      }
      return items;
    }
    for (const option of options) {
      const types = typesOf(option);
      if (path.length === 0 && this.kind === "definition" && types.includes("array")) {
        const snippet = '[\n  {\n    "name": "${1:name}",\n    "script": "${2}"\n  }\n]';
        items.push({
          caption: "[…]",
          meta: gettext("definition"),
          snippet,
          score: 2000,
          doc: documentText(gettext("A new definition"), option.schema.description),
        });
      } else if (types.includes("object")) {
        const keys = (option.schema.required ?? []).map((key, index) => `"${key}": \${${index + 1}}`);
        const lookup = option.schema["x-keys"] ? gettext("lookup") : gettext("object");
        items.push({
          caption: "{…}",
          meta: lookup,
          snippet: keys.length ? `{${keys.join(", ")}}` : "{$0}",
          score: path.length ? 400 : 1000,
          doc: documentText("{…}", option.schema.description),
          again: !keys.length,
        });
      } else if (types.includes("array")) {
        items.push({
          caption: "[…]",
          meta: gettext("list"),
          snippet: "[$0]",
          score: 400,
          doc: documentText("[…]", option.schema.description),
          again: true,
        });
      }
    }
    return items;
  }

  // --- references and placeholders

  references() {
    return [...this.bindings.values()].map((one) => {
      const caption = `\${${one.reference}}`;
      return {
        caption,
        meta: one.source ?? gettext("binding"),
        snippet: quoted(caption),
        score: 200,
        doc: documentBinding(one),
      };
    });
  }

  placeholders() {
    const start = this.offset - this.before.length + this.before.lastIndexOf("%");
    const rest = /^[^{}"\n]*\}/.exec(this.text.slice(this.offset));
    const seen = new Map([["%{now}", gettext("The present time, in ISO 8601.")]]);
    const add = (source, name, said) => seen.set(`%{${source}:${name}}`, said);
    for (const name of dataKeys(this.actions))
      add("data", name, gettext("“%(name)s” in the process's data.", { name }));
    for (const [, source, name] of this.text.matchAll(PLACEHOLDER))
      add(source, name, gettext("Used in this definition."));
    for (const name of ATTRIBUTES)
      add("attr", name, gettext("The attribute “%(name)s” of the running process.", { name }));
    const items = [...seen].map(([caption, said]) => ({
      caption,
      meta: caption.split(/[{:}]/)[1],
      snippet: escaped(caption),
      score: 500,
      doc: documentText(caption, said),
    }));
    for (const [source, said] of [
      ["data", gettext("A value in the process's data; a.b goes into objects.")],
      ["param", gettext("A parameter of the request.")],
    ]) {
      items.push({
        caption: `%{${source}:…}`,
        meta: source,
        snippet: `%{${source}:\${0:name}\\}`,
        score: 400,
        doc: documentText(`%{${source}:name}`, said),
      });
    }
    return { items, start, end: this.offset + (rest?.[0].length ?? 0) };
  }
}

/** Write a value as JSON, for a snippet. */
function quoted(value) {
  return escaped(JSON.stringify(value));
}

function escaped(text) {
  return text.replace(/[\\$}]/g, "\\$&");
}
