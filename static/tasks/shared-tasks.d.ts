import type { FollowOptions, ListScope } from "./subscription.js";

export type SharedTaskStatus = "created" | "running" | "completed" | "failed";

export interface SharedTaskNode<Meta = unknown> {
  id: string;
  title: string;
  /** Ours in four: a cancelled node is `failed`, with the error `canceled` unless there is another one. */
  status: SharedTaskStatus;
  error?: string;
  current?: number;
  total?: number;
  message?: string;
  meta?: Meta;
  children: SharedTaskNode[];
}

export interface SharedTaskState<Meta = unknown> extends SharedTaskNode<Meta> {
  /** Of a task that another one has started. */
  parentId?: string;
  isOwner: boolean;
}

/** The state of all tasks: comes whenever one of them begins, ends or changes otherwise than by progress and output. */
export interface TaskStateEvent<Meta = unknown> {
  type: "TaskStateEvent";
  tasks: SharedTaskState<Meta>[];
}

/** What one node has just told: a piece of text, or how far it is. */
export interface TaskUpdateEvent {
  type: "TaskUpdateEvent";
  /** The node's id; of the task itself, the task's. */
  taskId: string;
  output?: string;
  current?: number;
  total?: number;
}

export type SharedTaskEvent<Meta = unknown> = TaskStateEvent<Meta> | TaskUpdateEvent;

export class SharedTasks<Meta = unknown> {
  constructor(scope: ListScope, onEvent: (event: SharedTaskEvent<Meta>) => void, options?: FollowOptions);
  /** The state of all tasks as of now, the newest first. */
  readonly tasks: SharedTaskState<Meta>[];
  close(): void;
}

/** Follow the tasks that are shared with everybody: those that are open, and those that end while it looks. */
export function sharedTasks<Meta = unknown>(
  onEvent: (event: SharedTaskEvent<Meta>) => void,
  options?: FollowOptions,
): SharedTasks<Meta>;
