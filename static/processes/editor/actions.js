/** What a definition that is being written already says. */

import { nodeAt, valueOf } from "./json-tree.js";

/** Give the actions of a tree, as far as they are written. */
export function actionsIn(root) {
  const list = root?.kind === "array" ? root : nodeAt(root, ["actions"]);
  const values = list?.kind === "array" ? valueOf(list) : [];
  return values.filter((one) => one && typeof one === "object" && !Array.isArray(one));
}

/** Give each state that a config says it sets: what stands under "state" or "else", at any depth. */
export function statesIn(config) {
  if (!config || typeof config !== "object") return [];
  return Object.entries(config).flatMap(([key, value]) =>
    key === "state" || key === "else" ? [value] : statesIn(value),
  );
}

/** Give keys of data that the actions are seen to fill: set_data's values, the fields of forms, keys to copy to. */
export function dataKeys(actions) {
  return actions.flatMap(({ config }) => {
    if (!config || typeof config !== "object") return [];
    const values = config.values && typeof config.values === "object" ? Object.keys(config.values) : [];
    const fields = Array.isArray(config.fields) ? config.fields.map((field) => field?.name) : [];
    return [...values, ...fields, config.key].filter((name) => typeof name === "string" && name);
  });
}

/** Tell whether a binding's target is a script or a process. */
export function runsSomething(target) {
  return (
    typeof target === "string" || (target && typeof target === "object" && ("script" in target || "process" in target))
  );
}

/** Write an inherited action as it stands, for one that overrides it. */
export function overriding({ name, script, config, next }) {
  const action = { name, script };
  if (config !== null) action.config = config;
  if (next !== true) action.next = next;
  return JSON.stringify(action, null, 2);
}
