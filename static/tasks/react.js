/**
 * React hooks for tasks: built on useSyncExternalStore, so that a page shows one state at a time, also in concurrent rendering.
 */

import { useState, useSyncExternalStore } from "react";

import { cancel } from "./calls.js";
import { subscribe } from "./client.js";
import { Observed } from "./observed.js";
import { SharedTasks } from "./shared-tasks.js";
import { jobState } from "./states.js";
import { createJobStore, resumeJob } from "./stores.js";
import { TaskOutput } from "./task-output.js";
import { TaskView } from "./task-view.js";

const NO_TASKS = [];
const scopes = new Map();
const views = new Map();

/** Return the tasks that are shared with everybody, as long as they are open, and those that end meanwhile. */
export function useSharedTasks() {
  return useObserved(tasksOf("shared"));
}

/** Return the visitor's own tasks, as long as they are open, and those that end meanwhile. */
export function useMyTasks() {
  return useObserved(tasksOf("mine"));
}

/** Return one of the shared tasks, or undefined. */
export function useSharedTask(id) {
  return useSharedTasks().find((task) => task.id === id);
}

/** Return the state of one task, with its tree. */
export function useTask(id) {
  return useObserved(viewOf(id));
}

/** Return the text that a task's nodes have told, and `clear`, which empties it here. */
export function useTaskOutput(taskId) {
  const output = useKept(taskId, () => new TaskOutput(taskId));
  return { output: useSyncExternalStore(output.subscribe, output.value, () => ""), clear: output.clear };
}

/** Ask for the end of a task. */
export function cancelSharedTask(taskId) {
  return cancel(taskId);
}

/**
 * Start a job when the component appears, and return its state with `cancel`. With other arguments another job is
 * started; while they are null, none is.
 */
export function useJob(fn, args) {
  const key = args === null || args === undefined ? null : JSON.stringify([fn, args]);
  const job = useKept(key, () => observedJob(fn, key === null ? null : args));
  return { ...useSyncExternalStore(job.subscribe, job.value, job.value), cancel: job.cancel };
}

/** Keep what was made for a key until another one is given. React may make it twice, and uses one. */
function useKept(key, make) {
  const [kept, setKept] = useState(() => ({ key, value: make() }));
  if (kept.key === key) return kept.value;
  const next = { key, value: make() };
  setKept(next);
  return next.value;
}

function useObserved(observed) {
  return useSyncExternalStore(observed.subscribe, observed.value, observed.value);
}

function tasksOf(scope) {
  let observed = scopes.get(scope);
  if (observed === undefined) {
    let tasks = null;
    const begin = (changed) => {
      const followed = new SharedTasks(scope, changed);
      tasks = followed;
      return () => {
        followed.close();
        tasks = null;
      };
    };
    observed = new Observed(begin, () => tasks?.tasks ?? NO_TASKS);
    scopes.set(scope, observed);
  }
  return observed;
}

function viewOf(id) {
  let observed = views.get(id);
  if (observed === undefined) {
    const view = new TaskView(id);
    const begin = (changed) => view.follow(subscribe, changed);
    observed = new Observed(begin, () => view.state(), () => views.get(id) === observed && views.delete(id));
    views.set(id, observed);
  }
  return observed;
}

/** A job that is started with its first reader, once, however often that one comes and goes. */
function observedJob(fn, args) {
  let store = null;
  let isIdle = false;
  let state = jobState(null);
  if (args === null) state = { ...state, loading: false };
  const begin = (changed) => {
    if (args === null) return () => {};
    if (store === null) store = createJobStore(fn, args);
    else if (isIdle) store = resumeJob(store.started);
    isIdle = false;
    return store.subscribe((value) => {
      state = value;
      changed();
    });
  };
  const rest = () => {
    isIdle = true;
    store?.unsubscribe();
  };
  const observed = new Observed(begin, () => state, rest);
  return Object.assign(observed, { cancel: () => store?.cancel() ?? Promise.resolve() });
}
