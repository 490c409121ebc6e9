import type { JobState, WorkflowState } from "./states.js";

/** A store by Svelte's contract: `subscribe` calls `run` with the state at once, and whenever it has changed. */
export interface TaskStore<State> {
  subscribe(run: (state: State) => void): () => void;
  /** Follow the work no more; it goes on, and the state stays as it is. */
  unsubscribe(): void;
  /** Ask for the work's end. */
  cancel(): Promise<{ taskId: string; status: string }>;
  /** The id, once the work was created; rejects with ApiError where it can't be. */
  readonly started: Promise<string>;
}

/** `loading` is true until the work was created; of work that was started before, until something is known of it. */
export type Loading = { loading: boolean };

export type JobStore<Output = unknown, Meta = unknown> = TaskStore<JobState<Output, Meta> & Loading>;
export type WorkflowStore<Output = unknown, Steps extends string = string> = TaskStore<
  WorkflowState<Output, Steps> & Loading
>;

/** Start a job by its name, and follow it. */
export function createJobStore<Args extends object = Record<string, unknown>, Output = unknown, Meta = unknown>(
  fn: string,
  args?: Args,
): JobStore<Output, Meta>;

/** Start a process by its address, and follow its steps. */
export function createWorkflowStore<
  Args extends object = Record<string, unknown>,
  Output = unknown,
  Steps extends string = string,
>(fn: string, args?: Args): WorkflowStore<Output, Steps>;

/** Follow a job that was started before; `not_found` where there is none of this id. */
export function followJob<Output = unknown, Meta = unknown>(jobId: string): JobStore<Output, Meta>;

/** Follow a run that was started before; `not_found` where there is none of this id. */
export function followWorkflow<Output = unknown, Steps extends string = string>(runId: string): WorkflowStore<Output, Steps>;

/** Follow a job again, of which nothing but its start is known. */
export function resumeJob<Output = unknown, Meta = unknown>(started: Promise<string>): JobStore<Output, Meta>;
