import type { Words } from "./words.js";

/** "Tell me when it's done": by mail, and by a notification of this browser. */
export class Telling {
  constructor(page: HTMLElement, words: Words);
  readonly hasNotified: boolean;
  offer(): void;
  hide(): void;
  tell(title: string, text: string): void;
}
