import type { UpdateInContext } from "./updates.js";

export class TaskError extends Error {
  constructor(reason: string, taskId: string);
  readonly name: "TaskError";
  readonly reason: string;
  readonly taskId: string;
}

export class TaskAborted extends Error {
  constructor(reason: string, taskId: string, cause?: unknown);
  readonly name: "TaskAborted";
  readonly reason: string;
  readonly taskId: string;
}

export interface TaskSpecification<Input extends object = Record<string, unknown>> {
  /** The address of a process (behind a dot the action at which it enters), or the name of a job. */
  taskTemplate: string;
  input?: Input;
}

/** A started task: await it for its result, iterate it for its updates, as often as you like. */
export interface Task<Input = unknown, Result = unknown>
  extends PromiseLike<Result>,
    AsyncIterable<UpdateInContext<Input, Result>> {
  /** The id, once the server has given it; rejects with ApiError where nothing can be started. */
  readonly taskId: Promise<string>;
  catch<Other = never>(onRejected?: ((error: unknown) => Other | PromiseLike<Other>) | null): Promise<Result | Other>;
  finally(onFinally?: (() => void) | null): Promise<Result>;
  /** Ask for the task's end; what has ended already stays as it is. */
  abort(reason?: unknown): Promise<void>;
}

/**
 * Start a process by its address, and follow it.
 *
 * Awaited, it gives the result, or throws TaskError, TaskAborted, or ApiError where it can't be started or followed.
 */
export function createTask<Input extends object = Record<string, unknown>, Result = unknown>(
  specification: TaskSpecification<Input>,
  onUpdate?: (update: UpdateInContext<Input, Result>) => void,
): Task<Input, Result>;
