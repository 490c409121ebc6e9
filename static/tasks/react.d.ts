import type { SharedTaskState } from "./shared-tasks.js";
import type { JobState } from "./states.js";
import type { TaskState } from "./task-view.js";

/** The tasks that are shared with everybody, as long as they are open, and those that end meanwhile; newest first. */
export function useSharedTasks<Meta = unknown>(): SharedTaskState<Meta>[];

/** The visitor's own tasks, as long as they are open, and those that end meanwhile; newest first. */
export function useMyTasks<Meta = unknown>(): SharedTaskState<Meta>[];

/** One of the shared tasks, or undefined. */
export function useSharedTask<Meta = unknown>(id: string): SharedTaskState<Meta> | undefined;

/** The state of one task, with its tree. */
export function useTask<Output = unknown, Meta = unknown>(id: string): TaskState<Output, Meta>;

/** The text that a task's nodes have told, and what empties it here. */
export function useTaskOutput(taskId: string): { output: string; clear(): void };

/** Ask for the end of a task. */
export function cancelSharedTask(taskId: string): Promise<{ taskId: string; status: string }>;

/**
 * Start a job when the component appears, and return its state. With other arguments another job is started; while they
 * are null, none is.
 */
export function useJob<Args extends object = Record<string, unknown>, Output = unknown, Meta = unknown>(
  fn: string,
  args: Args | null,
): JobState<Output, Meta> & { loading: boolean; cancel(): Promise<unknown> };
