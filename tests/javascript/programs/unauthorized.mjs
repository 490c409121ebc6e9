import { call, configure, followJob, subscribe, watch } from "stepline";
import { baseUrl, parameters, tell, until } from "./setup.mjs";

configure({ baseUrl, token: "stl_nothing" });
await call("js.add", { one: 1, other: 1 }).catch(({ status, code }) => tell({ status, code }));
const state = await until(followJob(parameters.taskId), ({ loading, error }) => !loading && error !== null);
tell({ status: state.status, error: state.error });
configure({ token: null });
await new Promise((done) => watch("all", {}, () => {}, { onError: ({ code }) => done(tell({ code })) }));
await new Promise((done) => subscribe(parameters.taskId, { onError: ({ code }) => done(tell({ code })) }, () => {}));
