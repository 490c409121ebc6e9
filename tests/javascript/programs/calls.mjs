import { ApiError, batch, call } from "stepline";
import { tell } from "./setup.mjs";

tell({ sum: await call("js.add", { one: 2, other: 3 }) });

const trees = [];
const outputs = [];
const result = await call("js.report", { rows: 3 }, {
  onTaskProgress: (tasks) => trees.push(tasks),
  onOutput: (text, taskId) => outputs.push([text, taskId]),
});
tell({ result, last: trees.at(-1), outputs });

for (const [fn, args] of [["js.refuse", {}], ["js.add", { one: "x" }], ["js.nothing", {}]]) {
  try {
    await call(fn, args);
  } catch (error) {
    tell({ isApiError: error instanceof ApiError, status: error.status, code: error.code, message: error.message, fields: error.fields });
  }
}
try {
  await call("js.refuse", {}, { onOutput() {} });
} catch (error) {
  tell({ status: error.status, code: error.code });
}
const answers = await batch([{ fn: "js.add", args: { one: 1, other: 1 } }, { fn: "js.refuse" }]);
tell({ answers: answers.map((one) => (one.ok ? one.data : one.error.code)) });
tell({ shared: typeof (await call("js.share")).taskId });
