import type { TaskState } from "./task-view.js";

export interface TaskEndedDetail {
  taskId: string;
  status: TaskState["status"];
  output: unknown;
}

/** `<task-progress task-id="…">`: one task, live. With `no-cancel`, without the owner's button. */
export class TaskProgress extends HTMLElement {
  taskId: string;
  readonly state: TaskState | null;
}

declare global {
  interface HTMLElementTagNameMap {
    "task-progress": TaskProgress;
  }
  interface HTMLElementEventMap {
    "task-ended": CustomEvent<TaskEndedDetail>;
  }
}
