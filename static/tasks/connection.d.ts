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

/** One connection to the server, shared by all that is followed over it. */
export class Connection {
  subscribe(taskId: string, options: SubscribeOptions, onUpdate: (update: Update | Snapshot) => void): Subscription;
  watch(scope: ListScope, filters: ListFilters, options: FollowOptions, onTasks: OnTasks): ListSubscription;
  /** Try again at once where the connection is lost. */
  hurry(): void;
  /** Begin anew, by other settings or under another session. */
  renew(): void;
}
