/**
 * The page of status rules, where they are edited as JSON: the editor over the text area, checked while one types. Without
 * this script it is a plain field; rows are the matter of rows-editor.js.
 */

import { Checker } from "./editor/checker.js";
import { JsonEditor } from "./editor/json-editor.js";

const settings = document.getElementById("rules-editor");
const textarea = document.querySelector('textarea[data-json="rules"]');
const read = (id) => JSON.parse(document.getElementById(id).textContent);

function start() {
  const editors = new Map();
  const checker = new Checker(textarea.form, { ...settings.dataset, editors });
  // Completion knows what a schema tells; rules name no scripts and bind nothing.
  const vocabulary = {
    target: read("rules-schema"),
    lifecycle: { all: [], jumpable: [] },
    scripts: [],
    inherited: { actions: [], bindings: [] },
    processes: [],
  };
  const editor = new JsonEditor(textarea, {
    label: textarea.ariaLabel,
    words: () => ({ vocabulary, bindings: [] }),
    onChange: () => checker.soon(),
  });
  editors.set(textarea, editor);
  window.addEventListener("pageshow", () => editor.takeOver());
  checker.show(read("rules-problems"));
  // The list below the editor says the same, and goes along with what is typed.
  for (const list of document.querySelectorAll(".rules-warnings")) list.remove();
}

if (settings && textarea && "ace" in window) start();
