/**
 * How long to wait before trying again: exponential, capped and spread, so that a server that comes back isn't met by
 * all its clients at once.
 */

const FIRST_PAUSE_MS = 300;
const LONGEST_PAUSE_MS = 15000;

/** Return how long to wait before attempt number `attempt` (from 0): exponential, capped, and drawn from its upper half. */
export function pauseBefore(attempt, draw = Math.random()) {
  const longest = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(attempt, 20));
  return longest * (0.5 + draw / 2);
}

/** Wait before attempt number `attempt`; sooner where the network comes back, and with an error where `signal` aborts. */
export function pause(attempt, signal) {
  return new Promise((resolve, reject) => {
    const finish = () => {
      clearTimeout(timer);
      globalThis.removeEventListener?.("online", finish);
      signal?.removeEventListener("abort", finish);
      if (signal?.aborted) reject(signal.reason);
      else resolve();
    };
    const timer = setTimeout(finish, pauseBefore(attempt));
    // A worker of the network's own, or Node.js, has nobody who tells.
    globalThis.addEventListener?.("online", finish);
    signal?.addEventListener("abort", finish);
    if (signal?.aborted) finish();
  });
}
