/**
 * What a JSON Schema says about a place: the schemas that a path leads to, and what may be written there.
 *
 * An option is {schema, root}: a schema without references, and the document that its references mean.
 */

import { gettext } from "./translation.js";

const DEEPEST = 20;

/** Return the options behind a schema: references followed, alternatives parted. */
export function optionsOf(schema, root, depth = 0) {
  if (typeof schema !== "object" || schema === null || depth > DEEPEST) return [];
  const { $ref, anyOf, oneOf, allOf, ...own } = schema;
  const inner = (one) => optionsOf(one, root, depth + 1);
  // What stands beside a reference or alternatives (a description, a default) holds for each of them.
  const around = ({ schema: one, root: of }) => ({ schema: { ...one, ...own }, root: of });
  if ($ref !== undefined) return inner(resolve($ref, root)).map(around);
  const alternatives = anyOf ?? oneOf ?? allOf;
  return alternatives ? alternatives.flatMap(inner).map(around) : [{ schema: own, root }];
}

function resolve(reference, root) {
  return reference
    .slice(2)
    .split("/")
    .reduce((schema, part) => schema?.[part], root);
}

/** Return the options for a member or an item of what the given options describe. */
export function stepInto(options, part) {
  return options.flatMap(({ schema, root }) => {
    if (typeof part === "number") return optionsOf(schema.prefixItems?.[part] ?? schema.items, root);
    if (schema.properties && Object.hasOwn(schema.properties, part)) return optionsOf(schema.properties[part], root);
    return optionsOf(schema.additionalProperties, root);
  });
}

/** Return the known keys of an object: [{key, options, required}], in the schema's order. */
export function keysOf(options) {
  const found = new Map();
  for (const { schema, root } of options) {
    for (const [key, inner] of Object.entries(schema.properties ?? {})) {
      if (found.has(key)) continue;
      found.set(key, { key, options: optionsOf(inner, root), required: schema.required?.includes(key) ?? false });
    }
  }
  return [...found.values()];
}

/** Return the types that an option takes. */
export function typesOf({ schema }) {
  if (schema.type !== undefined) return [schema.type].flat();
  if (schema.properties) return ["object"];
  return [...new Set([schema.enum ?? [], "const" in schema ? [schema.const] : []].flat().map(typeOf))];
}

function typeOf(value) {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}

/** Return the values that the options list one by one: [{value, schema}]. */
export function valuesOf(options) {
  const found = new Map();
  const add = (value, schema) => found.set(JSON.stringify(value), { value, schema });
  for (const option of options) {
    const { schema } = option;
    for (const value of schema.enum ?? []) add(value, schema);
    if ("const" in schema) add(schema.const, schema);
    if (schema.enum || "const" in schema) continue;
    for (const type of typesOf(option)) {
      if (type === "boolean") [true, false].forEach((value) => add(value, schema));
      if (type === "null") add(null, schema);
    }
  }
  return [...found.values()];
}

/** Say in a few words what the options take, such as "text or null". */
export function describeTypes(options) {
  const words = {
    string: gettext("text"),
    integer: gettext("whole number"),
    number: gettext("number"),
    boolean: gettext("true or false"),
    array: gettext("list"),
    object: gettext("object"),
  };
  const types = options.flatMap((option) => (option.schema.enum ? [gettext("one of a list")] : typesOf(option)));
  return [...new Set(types.map((type) => words[type] ?? type))].join(", ");
}
