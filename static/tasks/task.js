/**
 * A process that is started and awaited as a promise, or followed update by update.
 */

import { cancel, start } from "./calls.js";
import { subscribe } from "./client.js";
import { emptyContext } from "./context.js";
import { ApiError } from "./http.js";
import { isTerminal } from "./tree.js";
import { updates } from "./updates.js";

/** Say that a task has failed. */
export class TaskError extends Error {
  constructor(reason, taskId) {
    super(reason);
    this.name = "TaskError";
    this.reason = reason;
    this.taskId = taskId;
  }
}

/** Say that a task was cancelled; `cause` is what `abort` was given. */
export class TaskAborted extends Error {
  constructor(reason, taskId, cause) {
    super(reason, { cause });
    this.name = "TaskAborted";
    this.reason = reason;
    this.taskId = taskId;
  }
}

/** A started task: await it for its result, iterate it for its updates. */
class Task {
  #result = null;
  #onUpdate;
  #cause;

  constructor({ taskTemplate, input = {} }, onUpdate) {
    this.#onUpdate = onUpdate;
    /** The id, once the server has given it; rejects with ApiError where nothing can be started. */
    this.taskId = start(taskTemplate, input);
    // Whoever only iterates hears of it there.
    this.taskId.catch(() => {});
    // Who is told of updates is told whether or not anybody awaits the result.
    if (onUpdate) this.#follow().catch(() => {});
  }

  then(onFulfilled, onRejected) {
    return this.#follow().then(onFulfilled, onRejected);
  }

  catch(onRejected) {
    return this.then(undefined, onRejected);
  }

  finally(onFinally) {
    return this.#follow().finally(onFinally);
  }

  /** Yield all updates from the first one on, however far the task is, or has ended. */
  async *[Symbol.asyncIterator]() {
    yield* updates(await this.taskId);
  }

  /** Ask for the task's end, and say why, by a text or an error; what has ended already stays as it is. */
  async abort(reason) {
    this.#cause = reason;
    const why = reason instanceof Error ? reason.message : typeof reason === "string" ? reason : "";
    try {
      await cancel(await this.taskId, why);
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 409) throw error;
    }
  }

  #follow() {
    this.#result ??= this.#outcome();
    return this.#result;
  }

  async #outcome() {
    const taskId = await this.taskId;
    if (!this.#onUpdate) return this.#end(taskId, { snapshot: true, types: [] }, () => {});
    let context = emptyContext(taskId);
    return this.#end(taskId, {}, (update) => {
      context = context.after(update);
      this.#onUpdate({ ...update, context });
    });
  }

  #end(taskId, options, tell) {
    return new Promise((resolve, reject) => {
      const onError = (told) => reject(new ApiError(told));
      subscribe(taskId, { ...options, onError }, (update) => {
        try {
          tell(update);
        } finally {
          this.#settle(taskId, update, resolve, reject);
        }
      });
    });
  }

  #settle(taskId, update, resolve, reject) {
    const status = update.type === "snapshot" ? update.task.status : ENDINGS[update.type];
    const reason = update.type === "snapshot" ? update.task.error : update.reason;
    if (!isTerminal(update) && update.type !== "snapshot") return;
    if (status === "completed") resolve(update.result);
    else if (status === "failed") reject(new TaskError(reason, taskId));
    else if (status === "cancelled") reject(new TaskAborted(reason, taskId, this.#cause));
  }
}

const ENDINGS = { taskEnd: "completed", taskError: "failed", taskAborted: "cancelled" };

/**
 * Start a process by its address, and follow it.
 *
 *     const result = await createTask({ taskTemplate: "csv-import", input: { file: 7 } });
 *     for await (const update of createTask({ taskTemplate: "csv-import" })) console.log(update.type);
 *
 * Awaited, it gives the result, or throws TaskError, TaskAborted, or ApiError where it can't be started or followed.
 */
export function createTask(specification, onUpdate) {
  return new Task(specification, onUpdate);
}
