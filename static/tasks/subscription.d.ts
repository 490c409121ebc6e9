import type { Connection } from "./connection.js";
import type { Snapshot, TaskStatus, Update } from "./tree.js";

/** `lost`: the connection is broken and being renewed; `ended`: the terminal update was delivered; `closed`: refused. */
export type ConnectionState = "connecting" | "live" | "lost" | "ended" | "closed";

export interface FollowOptions {
  onState?(state: ConnectionState): void;
  /** It is refused, and over: `not_found`, `forbidden`, `too_many`, `bad_request`, or what is wrong with the token. */
  onError?(error: { code: string; message: string }): void;
}

export interface SubscribeOptions extends FollowOptions {
  /** Begin with a snapshot. */
  snapshot?: boolean;
  /** Begin after this update; 0, the default, is the whole log. */
  since?: number;
  /** Only updates of these types, besides snapshots and the last one. */
  types?: Update["type"][];
}

export interface Followed {
  /** Follow it no more. */
  close(): void;
  /** Try again at once where the connection is lost. */
  hurry(): void;
}

export interface Subscription extends Followed {
  readonly taskId: string;
  /** Number of the last update delivered. */
  readonly seq: number;
}

export class Subscription {
  constructor(
    connection: Connection,
    taskId: string,
    options: SubscribeOptions,
    onUpdate: (update: Update | Snapshot) => void,
  );
}

export type ListScope = "mine" | "shared" | "all";

/** Which tasks a list holds; all that is given must fit. */
export interface ListFilters {
  status?: TaskStatus | TaskStatus[];
  /** Names of registered jobs. */
  function?: string | string[];
  open?: boolean;
  /** Found in the title. */
  text?: string;
  /** A time with its zone: what had ended before is left out. */
  since?: string;
}

/** One task of a list. */
export interface TaskSummary {
  taskId: string;
  title: string;
  status: TaskStatus;
  seq: number;
  isOwner: boolean;
  createdAt: string;
  startedAt?: string;
  finishedAt?: string;
  current?: number;
  total?: number;
  percent?: number;
  message?: string;
  error?: string;
  function?: string;
  parentId?: string;
}

export interface ListChange {
  /** Those that are new or have changed; of one that has left the list, its last state. */
  changed: TaskSummary[];
  /** Ids of those that have left the list. */
  gone: string[];
  /** Whether the list has begun anew. */
  snapshot: boolean;
}

export type OnTasks = (tasks: TaskSummary[], change: ListChange) => void;

export interface ListSubscription extends Followed {
  readonly scope: ListScope;
  /** The tasks as of now, newest first. */
  readonly tasks: TaskSummary[];
}

export class ListSubscription {
  constructor(
    connection: Connection,
    label: string,
    scope: ListScope,
    filters: ListFilters,
    options: FollowOptions,
    onTasks: OnTasks,
  );
}
