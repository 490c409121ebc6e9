/**
 * Shared tasks as two kinds of event, folded from the feed: the state of all of them whenever one has changed, and what
 * one node has just told.
 */

import { subscribe, watch } from "./client.js";
import { Tree } from "./tree.js";

/** Tasks followed node by node; of more than these, only the task itself is told. */
const DETAILED_AT_MOST = 100;
/** What the four statuses of shared tasks say of ours. */
const STATUSES = {
  pending: "created",
  claimed: "created",
  created: "created",
  completed: "completed",
  skipped: "completed",
  failed: "failed",
  dead_letter: "failed",
  cancelled: "failed",
  compensated: "failed",
};
const ENDED = new Set(["completed", "failed", "dead_letter", "cancelled", "compensated"]);

/** Follows the tasks of a scope: those that are open, and those that end while it looks. */
export class SharedTasks {
  /** `onEvent` gets `TaskStateEvent` and `TaskUpdateEvent`. */
  constructor(scope, onEvent, options = {}) {
    this._onEvent = onEvent;
    this._entries = new Map();
    this._isTelling = false;
    this._isOver = false;
    const filters = { since: new Date().toISOString() };
    this._list = watch(scope, filters, (tasks) => this._take(tasks), options);
  }

  close() {
    this._isOver = true;
    this._list.close();
    for (const entry of this._entries.values()) entry.subscription?.close();
    this._entries.clear();
  }

  /** Return the state of all tasks, the newest first. */
  get tasks() {
    return [...this._entries.values()].map(stateOf);
  }

  _take(tasks) {
    const before = this._entries;
    this._entries = new Map();
    for (const summary of tasks) {
      const entry = before.get(summary.taskId) ?? { tree: new Tree(), subscription: null };
      before.delete(summary.taskId);
      entry.summary = summary;
      this._entries.set(summary.taskId, entry);
    }
    for (const entry of before.values()) entry.subscription?.close();
    this._detail();
    this._tell();
  }

  /** Follow what is open, as far as there is room. */
  _detail() {
    let room = DETAILED_AT_MOST;
    for (const [taskId, entry] of this._entries) {
      if (room === 0) return;
      if (entry.subscription === null && ENDED.has(entry.summary.status)) continue;
      room -= 1;
      entry.subscription ??= subscribe(taskId, { snapshot: true }, (update) => this._update(entry, update));
    }
  }

  _update(entry, update) {
    entry.tree.apply(update);
    entry.tree.takeChanges();
    if (update.type === "nodeOutput") {
      this._onEvent({ type: "TaskUpdateEvent", taskId: update.node.id, output: update.text });
    } else if (update.type === "nodeProgress" && (update.current ?? update.total) !== undefined) {
      const { current, total } = entry.tree.node(update.node.id);
      this._onEvent({ type: "TaskUpdateEvent", taskId: update.node.id, current, total });
    } else {
      this._tell();
    }
  }

  /** Tell the state, once for all that has come together. */
  _tell() {
    if (this._isTelling) return;
    this._isTelling = true;
    queueMicrotask(() => {
      this._isTelling = false;
      if (!this._isOver) this._onEvent({ type: "TaskStateEvent", tasks: this.tasks });
    });
  }
}

/** Follow the tasks that are shared with everybody. */
export function sharedTasks(onEvent, options = {}) {
  return new SharedTasks("shared", onEvent, options);
}

function stateOf({ summary, tree }) {
  const base = { id: summary.taskId, isOwner: summary.isOwner };
  if (summary.parentId !== undefined) base.parentId = summary.parentId;
  if (tree.root === null) return { ...base, ...nodeState({ ...summary, children: [] }) };
  return { ...base, ...nodeState(tree.root), id: summary.taskId };
}

function nodeState(node) {
  const state = { title: node.title, status: STATUSES[node.status] ?? "running" };
  if (node.id !== undefined) state.id = node.id;
  for (const key of ["error", "current", "total", "message", "meta"]) {
    if (node[key] !== undefined && node[key] !== null) state[key] = node[key];
  }
  if (node.status === "cancelled") state.error ??= "canceled";
  state.children = node.children.map(nodeState);
  return state;
}
