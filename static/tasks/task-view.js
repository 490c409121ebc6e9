/**
 * One task as a whole, for pages that show it: its tree, and what is said of it in a line.
 */

import { percent, Tree } from "./tree.js";

export class TaskView {
  constructor(taskId) {
    this._taskId = taskId;
    this._tree = new Tree();
    this._problem = null;
  }

  /** Follow the task by `subscribe`, from where this stands, and call `changed` after each update; returns what ends it. */
  follow(subscribe, changed) {
    const position = this._tree.root === null ? { snapshot: true } : { since: this._tree.seq };
    const onError = (problem) => {
      this._problem = problem;
      changed();
    };
    // Of work that is yet to be created the id is empty.
    if (this._tree.finished || !this._taskId) return () => {};
    const subscription = subscribe(this._taskId, { ...position, onError }, (update) => {
      this._problem = null;
      this._tree.apply(update);
      this._tree.takeChanges();
      changed();
    });
    return () => subscription.close();
  }

  /** Return the state as of now, which later updates leave alone. */
  state() {
    const { root, status, result, reason, isOwner } = this._tree;
    const problem = this._problem;
    if (root === null) {
      const known = problem === null ? "pending" : problem.code === "not_found" ? "not_found" : "pending";
      return { ...NOTHING, taskId: this._taskId, status: known, error: problem?.message ?? null, loading: problem === null };
    }
    const share = percent(root);
    return {
      taskId: this._taskId,
      status: problem?.code === "not_found" ? "not_found" : status,
      title: root.title,
      progress: share === null ? null : Math.floor(share),
      message: root.message ?? null,
      error: problem?.message ?? reason ?? root.error ?? null,
      meta: root.meta ?? null,
      output: result ?? null,
      isOwner: isOwner ?? false,
      task: this._tree.snapshot().task,
      loading: false,
    };
  }
}

const NOTHING = { title: "", progress: null, message: null, meta: null, output: null, isOwner: false, task: null };
