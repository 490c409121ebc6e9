import type { ApiError } from "./http.js";
import type { TaskNode } from "./tree.js";

export interface CallOptions {
  /** The tree of what the call reports, whenever it has changed: its root stands for the call itself. */
  onTaskProgress?(tasks: TaskNode[]): void;
  /** A piece of text, and the id of the node that has told it. */
  onOutput?(text: string, taskId: string): void;
  /** Ends the call, on the server too. */
  signal?: AbortSignal;
  /** Makes a start safe to be sent again: one for each. */
  key?: string;
}

/** Call a function by its name and return its result; what goes wrong throws ApiError. */
export function call<Args extends object = Record<string, unknown>, Result = unknown>(
  fn: string,
  args?: Args,
  options?: CallOptions,
): Promise<Result>;

export interface BatchCall {
  fn: string;
  args?: object;
  key?: string;
}

export type BatchAnswer<Result = unknown> = { ok: true; data: Result } | { ok: false; error: ApiError };

/** Make several calls with one request; the answers have their order. */
export function batch(calls: BatchCall[], options?: { signal?: AbortSignal }): Promise<BatchAnswer[]>;

/** Ask for the end of a task; throws ApiError where it isn't there (404), or has ended (409). */
export function cancel(taskId: string, reason?: string): Promise<{ taskId: string; status: string }>;

/** Start a job or a process, and return its id. */
export function start(fn: string, args: object): Promise<string>;
