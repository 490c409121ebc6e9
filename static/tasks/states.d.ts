import type { Tree } from "./tree.js";

export type JobStatus =
  | "pending" | "claimed" | "running" | "waiting" | "completed" | "retry" | "failed" | "dead_letter"
  | "cancel_requested" | "cancelled" | "not_found";

export type WorkflowStatus =
  | "created" | "running" | "waiting" | "completed" | "compensating" | "compensated" | "failed" | "cancelled" | "not_found";

export type WorkflowStepStatus =
  | "pending" | "running" | "waiting" | "completed" | "failed" | "compensated" | "skipped" | "cancelled";

export interface JobState<Output = unknown, Meta = unknown> {
  /** Empty until the job was created. */
  jobId: string;
  status: JobStatus;
  /** 0 to 100, rounded down; null where nothing is known. */
  progress: number | null;
  message: string | null;
  /** What the job returned, once it is completed. */
  output: Output | null;
  /** What went wrong, or why it was cancelled. */
  error: string | null;
  meta: Meta | null;
}

export interface WorkflowStepState<Steps extends string = string> {
  name: Steps;
  status: WorkflowStepStatus;
  error: string | null;
}

export interface WorkflowState<Output = unknown, Steps extends string = string> {
  /** Empty until the run was created. */
  workflowId: string;
  status: WorkflowStatus;
  /** The name of the step that is at work, or waits. */
  step: Steps | null;
  /** What a waiting run waits for, as far as that was told. */
  waitingFor: unknown;
  steps: WorkflowStepState<Steps>[];
  output: Output | null;
  error: string | null;
}

export function jobState(tree: Tree | null, jobId?: string, options?: object): JobState & { loading: boolean };
export function workflowState(tree: Tree | null, workflowId?: string, options?: object): WorkflowState & { loading: boolean };
