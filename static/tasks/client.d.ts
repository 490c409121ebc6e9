import type {
  FollowOptions,
  ListFilters,
  ListScope,
  ListSubscription,
  OnTasks,
  SubscribeOptions,
  Subscription,
} from "./subscription.js";
import type { Snapshot, Update } from "./tree.js";

export { pauseBefore } from "./backoff.js";
export { Connection } from "./connection.js";
export type {
  ConnectionState,
  FollowOptions,
  ListChange,
  ListFilters,
  ListScope,
  ListSubscription,
  OnTasks,
  SubscribeOptions,
  Subscription,
  TaskSummary,
} from "./subscription.js";

/** Follow a task over the page's shared connection. */
export function subscribe(
  taskId: string,
  options: SubscribeOptions,
  onUpdate: (update: Update | Snapshot) => void,
): Subscription;

/** Follow a list over the page's shared connection; `onTasks` gets its tasks, newest first, whenever one has changed. */
export function watch(scope: ListScope, filters: ListFilters, onTasks: OnTasks, options?: FollowOptions): ListSubscription;
