/**
 * The page of a process template: JSON editors over its text areas, checked while one types, and an order for what the
 * template extends. Without this script the page is a plain form that does the same.
 */

import { Checker } from "./editor/checker.js";
import { JsonEditor } from "./editor/json-editor.js";
import { orderRows } from "./editor/rows.js";

/** Rows beyond these keep their plain text area: each editor costs the browser something. */
const MOST_EDITORS = 60;

const settings = document.getElementById("template-editor");
const form = document.getElementById("processtemplate_form");
const editors = new Map();
let vocabulary = null;
let loaded = "";

function start() {
  const checker = new Checker(form, { ...settings.dataset, editors });
  const edit = (holder) => {
    for (const textarea of holder.querySelectorAll("textarea[data-json]")) {
      if (textarea.closest(".empty-form") || textarea.readOnly || editors.size >= MOST_EDITORS) continue;
      const label = textarea.ariaLabel ?? textarea.labels[0]?.textContent.replace(/:$/, "") ?? "JSON";
      editors.set(textarea, new JsonEditor(textarea, { label, words, onChange: () => checker.soon() }));
    }
  };
  edit(form);
  const inherit = () => loadVocabulary().then(() => checker.soon());
  orderRows(document.getElementById("extensions-group"), inherit);
  document.addEventListener("formset:added", ({ target }) => edit(target));
  document.addEventListener("formset:removed", ({ target }) => {
    for (const textarea of target.querySelectorAll("textarea[data-json]")) {
      editors.get(textarea)?.destroy();
      editors.delete(textarea);
    }
    checker.soon();
  });
  form.addEventListener("input", ({ target }) => target.name && checker.soon());
  form.addEventListener("change", ({ target }) => target.name && checker.soon());
  // A browser that comes back to the page puts back what was typed.
  window.addEventListener("pageshow", () => editors.forEach((editor) => editor.takeOver()));
  checker.show(JSON.parse(document.getElementById("template-problems").textContent));
  inherit();
}

/** Give what completion needs, or null while it isn't there. */
function words() {
  return vocabulary && { vocabulary, bindings: ownBindings() };
}

/** Fetch what may be written, again whenever the template extends something else. */
async function loadVocabulary() {
  const rows = [...document.querySelectorAll("#extensions-group .form-row:not(.empty-form)")];
  const query = new URLSearchParams();
  for (const row of rows) {
    const base = row.querySelector('select[name$="-base"], input[name$="-base"]');
    const isDeleted = row.querySelector('input[name$="-DELETE"]')?.checked;
    if (base?.value && !isDeleted) query.append("extends", base.value);
  }
  if (vocabulary && loaded === query.toString()) return;
  loaded = query.toString();
  const asked = loaded;
  try {
    const response = await fetch(`${settings.dataset.vocabulary}?${query}`, {
      headers: { Accept: "application/json" },
    });
    const found = response.ok && !response.redirected ? await response.json() : null;
    if (found && asked === loaded) vocabulary = found;
  } catch {
    // Without it nothing is completed; the check says whether the server can be reached.
    loaded = "";
  }
}

function ownBindings() {
  const found = [];
  for (const row of document.querySelectorAll("#bindings-group .form-row:not(.empty-form)")) {
    const reference = row.querySelector('[name$="-reference"]')?.value.trim();
    const text = row.querySelector('[name$="-target"]')?.value;
    if (!reference || row.querySelector('input[name$="-DELETE"]')?.checked) continue;
    let target;
    try {
      target = JSON.parse(text);
    } catch {
      // It is offered by name, even though nobody knows yet what it is.
    }
    found.push({ reference, target });
  }
  return found;
}

if (settings && form && "ace" in window) start();
