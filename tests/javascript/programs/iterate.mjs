import { createTask } from "stepline";
import { parameters, tell } from "./setup.mjs";

const heard = [];
const task = createTask({ taskTemplate: "js-count", input: parameters.input }, (update) => heard.push(update.seq));
const taskId = await task.taskId;
tell({ taskId });
for await (const update of task) {
  const { context } = update;
  tell({ seq: update.seq, type: update.type, input: context.input, id: context.taskId, data: context.getNodeData("count"), error: context.getNodeError("check") });
}
let end;
try {
  end = { result: await task };
} catch (error) {
  end = { error: error.name, reason: error.reason, message: error.message, isError: error instanceof Error };
}
const again = [];
for await (const update of task) again.push(update.seq);
tell({ ...end, heard, again });
