export type NodeStatus =
  | "created" | "running" | "waiting" | "completed" | "failed" | "cancelled" | "skipped" | "compensated";

export type TaskStatus =
  | NodeStatus | "pending" | "claimed" | "retry" | "dead_letter" | "cancel_requested" | "compensating";

/** One node of a task tree. */
export interface TaskNode {
  id: string;
  type: string;
  title: string;
  alias?: string;
  status: NodeStatus;
  error?: string;
  current?: number;
  total?: number;
  message?: string;
  meta?: unknown;
  data?: unknown;
  output?: string;
  /** Line breaks of its output so far, those included that are no longer kept. */
  outputLines?: number;
  /** How many children there will be at least. */
  expected?: number;
  children: TaskNode[];
}

/** The whole state of a task as of update `seq`. */
export interface Snapshot {
  v: 1;
  type: "snapshot";
  taskId: string;
  seq: number;
  status: TaskStatus;
  steps?: { name: string; title: string }[];
  result?: unknown;
  isOwner?: boolean;
  /** A snapshot has no moment of its own. */
  timestamp?: undefined;
  /** Updates before it are no longer kept. */
  incomplete?: true;
  task: TaskNode;
}

export interface NodeReference {
  id: string;
  parentId?: string;
  type: string;
  title: string;
  alias?: string;
  attempt?: number;
}

interface Numbered {
  v: 1;
  seq: number;
  taskId: string;
  timestamp: string;
}

interface OfNode extends Numbered {
  node: NodeReference;
}

/** One numbered entry of a task's log. */
export type Update =
  | (Numbered & { type: "taskStart"; title: string; input?: unknown; steps?: Snapshot["steps"] })
  | (Numbered & { type: "taskStatus"; status: TaskStatus; attempt?: number; waitingFor?: unknown })
  | (Numbered & { type: "taskEnd"; result?: unknown })
  | (Numbered & { type: "taskError"; reason: string })
  | (Numbered & { type: "taskAborted"; reason: string })
  | (OfNode & { type: "nodeStart"; total?: number; steps?: Snapshot["steps"] })
  | (OfNode & { type: "nodeUpdate"; data: unknown })
  | (OfNode & { type: "nodeMeta"; meta: unknown })
  | (OfNode & { type: "nodeProgress"; current?: number; total?: number; message?: string })
  | (OfNode & { type: "nodeOutput"; text: string })
  | (OfNode & { type: "nodeError"; error: string })
  | (OfNode & { type: "nodeDefer"; reason?: string; until?: string })
  | (OfNode & { type: "nodeEnd"; status: NodeStatus });

export class InvalidUpdate extends Error {}

export function isTerminal(update: Update | Snapshot): boolean;
export function percent(node: TaskNode, of?: (child: TaskNode) => number | null): number | null;

export class Tree {
  readonly seq: number;
  readonly root: TaskNode | null;
  readonly status: TaskStatus;
  readonly steps: Snapshot["steps"];
  readonly result: unknown;
  readonly reason: string | undefined;
  readonly isOwner: boolean | undefined;
  readonly finished: boolean;
  apply(update: Update | Snapshot): void;
  snapshot(): Snapshot;
  /** How far along a node of this tree is; remembers what hasn't changed. */
  percent(node: TaskNode): number | null;
  node(id: string): TaskNode | undefined;
  parentOf(id: string): string | undefined;
  takeChanges(): { ids: string[]; replaced: boolean };
}
