/** What a team's own code says to the compiler: each line is right, and what is marked is rightly refused. */

import { get, type Readable } from "svelte/store";
import {
  ApiError,
  batch,
  call,
  cancel,
  configure,
  createJobStore,
  createTask,
  createWorkflowStore,
  followJob,
  sharedTasks,
  subscribe,
  TaskAborted,
  TaskError,
  Tree,
  updates,
  watch,
  type JobState,
  type SharedTaskEvent,
  type WorkflowState,
} from "stepline";
import { useJob, useMyTasks, useSharedTask, useTask, useTaskOutput } from "stepline/react";
import "stepline/task-progress";

interface Arguments {
  userId: string;
}
interface Report {
  url: string;
}
type Steps = "check" | "send";

configure({ baseUrl: "https://example.com", token: "…" });

export const exportUsers = (args: Arguments) => createJobStore<Arguments, Report, { file: string }>("export_users", args);
export const verify = (args: Arguments) => createWorkflowStore<Arguments, void, Steps>("verify", args);

const job = exportUsers({ userId: "7" });
const readable: Readable<JobState<Report, { file: string }> & { loading: boolean }> = job;
const state = get(readable);
const url: string | undefined = state.status === "completed" ? state.output?.url : undefined;
const file: string | undefined = state.meta?.file;
job.unsubscribe();
const workflow: WorkflowState<void, Steps> = get(verify({ userId: "7" }));
const step: Steps | null = workflow.step;
// @ts-expect-error: the user's id is missing
exportUsers({});
// @ts-expect-error: there is no such status
if (state.status === "done") throw new Error();

export async function run(): Promise<Report> {
  const total: number = await call<{ one: number }, number>("js.add", { one: 1 }, { onOutput: (text, taskId) => console.log(text, taskId) });
  const [first] = await batch([{ fn: "js.add", args: { one: total } }]);
  if (first && !first.ok) console.log(first.error.code);
  const task = createTask<Arguments, Report>({ taskTemplate: "verify", input: { userId: "7" } }, (update) => console.log(update.timestamp));
  for await (const update of task) {
    if (update.type === "nodeUpdate") console.log(update.node.alias ?? update.node.id, update.data);
    if (update.type === "taskEnd") console.log(update.context.result, update.context.getNodeData<number>("check"));
  }
  await task.abort("enough");
  try {
    return await task;
  } catch (error) {
    if (error instanceof TaskError || error instanceof TaskAborted) console.log(error.reason);
    if (error instanceof ApiError) console.log(error.status, error.code, error.fields);
    throw error;
  }
}

export function follow(id: string): void {
  const tree = new Tree();
  const subscription = subscribe(id, { snapshot: true, types: ["nodeOutput"], onState: (now) => console.log(now) }, (update) => tree.apply(update));
  const list = watch("mine", { open: true, function: ["export_users"] }, (tasks, { gone }) => console.log(tasks[0]?.percent, gone));
  const shared = sharedTasks((event: SharedTaskEvent) => {
    if (event.type === "TaskStateEvent") console.log(event.tasks.map(({ isOwner }) => isOwner));
    else console.log(event.taskId, event.output, event.current);
  });
  for (const one of [subscription, list, shared, { close: followJob(id).unsubscribe }]) one.close();
  void cancel(id);
  void updates(id).next();
}

export function Component(): string {
  const { status, output, cancel: end } = useJob<Arguments, Report>("export_users", null);
  const { progress, task } = useTask("…");
  const { output: text, clear } = useTaskOutput("…");
  clear();
  void end();
  return [status, output?.url, progress, task?.title, text, useMyTasks().length, useSharedTask("…")?.isOwner, url, file, step].join();
}

const element = document.createElement("task-progress");
element.taskId = "…";
element.addEventListener("task-ended", ({ detail }) => console.log(detail.status));
