/**
 * Follow tasks live: one connection for the whole page, by WebSocket, or by server-sent events where none gets through.
 *
 *     const subscription = subscribe(taskId, { snapshot: true }, (update) => tree.apply(update));
 *     subscription.close();
 *
 * Every update arrives once and in order, however often the connection breaks: a new one goes on after the last number.
 * Where the server can't go on from there it sends a snapshot, which replaces all that was known. With `types`, only those
 * updates arrive, besides snapshots and the last one; the numbers then have gaps.
 */

import { Connection } from "./connection.js";
import { whenConfigured } from "./configuration.js";

export { pauseBefore } from "./backoff.js";
export { Connection };

let shared = null;

function connection() {
  if (shared === null) {
    const made = new Connection();
    whenConfigured(() => made.renew());
    shared = made;
  }
  return shared;
}

/** Follow a task over the page's shared connection. */
export function subscribe(taskId, options, onUpdate) {
  return connection().subscribe(taskId, options, onUpdate);
}

/**
 * Follow a list over the page's shared connection: `mine`, `shared` or `all`, as far as `filters` let them in.
 *
 * `onTasks` gets the tasks, newest first, at the beginning and whenever one has changed, and with them what has changed.
 */
export function watch(scope, filters, onTasks, options = {}) {
  return connection().watch(scope, filters, options, onTasks);
}
