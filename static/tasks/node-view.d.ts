import type { TaskNode } from "./tree.js";
import type { Words } from "./words.js";

export function hasEnded(status: string): boolean;
/** Rounded down, so that 100 means done. */
export function whole(share: number | null): number | null;
export function countText(node: TaskNode, words: Words): string;
export function percentText(share: number | null, words: Words): string;
export function statusText(status: string, words: Words): string;
export function setText(element: Element, text: string): void;
export function drawBar(bar: HTMLProgressElement, share: number | null): void;

/** Makes views of nodes from a blueprint with every part, or of what the server has drawn. */
export class NodeViews {
  constructor(blueprint: Element, words: Words);
  adopt(element: HTMLElement): NodeView;
  create(id: string): NodeView;
}

export interface NodeView {
  readonly element: HTMLElement;
  readonly children: HTMLElement;
  /** Show a node, whose share is 0 to 100 or null. */
  draw(node: TaskNode, share: number | null): void;
  find(): void;
}
