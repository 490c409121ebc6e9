/**
 * What the editor says, in the reader's language: texts stand in English where they are used.
 *
 * The page links the catalogue before these modules (`processes.admin.editor_words`); without it, texts stay English.
 */

const { catalog, plural } = globalThis.steplineWords ?? { catalog: {}, plural: (count) => count !== 1 };

/** Return a text in the reader's language, with its `%(names)s` filled in. */
export function gettext(text, values) {
  return filled(catalog[text] ?? text, values);
}

/** Return the form of a text that goes with a number, with its `%(names)s` filled in; `count` is the number. */
export function ngettext(one, many, count, values) {
  const forms = catalog[one] ?? [one, many];
  return filled(forms[Number(plural(count))] ?? many, { count, ...values });
}

function filled(text, values) {
  if (!values) return text;
  return text.replace(/%\((\w+)\)s/g, (whole, name) => (Object.hasOwn(values, name) ? values[name] : whole));
}
