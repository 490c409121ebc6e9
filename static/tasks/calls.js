/**
 * Functions of the server, called by their names: with their progress, several at once, and started so that nothing is
 * started twice.
 */

import { eventsOf, interrupted } from "./event-stream.js";
import { ApiError, persistently, send, uuid } from "./http.js";
import { Tree } from "./tree.js";

/** Characters of a reason that the server takes. */
const LONGEST_REASON = 500;

/**
 * Call a function and return its result; what goes wrong throws ApiError.
 *
 * `onTaskProgress` gets the tree of what the call reports whenever it has changed, `onOutput` each piece of text and the id
 * of its node. `signal` ends the call, on the server too. `key` makes a start safe to be sent again.
 */
export async function call(fn, args = {}, { onTaskProgress, onOutput, signal, key } = {}) {
  const headers = key === undefined ? {} : { "Idempotency-Key": key };
  const isFollowed = Boolean(onTaskProgress ?? onOutput);
  if (isFollowed) headers.Accept = "text/event-stream";
  const answer = await send(`/api/rpc/${encodeURIComponent(fn)}`, { method: "POST", body: args, headers, signal });
  if (!isFollowed) return answer.json();
  const tree = new Tree();
  try {
    for await (const { event, data } of eventsOf(answer.body)) {
      if (event === "result") return JSON.parse(data);
      if (event === "error") throw new ApiError(JSON.parse(data));
      tell(tree, JSON.parse(data), { onTaskProgress, onOutput });
    }
  } catch (error) {
    throw signal?.aborted && error.code === "interrupted" ? signal.reason : error;
  }
  // The server has ended it: the session is over, say.
  throw interrupted();
}

/** Make several calls with one request: the answers in their order, each `{ok: true, data}` or `{ok: false, error}`. */
export async function batch(calls, { signal } = {}) {
  const answer = await send("/api/rpc/batch", { method: "POST", body: calls, signal });
  const told = await answer.json();
  return told.map((one) => (one.ok ? one : { ok: false, error: new ApiError(one.error) }));
}

/** Ask for the end of a task; throws ApiError where it isn't there, or has ended. */
export async function cancel(taskId, reason = "") {
  const body = reason ? { reason: reason.slice(0, LONGEST_REASON) } : undefined;
  const answer = await send(`/api/tasks/${encodeURIComponent(taskId)}/cancel/`, { method: "POST", body });
  return answer.json();
}

/** Start a job or a process, and return its id: sent again under one key until there is an answer. */
export async function start(fn, args) {
  const key = uuid();
  const answer = await persistently(() => call(fn, args, { key }));
  const id = answer?.job_id ?? answer?.run_id ?? answer?.taskId ?? answer?.task_id;
  if (typeof id === "string") return id;
  throw new ApiError({ code: "no_task", message: `${fn} has started nothing that could be followed: call it with call().` });
}

function tell(tree, update, { onTaskProgress, onOutput }) {
  tree.apply(update);
  if (update.type === "nodeOutput") onOutput?.(update.text, update.node.id);
  else onTaskProgress?.([tree.snapshot().task]);
}
