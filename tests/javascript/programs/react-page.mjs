/** A page that shows what each hook returns, in React's strict mode. */

import { Activity, createElement as h, StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import { cancelSharedTask, useJob, useMyTasks, useSharedTask, useSharedTasks, useTask, useTaskOutput } from "stepline/react";

function Shared() {
  const tasks = useSharedTasks();
  return h("ul", { id: "shared" }, tasks.map((task) =>
    h("li", { key: task.id, "data-id": task.id }, `${task.title}: ${task.status}, ${task.children.length} parts, ${task.isOwner}`)));
}

function Mine() {
  return h("p", { id: "mine" }, useMyTasks().map(({ id, status }) => `${id} ${status}`).join(", "));
}

function One({ id }) {
  const shared = useSharedTask(id);
  const { status, progress, loading, task } = useTask(id);
  const { output, clear } = useTaskOutput(id);
  return h("section", { id: "one" },
    h("p", { id: "one-shared" }, shared?.status ?? "none"),
    h("p", { id: "one-state" }, loading ? "loading" : `${status} ${progress} ${task.children.length}`),
    h("pre", { id: "one-output" }, output),
    h("button", { id: "clear", onClick: clear }, "Clear"),
    h("button", { id: "cancel", onClick: () => cancelSharedTask(id) }, "Cancel"));
}

function Job({ args }) {
  const { status, output, loading, jobId } = useJob("js.export", args);
  return h("p", { id: "job", "data-id": jobId }, `${loading} ${status} ${JSON.stringify(output)}`);
}

function Page() {
  const [id, setId] = useState("");
  const [args, setArgs] = useState(null);
  const [mode, setMode] = useState("visible");
  Object.assign(window, { setId, setArgs, setMode });
  return h("div", null, h(Shared), h(Mine), id && h(One, { id }), h(Activity, { mode }, h(Job, { args })));
}

createRoot(document.getElementById("root")).render(h(StrictMode, null, h(Page)));
