/** The words that the server has rendered for the scripts of a page. */
export class Words {
  constructor(template: HTMLTemplateElement | null, language: string);
  has(name: string): boolean;
  /** A text, with its names in braces filled in; "" and an error in the console where there is none. */
  say(name: string, values?: Record<string, string | number>): string;
  /** The text for so many of something, in the language's plural, with {number} filled in. */
  count(name: string, number: number): string;
  number(value: number): string;
}
