import type { Tree } from "./tree.js";
import type { Words } from "./words.js";

/** Keeps the nodes of a page up to date with a tree, a few milliseconds at a time. */
export class TreeDrawing {
  constructor(page: HTMLElement, tree: Tree, words: Words);
  /** Find the nodes that the page shows now. */
  adopt(): void;
  /** Note nodes to be drawn, parents before children. */
  note(ids: string[], replaced: boolean): void;
  /** Draw for a while; returns whether all are drawn. */
  draw(): boolean;
}
