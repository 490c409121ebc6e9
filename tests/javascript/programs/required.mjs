/** Loads what bundlers would: scripts of npm packages that `require` each other. */

const FILES = {
  react: "/npm/react/cjs/react.development.js",
  "react-dom": "/npm/react-dom/cjs/react-dom.development.js",
  "react-dom/client": "/npm/react-dom/cjs/react-dom-client.development.js",
  scheduler: "/npm/scheduler/cjs/scheduler.development.js",
};
const NEEDS = { "react-dom": ["react"], "react-dom/client": ["scheduler", "react", "react-dom"] };
const loaded = new Map();

export async function required(name) {
  if (loaded.has(name)) return loaded.get(name).exports;
  for (const needed of NEEDS[name] ?? []) await required(needed);
  if (loaded.has(name)) return loaded.get(name).exports;
  const code = await (await fetch(FILES[name])).text();
  const module = { exports: {} };
  loaded.set(name, module);
  const need = (other) => loaded.get(other).exports;
  new Function("module", "exports", "require", "process", code)(module, module.exports, need, { env: { NODE_ENV: "development" } });
  return module.exports;
}
