import type { Context } from "./context.js";
import type { Snapshot, Update } from "./tree.js";

/** An update, or a snapshot in the place of updates that can't be had, with the context as of then. */
export type UpdateInContext<Input = unknown, Result = unknown> = (Update | Snapshot) & { context: Context<Input, Result> };

/** Yield the updates of a task from the first one on, up to its end. Whoever stops to iterate follows no more. */
export function updates<Input = unknown, Result = unknown>(
  taskId: string,
): AsyncGenerator<UpdateInContext<Input, Result>, void, void>;
