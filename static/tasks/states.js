/**
 * What stores tell of a task: the state of a job, or that of a run and its steps, drawn from its tree.
 */

import { percent } from "./tree.js";

const JOB_ENDED = new Set(["completed", "failed", "dead_letter", "cancelled", "compensated"]);
const TELLS_ERROR = new Set(["failed", "dead_letter", "cancelled"]);
/** How far a run is, by what its job's status says. */
const RUN_STATUSES = {
  pending: "created",
  claimed: "created",
  retry: "running",
  cancel_requested: "running",
  dead_letter: "failed",
};
const STEP_STATUSES = { created: "pending" };

/** Return the state of a job; `tree` is null before anything is known of it. */
export function jobState(tree, jobId = "", { before } = {}) {
  if (tree === null) {
    return { jobId, status: "pending", progress: null, message: null, output: null, error: null, meta: null, loading: true };
  }
  const { root } = tree;
  const share = percent(root);
  const status = settled(tree, before);
  return {
    jobId,
    status,
    progress: share === null ? null : Math.floor(share),
    message: root.message ?? null,
    output: outputOf(tree),
    error: TELLS_ERROR.has(status) ? (tree.reason ?? root.error ?? null) : null,
    meta: root.meta ?? null,
  };
}

/** Return the state of a run; `tree` is null before anything is known of it. */
export function workflowState(tree, workflowId = "", { waitingFor, before } = {}) {
  if (tree === null) {
    return { workflowId, status: "created", step: null, waitingFor: null, steps: [], output: null, error: null, loading: true };
  }
  const jobStatus = settled(tree, before);
  const status = RUN_STATUSES[jobStatus] ?? jobStatus;
  const steps = stepsOf(tree);
  return {
    workflowId,
    status,
    step: steps.findLast(({ status: one }) => one === "running" || one === "waiting")?.name ?? null,
    waitingFor: status === "waiting" ? (waitingFor ?? null) : null,
    steps,
    output: outputOf(tree),
    error: TELLS_ERROR.has(status) || status === "compensated" ? (tree.reason ?? tree.root.error ?? null) : null,
  };
}

/** An end is told together with its result or reason, which come in the update after it. */
function settled({ status, finished }, before) {
  return JOB_ENDED.has(status) && !finished ? (before?.status ?? "running") : status;
}

function outputOf({ root, result }) {
  return root.status === "completed" ? (result ?? null) : null;
}

/** Return the steps of a run: those that are known from the beginning, and what has come besides. */
function stepsOf({ root, steps }) {
  const nodes = new Map();
  for (const node of root.children) if (node.alias !== undefined) nodes.set(node.alias, node);
  const names = new Set([...(steps ?? []).map(({ name }) => name), ...nodes.keys()]);
  return [...names].map((name) => {
    const node = nodes.get(name);
    return { name, status: STEP_STATUSES[node?.status] ?? node?.status ?? "pending", error: node?.error ?? null };
  });
}
