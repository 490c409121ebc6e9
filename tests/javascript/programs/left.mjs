import { call } from "stepline";
import { parameters, tell } from "./setup.mjs";

const stop = new AbortController();
const mine = new Error("not wanted any more");
try {
  await call("js.wait", { gate: parameters.gate }, {
    signal: stop.signal,
    onTaskProgress: ([{ id }]) => {
      if (!stop.signal.aborted) tell({ id });
      stop.abort(mine);
    },
  });
} catch (error) {
  tell({ isMine: error === mine });
}
