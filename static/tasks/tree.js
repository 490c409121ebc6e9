/**
 * A task tree as the fold of its log: the same rules as tasks/domain/tree.py, held together by tests with one table.
 */

/** Streamed text kept on a node. */
const OUTPUT_TAIL = 65536;

const ENDINGS = { taskEnd: "completed", taskError: "failed", taskAborted: "cancelled" };
const OPEN = new Set(["created", "running", "waiting"]);
const JOB_ENDED = new Set(["completed", "failed", "dead_letter", "cancelled"]);
const ROOT_ENDED = new Set(Object.values(ENDINGS));

/** Say that an update is malformed, or doesn't follow the last one. */
export class InvalidUpdate extends Error {
  constructor(message) {
    super(message);
    this.name = "InvalidUpdate";
  }
}

/** Tell whether an update closes its log. */
export function isTerminal(update) {
  return Object.hasOwn(ENDINGS, update.type);
}

/** Return how far along a node is, 0 to 100, or null where nothing is known; `of` says it of a child. */
export function percent(node, of = percent) {
  if (node.status === "completed") return 100;
  if (node.total) return Math.max(0, Math.min(100, (100 * (node.current ?? 0)) / node.total));
  let sum = 0;
  let known = false;
  for (const child of node.children) {
    const share = of(child);
    if (share !== null) {
      known = true;
      sum += share;
    }
  }
  // Steps that are still to come count as nothing done, so that a bar doesn't jump back whenever the next one begins.
  return known ? sum / Math.max(node.children.length, node.expected ?? 0) : null;
}

/** Fold the updates of one task into its tree. */
export class Tree {
  constructor() {
    this.seq = 0;
    this.root = null;
    this.status = "pending";
    this.steps = undefined;
    this.result = undefined;
    this.reason = undefined;
    this.isOwner = undefined;
    this.finished = false;
    this._nodes = new Map();
    this._parents = new Map();
    this._changed = new Set();
    this._replaced = false;
    /** Percentages that still hold: what changes takes them from itself and its ancestors. */
    this._shares = new Map();
    this._percent = (node) => this.percent(node);
  }

  /** Fold one update, or take over a snapshot; a gap, a repeat or an unknown node throws InvalidUpdate. */
  apply(update) {
    if (update.type === "snapshot") {
      this._replace(update);
      return;
    }
    if (this.finished || update.seq !== this.seq + 1) {
      throw new InvalidUpdate(`Update ${update.seq} can't follow ${this.seq}.`);
    }
    if (this.root === null && update.type !== "taskStart") {
      throw new InvalidUpdate(`A log starts with taskStart, not ${update.type}.`);
    }
    if (isTerminal(update)) this._end(update);
    else if (update.type === "taskStart") this._begin(update);
    else if (update.type === "taskStatus") this._setStatus(update.status);
    else if (update.type === "nodeStart") this._startNode(update);
    else this._changeNode(update);
    this.seq = update.seq;
  }

  /** Return the state as the feed's snapshot. */
  snapshot() {
    if (this.root === null) throw new InvalidUpdate("There is nothing to show before taskStart.");
    const value = { v: 1, type: "snapshot", taskId: this.root.id, seq: this.seq, status: this.status };
    if (this.steps !== undefined) value.steps = this.steps;
    if (this.result !== undefined) value.result = this.result;
    value.task = shown(this.root);
    return value;
  }

  /** Return a node by its id, or undefined. */
  node(id) {
    return this._nodes.get(id);
  }

  /** Return the id of a node's parent, or undefined for the root. */
  parentOf(id) {
    return this._parents.get(id);
  }

  /** Return how far along a node is, as `percent` does, but without looking at what hasn't changed. */
  percent(node) {
    let share = this._shares.get(node.id);
    if (share === undefined) {
      share = percent(node, this._percent);
      this._shares.set(node.id, share);
    }
    return share;
  }

  /**
   * Return what has changed since the last call: ids of nodes, ancestors of changed ones included since their
   * percentage follows, parents before children; and whether a snapshot has replaced everything.
   */
  takeChanges() {
    const changes = { ids: [...this._changed], replaced: this._replaced };
    this._changed = new Set();
    this._replaced = false;
    return changes;
  }

  _replace(snapshot) {
    this.seq = snapshot.seq;
    this.status = snapshot.status;
    this.steps = snapshot.steps;
    this.result = snapshot.result;
    if (snapshot.isOwner !== undefined) this.isOwner = snapshot.isOwner;
    this._nodes = new Map();
    this._parents = new Map();
    this._changed = new Set();
    this._shares = new Map();
    this._replaced = true;
    this.root = this._adopt(snapshot.task, undefined);
    this.root.expected = this.steps?.length ?? 0;
    this.finished = ROOT_ENDED.has(this.root.status);
    this.reason = this.finished ? this.root.error : undefined;
  }

  _adopt(value, parentId) {
    const node = { ...value, output: value.output ?? "" };
    node.outputLines = lineBreaks(node.output);
    this._nodes.set(node.id, node);
    if (parentId !== undefined) this._parents.set(node.id, parentId);
    this._changed.add(node.id);
    node.children = (value.children ?? []).map((child) => this._adopt(child, node.id));
    return node;
  }

  _begin(update) {
    this.root = { id: update.taskId, type: "task", title: update.title ?? "", status: "created", output: "", outputLines: 0, children: [] };
    this._nodes.set(this.root.id, this.root);
    this.steps = update.steps;
    this.root.expected = this.steps?.length ?? 0;
    this._touch(this.root.id);
  }

  _setStatus(status) {
    this.status = status;
    if (OPEN.has(this.root.status) && (status === "running" || status === "waiting")) this.root.status = status;
    this._touch(this.root.id);
  }

  _end(update) {
    this.finished = true;
    this.result = update.result;
    this.reason = update.reason;
    this.root.status = ENDINGS[update.type];
    assign(this.root, "error", update.reason);
    // A root without a job has no taskStatus to close it.
    if (!JOB_ENDED.has(this.status)) this.status = this.root.status;
    this._touch(this.root.id);
  }

  _startNode(update) {
    const reference = update.node;
    const known = this._nodes.get(reference.id);
    if (known !== undefined) {
      // It runs again: what it had reported no longer holds.
      known.status = "running";
      known.title = reference.title;
      for (const key of ["error", "current", "message"]) delete known[key];
      assign(known, "total", update.total);
      if (known === this.root && update.steps !== undefined) {
        this.steps = update.steps;
        known.expected = update.steps.length;
      }
      this._touch(known.id);
      return;
    }
    const parentId = reference.parentId ?? update.taskId;
    const parent = this._nodes.get(parentId);
    if (parent === undefined) throw new InvalidUpdate("nodeStart names a parent that hasn't started.");
    const node = { id: reference.id, type: reference.type, title: reference.title, status: "running", output: "", outputLines: 0 };
    assign(node, "alias", reference.alias);
    assign(node, "total", update.total);
    node.children = [];
    parent.children.push(node);
    this._nodes.set(node.id, node);
    this._parents.set(node.id, parentId);
    this._touch(node.id);
  }

  _changeNode(update) {
    const node = this._nodes.get(update.node?.id);
    if (node === undefined) throw new InvalidUpdate(`${update.type} names a node that hasn't started.`);
    switch (update.type) {
      case "nodeProgress":
        for (const key of ["current", "total", "message"]) if (update[key] !== undefined) node[key] = update[key];
        break;
      case "nodeOutput":
        node.output = tail(node.output + update.text);
        node.outputLines += lineBreaks(update.text);
        break;
      case "nodeUpdate":
        assign(node, "data", update.data);
        break;
      case "nodeMeta":
        assign(node, "meta", update.meta);
        break;
      case "nodeError":
        node.error = update.error;
        break;
      case "nodeDefer":
        node.status = "waiting";
        if (update.reason !== undefined) node.message = update.reason;
        break;
      case "nodeEnd":
        node.status = update.status;
        break;
      default:
        throw new InvalidUpdate(`There is no update of type ${update.type}.`);
    }
    this._touch(node.id);
  }

  _touch(id) {
    const path = [];
    for (let at = id; at !== undefined; at = this._parents.get(at)) path.push(at);
    for (const touched of path.reverse()) {
      this._changed.add(touched);
      this._shares.delete(touched);
    }
  }
}

function assign(target, key, value) {
  if (value === undefined) delete target[key];
  else target[key] = value;
}

function tail(text) {
  if (text.length <= OUTPUT_TAIL) return text;
  const kept = text.slice(-OUTPUT_TAIL);
  const newline = kept.indexOf("\n");
  return newline >= 0 && newline < OUTPUT_TAIL / 2 ? kept.slice(newline + 1) : kept;
}

function lineBreaks(text) {
  let count = 0;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) count += 1;
  return count;
}

function shown(node) {
  const value = { id: node.id, type: node.type, title: node.title, status: node.status };
  for (const key of ["alias", "error", "current", "total", "message", "meta"]) {
    if (node[key] !== undefined && node[key] !== null) value[key] = node[key];
  }
  if (node.output) value.output = node.output;
  value.children = node.children.map(shown);
  return value;
}
