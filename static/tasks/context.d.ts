import type { Snapshot, Update } from "./tree.js";

/** What is known of a task as of one update. */
export class Context<Input = unknown, Result = unknown> {
  readonly taskId: string;
  readonly input: Input;
  /** The task's result; until it has completed, the last data of each node by alias. */
  readonly result: Result | Record<string, unknown>;
  getNodeData<Data = unknown>(alias: string): Data | undefined;
  /** A node that starts again has no error. */
  getNodeError(alias: string): string | undefined;
  after(update: Update | Snapshot): Context<Input, Result>;
}

export function emptyContext(taskId: string): Context;
