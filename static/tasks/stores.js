/**
 * Jobs and runs as stores: `subscribe(run)` calls `run` with the state at once and whenever it has changed, which is what
 * Svelte's `$store` wants; any other code may use it too.
 */

import { cancel, start } from "./calls.js";
import { subscribe } from "./client.js";
import { report } from "./http.js";
import { jobState, workflowState } from "./states.js";
import { Tree } from "./tree.js";

class TaskStore {
  constructor(started, describe, { isKnown = false } = {}) {
    this._describe = describe;
    this._tree = new Tree();
    this._waitingFor = undefined;
    this._readers = new Set();
    this._subscription = null;
    this._isOver = false;
    this._state = describe(null);
    this.subscribe = this.subscribe.bind(this);
    this.unsubscribe = this.unsubscribe.bind(this);
    this.cancel = this.cancel.bind(this);
    /** The id, once the work was created; rejects with ApiError where it can't be. */
    this.started = started;
    started.then(
      (id) => this._isOver || this._follow(id, isKnown),
      (error) => this._isOver || this._set({ ...this._state, status: "failed", error: error.message, loading: false }),
    );
  }

  /** Have `run` called with the state, now and whenever it has changed; returns what ends that. */
  subscribe(run) {
    // The same function may subscribe twice.
    const reader = { run };
    this._readers.add(reader);
    run(this._state);
    return () => {
      this._readers.delete(reader);
    };
  }

  /** Follow the work no more; it begins and goes on all the same, and the state stays as it is. */
  unsubscribe() {
    this._isOver = true;
    this._subscription?.close();
    this._readers.clear();
  }

  /** Ask for the work's end. */
  async cancel() {
    return cancel(await this.started);
  }

  _follow(id, isKnown) {
    // Of work that was started before, whether there is any isn't known yet.
    this._set({ ...this._describe(null, id), loading: isKnown });
    const onError = ({ code, message }) => {
      const told = code === "not_found" ? { status: "not_found", error: null } : { error: message };
      this._set({ ...this._state, ...told, loading: false });
    };
    this._subscription = subscribe(id, { snapshot: true, onError }, (update) => this._take(id, update));
  }

  _take(id, update) {
    this._tree.apply(update);
    this._tree.takeChanges();
    if (update.type === "taskStatus") this._waitingFor = update.waitingFor;
    const state = this._describe(this._tree, id, { waitingFor: this._waitingFor, before: this._state });
    this._set({ ...state, loading: false });
  }

  _set(state) {
    this._state = state;
    for (const { run } of [...this._readers]) {
      try {
        run(state);
      } catch (error) {
        // One reader's error is none of the others'.
        report(error);
      }
    }
  }
}

/** Start a job by its name, and follow it. A start that gets no answer is sent again, and starts nothing twice. */
export function createJobStore(fn, args = {}) {
  return new TaskStore(start(fn, args), jobState);
}

/** Start a process by its address, and follow its steps. A start that gets no answer is sent again, and starts nothing twice. */
export function createWorkflowStore(fn, args = {}) {
  return new TaskStore(start(fn, args), workflowState);
}

/** Follow a job that was started before; `not_found` where there is none of this id. */
export function followJob(jobId) {
  return new TaskStore(Promise.resolve(jobId), jobState, { isKnown: true });
}

/** Follow a run that was started before; `not_found` where there is none of this id. */
export function followWorkflow(runId) {
  return new TaskStore(Promise.resolve(runId), workflowState, { isKnown: true });
}

/** Follow a job again, of which nothing but its start is known. */
export function resumeJob(started) {
  return new TaskStore(started, jobState, { isKnown: true });
}
