import { writeFileSync } from "node:fs";

import { get } from "svelte/store";
import { createJobStore, createWorkflowStore, followJob } from "stepline";
import { parameters, tell, until } from "./setup.mjs";

const ended = ({ status }) => ["completed", "failed", "cancelled", "dead_letter", "not_found"].includes(status);

const job = createJobStore("js.export", { rows: 4, gate: parameters.gate });
tell({ first: get(job) });
const statuses = [];
await until(job, ended, ({ status, output, loading, progress, message }) => {
  statuses.push([status, output !== null, loading, progress]);
  if (message === "half way") writeFileSync(parameters.gate, "");
});
tell({ statuses, last: get(job), started: (await job.started) === get(job).jobId });

const broken = createJobStore("js.broken");
await until(broken, ended);
tell({ broken: get(broken) });

const missing = createJobStore("js.nothing");
await until(missing, ended);
tell({ missing: get(missing), code: await missing.started.catch((error) => error.code) });

const unknown = followJob("0197f000-0000-7000-8000-000000000000");
await until(unknown, ended);
tell({ unknown: get(unknown) });

const workflow = createWorkflowStore("js-count", { rows: 2, gate: `${parameters.gate}-2` });
tell({ created: get(workflow) });
const steps = [];
await until(workflow, ended, (state) => {
  steps.push([state.status, state.step, state.steps.map(({ status }) => status)]);
  if (state.step === "count") writeFileSync(`${parameters.gate}-2`, "");
});
tell({ steps, workflow: get(workflow) });
