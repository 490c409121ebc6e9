import { ApiError, cancel, createJobStore } from "stepline";
import { parameters, tell, until } from "./setup.mjs";

const job = createJobStore("js.export", { rows: 4, gate: parameters.gate });
await until(job, ({ message }) => message === "half way");
const { jobId } = await until(job, ({ status }) => status === "running");
await job.cancel();
const statuses = [];
const state = await until(job, ({ status }) => status === "cancelled", ({ status }) => statuses.push(status));
tell({ statuses, state });
try {
  await cancel(jobId);
} catch (error) {
  tell({ isApiError: error instanceof ApiError, status: error.status, code: error.code });
}
