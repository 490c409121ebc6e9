import type { TaskNode } from "./tree.js";

/** The path of this site that a finished task leads to; null for none, or one of another site. */
export function redirectOf(root: TaskNode | null, origin?: string): string | null;

/** Keeps a server-rendered progress page up to date. */
export class ProgressPage {
  constructor(page: HTMLElement);
  start(): void;
}
