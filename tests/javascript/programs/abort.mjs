import { createTask, TaskAborted } from "stepline";
import { parameters, tell } from "./setup.mjs";

const task = createTask({ taskTemplate: "js-count", input: parameters.input });
const seen = [];
for await (const update of task) {
  seen.push(update.type);
  if (update.type === "nodeOutput") await task.abort("seen enough");
}
try {
  await task;
} catch (error) {
  tell({ last: seen.at(-1), isAborted: error instanceof TaskAborted, cause: error.cause, reason: error.reason });
}
await task.abort("too late");
