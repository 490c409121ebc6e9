/**
 * The updates of a task as they come, to be iterated: from the first one on, each with its context, up to the last.
 */

import { subscribe } from "./client.js";
import { emptyContext } from "./context.js";
import { ApiError } from "./http.js";

/**
 * Yield the updates of a task, each with the `context` as of then. Whoever stops to iterate follows no more.
 *
 * Where the log isn't kept from its beginning, or the reader lags by more than a thousand updates, a snapshot (of type
 * `snapshot`) takes the place of what is missing. A task that isn't there throws ApiError (`not_found`).
 */
export async function* updates(taskId) {
  const arrived = [];
  let error = null;
  let wake = () => {};
  let hasEnded = false;
  let context = emptyContext(taskId);
  const subscription = subscribe(
    taskId,
    {
      onError: (told) => {
        error = new ApiError(told);
        wake();
      },
      onState: (state) => {
        hasEnded = state === "ended";
        if (hasEnded) wake();
      },
    },
    (update) => {
      arrived.push(update);
      wake();
    },
  );
  try {
    for (let next = 0; ; ) {
      while (next < arrived.length) {
        const update = arrived[next];
        next += 1;
        context = context.after(update);
        yield { ...update, context };
      }
      arrived.length = 0;
      next = 0;
      if (error !== null) throw error;
      if (hasEnded) return;
      await new Promise((resolve) => {
        wake = resolve;
      });
    }
  } finally {
    subscription.close();
  }
}
