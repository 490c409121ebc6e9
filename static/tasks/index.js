/**
 * Stepline's JavaScript client: start jobs and processes, follow them, and call functions by name.
 */

export { batch, call, cancel } from "./calls.js";
export { Connection, pauseBefore, subscribe, watch } from "./client.js";
export { Context } from "./context.js";
export { ApiError } from "./http.js";
export { configure } from "./configuration.js";
export { SharedTasks, sharedTasks } from "./shared-tasks.js";
export { createJobStore, createWorkflowStore, followJob, followWorkflow } from "./stores.js";
export { createTask, TaskAborted, TaskError } from "./task.js";
export { InvalidUpdate, isTerminal, percent, Tree } from "./tree.js";
export { updates } from "./updates.js";
