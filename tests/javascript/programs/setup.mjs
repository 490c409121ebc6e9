/** What every program of these tests begins with. */

import { configure } from "stepline";

export const { baseUrl, token, ...parameters } = JSON.parse(process.env.PARAMETERS);
configure({ baseUrl, token });

/** Tell the test something, a line of JSON. */
export function tell(value) {
  console.log(JSON.stringify(value));
}

/** Return what a store has become once `condition` holds, and tell each state on the way. */
export function until(store, condition, told = () => {}) {
  return new Promise((resolve) => {
    let end = () => {};
    const take = (state) => {
      told(state);
      if (!condition(state)) return;
      resolve(state);
      queueMicrotask(() => end());
    };
    end = store.subscribe(take);
  });
}
