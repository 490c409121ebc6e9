import type { Words } from "./words.js";

/** A scrolling log that is followed to its end, or held still by its Pause button or by scrolling up. */
export class OutputLog {
  static of(element: HTMLElement, words: Words): OutputLog;
  /** Scroll what has been drawn to its end. */
  static settle(): void;
  static known(element: HTMLElement): OutputLog | undefined;
  /** Show a text, of which `lines` line breaks have come so far; undefined where that isn't known. */
  draw(text: string, lines?: number): void;
}
