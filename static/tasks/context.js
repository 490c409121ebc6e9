/**
 * What is known of a task at an update: its input, its result so far, and data and error of each node by alias. The same
 * rules as tasks/domain/context.py.
 */

/** One moment's context; a later update makes another one, and they share what doesn't change. */
export class Context {
  #known;

  constructor(known) {
    this.#known = known;
  }

  get taskId() {
    return this.#known.taskId;
  }

  get input() {
    return this.#known.input;
  }

  /** The task's result; until it has completed, the last data of each node by alias. */
  get result() {
    const { isCompleted, outcome, data } = this.#known;
    return isCompleted ? outcome : Object.fromEntries(data);
  }

  getNodeData(alias) {
    return this.#known.data.get(alias);
  }

  /** A node that starts again has no error. */
  getNodeError(alias) {
    return this.#known.errors.get(alias);
  }

  /** Return the context as of the update that follows, or of a snapshot, which tells of errors and of the result only. */
  after(update) {
    const changes = update.type === "snapshot" ? ofSnapshot(update) : ofUpdate(update, this.#known);
    return changes === null ? this : new Context({ ...this.#known, ...changes });
  }
}

/** Return the context of a task of which nothing is known yet. */
export function emptyContext(taskId) {
  return new Context({ taskId, input: undefined, outcome: undefined, isCompleted: false, data: new Map(), errors: new Map() });
}

function ofUpdate(update, { data, errors }) {
  const alias = update.node?.alias;
  if (update.type === "taskStart") return { input: update.input };
  if (update.type === "taskEnd") return { outcome: update.result, isCompleted: true };
  if (alias === undefined) return null;
  if (update.type === "nodeUpdate") return { data: new Map(data).set(alias, update.data) };
  if (update.type === "nodeError") return { errors: new Map(errors).set(alias, update.error) };
  if (update.type === "nodeStart" && errors.has(alias)) return { errors: new Map([...errors].filter(([name]) => name !== alias)) };
  return null;
}

function ofSnapshot({ task, result }) {
  const errors = new Map();
  const nodes = [task];
  for (const node of nodes) {
    if (node.alias && node.error) errors.set(node.alias, node.error);
    nodes.push(...(node.children ?? []));
  }
  return { outcome: result, isCompleted: task.status === "completed", data: new Map(), errors };
}
