/** Follows a task by a client of server-sent events that others have written, which reconnects by itself. */

import { EventSource } from "eventsource";
import { baseUrl, parameters, tell, token } from "./setup.mjs";

const withToken = (url, init) => fetch(url, { ...init, headers: { ...init.headers, Authorization: `Bearer ${token}` } });
const source = new EventSource(`${baseUrl}/api/tasks/${parameters.taskId}/updates/?since=0`, { fetch: withToken });
const seqs = [];
// Its own timers don't keep a program going.
const alive = setInterval(() => {}, 1000);
source.addEventListener("message", ({ data }) => {
  const { seq, type } = JSON.parse(data);
  seqs.push(seq);
  if (seqs.length === 8) console.log("under way");
  if (type === "taskEnd") {
    tell({ seqs });
    source.close();
    clearInterval(alive);
  }
});
