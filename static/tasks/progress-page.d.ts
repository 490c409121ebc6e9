import type { TaskNode } from "./tree.js";

/** The path of this site that a finished task leads to; null for none, or one of another site. */
export function redirectOf(root: TaskNode | null, origin?: string): string | null;
export function wholePercent(node: TaskNode): number | null;
export function countText(node: TaskNode): string;

/** Keeps a server-rendered progress page up to date. */
export class ProgressPage {
  constructor(page: HTMLElement);
  start(): void;
}
