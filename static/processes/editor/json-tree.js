/**
 * JSON text while it is being written: tokens, a tree that makes the best of what is there, what the cursor is at, and
 * the text laid out anew. Offsets count UTF-16 code units, as strings do here.
 */

const BLANK = /\s/;
const ENDS_WORD = /[\s,:[\]{}"]/;
const CLOSES = { "[": "]", "{": "}" };
/** A formatted line is no longer than this, where what it holds could be parted. */
const LINE_LENGTH = 100;
/** The format allows 100 levels. */
const DEEPEST = 120;

/** Split text into tokens {type, start, end, value, closed}: a bracket, a comma, a colon, "string" or "word". */
export function tokenize(text) {
  const tokens = [];
  let at = 0;
  while (at < text.length) {
    const character = text[at];
    if (BLANK.test(character) || character === "\ufeff") {
      at += 1;
    } else if ("[]{},:".includes(character)) {
      tokens.push({ type: character, start: at, end: at + 1 });
      at += 1;
    } else if (character === '"') {
      const end = endOfString(text, at);
      const closed = end > at + 1 && text[end - 1] === '"';
      tokens.push({ type: "string", start: at, end, closed, value: unquoted(text.slice(at, end), closed) });
      at = end;
    } else {
      let end = at + 1;
      while (end < text.length && !ENDS_WORD.test(text[end])) end += 1;
      tokens.push({ type: "word", start: at, end, value: worth(text.slice(at, end)) });
      at = end;
    }
  }
  return tokens;
}

/** Return where a string ends: after its closing quote, or at the end of its line. */
function endOfString(text, start) {
  for (let at = start + 1; at < text.length; at += 1) {
    if (text[at] === "\\" && text[at + 1] !== "\n" && text[at + 1] !== "\r") at += 1;
    else if (text[at] === '"') return at + 1;
    else if (text[at] === "\n" || text[at] === "\r") return at;
  }
  return text.length;
}

function unquoted(literal, closed) {
  try {
    return JSON.parse(closed ? literal : `${literal}"`);
  } catch {
    return literal.slice(1, closed ? -1 : undefined);
  }
}

function worth(word) {
  try {
    return JSON.parse(word);
  } catch {
    return undefined;
  }
}

/**
 * Build a tree of nodes {kind: "object" | "array" | "scalar", start, end, closed}: objects have `members` {key,
 * keyToken, colon, value}, arrays `items`, scalars a `token`. What is missing is null; brackets that fit nothing are
 * passed over.
 */
export function parse(tokens) {
  const open = [];
  let root = null;
  for (const token of tokens) {
    const holder = open.at(-1);
    const member = holder?.members.at(-1);
    if (token.type in CLOSES) {
      const kind = token.type === "[" ? "array" : "object";
      const node = { kind, start: token.start, end: Infinity, closed: false, items: [], members: [] };
      if (holder) hold(holder, node);
      else root ??= node;
      open.push(node);
    } else if (token.type === "]" || token.type === "}") {
      const depth = open.findLastIndex((node) => (node.kind === "array" ? "]" : "}") === token.type);
      if (depth < 0) continue;
      const [node, ...unclosed] = open.splice(depth);
      Object.assign(node, { end: token.end, closed: true });
      for (const inner of unclosed) inner.end = token.start;
    } else if (token.type === ",") {
      if (member) member.done = true;
    } else if (token.type === ":") {
      if (member && !member.done) member.colon ??= token.start;
    } else if (
      token.type === "string" &&
      holder?.kind === "object" &&
      (!member || member.done || member.colon === null)
    ) {
      holder.members.push({ key: token.value, keyToken: token, colon: null, value: null, done: false });
    } else {
      const node = { kind: "scalar", start: token.start, end: token.end, closed: true, token };
      if (holder) hold(holder, node);
      else root ??= node;
    }
  }
  return root;
}

function hold(holder, node) {
  if (holder.kind === "array") {
    holder.items.push(node);
    return;
  }
  let member = holder.members.at(-1);
  if (!member || member.done) {
    member = { key: null, keyToken: null, colon: null };
    holder.members.push(member);
  }
  Object.assign(member, { value: node, done: true });
}

/** Return what a node stands for, as far as it is written; what nests absurdly deep is left out. */
export function valueOf(node, depth = 0) {
  if (!node || depth > DEEPEST) return undefined;
  if (node.kind === "scalar") return node.token.value;
  if (node.kind === "array") return node.items.map((item) => valueOf(item, depth + 1));
  const members = node.members.filter(({ key }) => key !== null);
  return Object.fromEntries(members.map(({ key, value }) => [key, valueOf(value, depth + 1)]));
}

/** Return the node at a path of keys and indexes, or null. */
export function nodeAt(root, path) {
  let node = root;
  for (const part of path) {
    if (node?.kind === "array") node = node.items[part];
    else node = node?.members?.findLast(({ key }) => key === part)?.value;
  }
  return node ?? null;
}

/**
 * Return what the cursor is at: {role: "key" | "value", path, token, before, after, holder, root}.
 *
 * `path` leads to the value, or to the object whose key it is; `token` is what the cursor is in, or null; `before` and
 * `after` are the tokens around it; `holder` is the container around it, or null.
 */
export function contextAt(text, offset) {
  const tokens = tokenize(text);
  const root = parse(tokens);
  const token = tokens.find((one) => isIn(one, offset)) ?? null;
  const before = tokens.findLast((one) => one.end <= (token?.start ?? offset)) ?? null;
  const after = tokens.find((one) => one.start >= (token?.end ?? offset)) ?? null;
  const path = [];
  let holder = null;
  for (let node = root; node && node.kind !== "scalar" && surrounds(node, offset);) {
    holder = node;
    const [part, inner] = step(node, offset);
    if (!inner || inner.kind === "scalar" || !surrounds(inner, offset)) break;
    path.push(part);
    node = inner;
  }
  const found = { token, before, after, holder, root, path };
  if (holder?.kind === "object") {
    const member = token
      ? holder.members.find((one) => one.keyToken === token || (one.value?.token ?? null) === token)
      : holder.members.findLast(({ colon }) => colon !== null && colon === before?.start);
    // A word that stands where a key does is one whose quotes are still to come.
    if (!member || member.keyToken === (token ?? undefined) || !member.keyToken) return { ...found, role: "key" };
    return { ...found, role: "value", path: [...path, member.key] };
  }
  if (holder) path.push(holder.items.filter((item) => item.end <= (token?.start ?? offset)).length);
  return { ...found, role: "value", path };
}

function step(node, offset) {
  if (node.kind === "array") {
    const index = node.items.findLastIndex((item) => item.start < offset);
    return [index, node.items[index]];
  }
  const member = node.members.findLast(({ value }) => value && value.start < offset);
  return [member?.key, member?.value];
}

function surrounds(node, offset) {
  return node.start < offset && (node.closed ? offset < node.end : offset <= node.end);
}

function isIn(token, offset) {
  if (token.type === "string") return token.start < offset && (token.closed ? offset < token.end : offset <= token.end);
  return token.type === "word" && token.start < offset && offset <= token.end;
}

/**
 * Lay JSON text out anew: two blanks per level, short inner values on one line; keys, their order and every literal
 * stay as they are written. The outer `expanded` levels always get lines of their own.
 * Throws SyntaxError for what isn't JSON, and RangeError for what nests absurdly deep.
 */
export function format(text, expanded = 0) {
  JSON.parse(text.replace(/^\ufeff/, ""));
  const literal = (node) => text.slice(node.start, node.end);
  const children = (node) =>
    node.kind === "array"
      ? node.items.map((value) => ["", value])
      : node.members.map(({ keyToken, value }) => [`${literal(keyToken)}: `, value]);
  const inLine = (node) => {
    if (node.kind === "scalar") return literal(node);
    const inner = children(node).map(([key, value]) => key + inLine(value));
    return node.kind === "array" ? `[${inner.join(", ")}]` : `{${inner.join(", ")}}`;
  };
  const laidOut = (node, depth, column) => {
    const parts = node.kind === "scalar" ? [] : children(node);
    const isShort = node.end - node.start < 4 * LINE_LENGTH && (depth >= expanded || parts.length === 0);
    if (node.kind === "scalar") return literal(node);
    const line = isShort ? inLine(node) : null;
    if (line !== null && (parts.length === 0 || column + line.length < LINE_LENGTH)) return line;
    const indent = "  ".repeat(depth + 1);
    const lines = parts.map(([key, value]) => indent + key + laidOut(value, depth + 1, indent.length + key.length));
    const [begin, end] = node.kind === "array" ? "[]" : "{}";
    return `${begin}\n${lines.join(",\n")}\n${"  ".repeat(depth)}${end}`;
  };
  return laidOut(parse(tokenize(text)), 0, 0);
}

/** Return how many levels of a definition stand on lines of their own: those down to its actions' keys. */
export function levelsOf(text) {
  return parse(tokenize(text))?.kind === "array" ? 2 : 3;
}
