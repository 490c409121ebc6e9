export { batch, call, cancel } from "./calls.js";
export type { BatchAnswer, BatchCall, CallOptions } from "./calls.js";
export { Connection, pauseBefore, subscribe, watch } from "./client.js";
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
} from "./client.js";
export { Context } from "./context.js";
export { ApiError } from "./http.js";
export type { Problem } from "./http.js";
export { configure } from "./configuration.js";
export type { Settings } from "./configuration.js";
export { SharedTasks, sharedTasks } from "./shared-tasks.js";
export type {
  SharedTaskEvent,
  SharedTaskNode,
  SharedTaskState,
  SharedTaskStatus,
  TaskStateEvent,
  TaskUpdateEvent,
} from "./shared-tasks.js";
export type {
  JobState,
  JobStatus,
  WorkflowState,
  WorkflowStatus,
  WorkflowStepState,
  WorkflowStepStatus,
} from "./states.js";
export { createJobStore, createWorkflowStore, followJob, followWorkflow } from "./stores.js";
export type { JobStore, Loading, TaskStore, WorkflowStore } from "./stores.js";
export { createTask, TaskAborted, TaskError } from "./task.js";
export type { Task, TaskSpecification } from "./task.js";
export { InvalidUpdate, isTerminal, percent, Tree } from "./tree.js";
export type { NodeReference, NodeStatus, Snapshot, TaskNode, TaskStatus, Update } from "./tree.js";
export { updates } from "./updates.js";
export type { UpdateInContext } from "./updates.js";
