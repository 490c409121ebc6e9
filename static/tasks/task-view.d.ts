import type { subscribe } from "./client.js";
import type { TaskNode, TaskStatus } from "./tree.js";

/** The state of one task, with its tree. */
export interface TaskState<Output = unknown, Meta = unknown> {
  taskId: string;
  status: TaskStatus | "not_found";
  title: string;
  progress: number | null;
  message: string | null;
  error: string | null;
  meta: Meta | null;
  output: Output | null;
  isOwner: boolean;
  /** The root of the tree, as of now; null until something is known. */
  task: TaskNode | null;
  loading: boolean;
}

export class TaskView {
  constructor(taskId: string);
  follow(follow: typeof subscribe, changed: () => void): () => void;
  state(): TaskState;
}
