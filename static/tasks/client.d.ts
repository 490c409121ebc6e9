import type { Snapshot, Update } from "./tree.js";

/** `lost`: the connection is broken and being renewed; `ended`: the terminal update was delivered; `closed`: refused. */
export type ConnectionState = "connecting" | "live" | "lost" | "ended" | "closed";

export interface SubscribeOptions {
  /** Begin with a snapshot. */
  snapshot?: boolean;
  /** Begin after this update; 0, the default, is the whole log. */
  since?: number;
  onState?(state: ConnectionState): void;
  /** The subscription is refused, and over: `not_found`, `too_many` or `bad_request`. */
  onError?(error: { code: string; message: string }): void;
}

export interface Subscription {
  readonly taskId: string;
  /** Number of the last update delivered. */
  readonly seq: number;
  /** Try again at once where the connection is lost. */
  hurry(): void;
  close(): void;
}

export class Connection {
  constructor(options?: { socketUrl?: string; tasksUrl?: string });
  subscribe(taskId: string, options: SubscribeOptions, onUpdate: (update: Update | Snapshot) => void): Subscription;
}

/** Follow a task over the page's shared connection. */
export function subscribe(
  taskId: string,
  options: SubscribeOptions,
  onUpdate: (update: Update | Snapshot) => void,
): Subscription;

/** Milliseconds to wait before attempt number `attempt`, from 0; `draw` is a number from 0 to 1. */
export function pauseBefore(attempt: number, draw?: number): number;
