/** Return the words for a language, those of a template's `data-word` elements first. */
export function wordsFor(language: string, template: HTMLTemplateElement | null): Record<string, string>;
