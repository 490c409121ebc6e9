/**
 * What the scripts of a page say: the server renders the words, in the reader's language, into `<template class="words">`.
 *
 *     <span data-word="lost">The connection is lost.</span>
 *     <span data-word="new-lines" data-for="1">{number} new line</span>
 *     <span data-word="new-lines" data-for="2">{number} new lines</span>
 */

/** From here on numbers have separators. */
const GROUPED_FROM = 1000;

export class Words {
  /** Read the words of a template element; `language` says how numbers are written and which plurals there are. */
  constructor(template, language) {
    this._texts = new Map();
    this._plurals = new Map();
    this._rules = new Intl.PluralRules(language || undefined);
    this._number = new Intl.NumberFormat(language || undefined, { maximumFractionDigits: 1, numberingSystem: "latn" });
    for (const { dataset, textContent } of template?.content.querySelectorAll("[data-word]") ?? []) {
      if (dataset.for === undefined) this._texts.set(dataset.word, textContent);
      else this._forms(dataset.word).set(this._rules.select(Number(dataset.for)), textContent);
    }
  }

  /** Tell whether there is such a word. */
  has(name) {
    return this._texts.has(name);
  }

  /** Return a text with its names in braces filled in. */
  say(name, values = {}) {
    const text = this._texts.get(name);
    if (text === undefined) {
      console.error(`The page has no word "${name}": see templates/processes/_words.html.`);
      return "";
    }
    return filled(text, values);
  }

  /** Return the text for so many of something, with {number} filled in. */
  count(name, number) {
    const forms = this._forms(name);
    const text = forms.get(this._rules.select(number)) ?? [...forms.values()].at(-1);
    if (text === undefined) {
      console.error(`The page has no plural "${name}": see templates/processes/_words.html.`);
      return "";
    }
    return filled(text, { number: this.number(number) });
  }

  /** Return a number as the reader's language writes it. */
  number(value) {
    // Small ones are written alike everywhere, and most are small.
    if (Number.isInteger(value) && value >= 0 && value < GROUPED_FROM) return String(value);
    return this._number.format(value);
  }

  _forms(name) {
    let forms = this._plurals.get(name);
    if (forms === undefined) this._plurals.set(name, (forms = new Map()));
    return forms;
  }
}

function filled(text, values) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => (Object.hasOwn(values, name) ? values[name] : whole));
}
