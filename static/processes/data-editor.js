/**
 * The data of a run, edited by hand: a JSON editor over the page's text area. Without this script it is a plain field.
 */

import { JsonEditor } from "./editor/json-editor.js";

function edit(textarea) {
  const label = textarea.labels[0]?.textContent.replace(/:$/, "") ?? "JSON";
  const editor = new JsonEditor(textarea, { label, words: () => null, onChange: () => {} });
  // A browser that comes back to the page puts back what was typed.
  window.addEventListener("pageshow", () => editor.takeOver());
}

for (const textarea of "ace" in window ? document.querySelectorAll('textarea[data-json="data"]') : []) {
  const details = textarea.closest("details:not([open])");
  // What is closed has no size that an editor could take.
  if (details) details.addEventListener("toggle", () => edit(textarea), { once: true });
  else edit(textarea);
}
