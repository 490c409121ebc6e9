/** The order of the rows in which a template extends others: buttons that move a row, in the place of a number. */

import { element } from "./json-editor.js";
import { gettext } from "./translation.js";

/** Give each row of a group buttons, and keep the numbers in their order; `onChange` is told when it changes. */
export function orderRows(group, onChange) {
  const body = group?.querySelector("tbody");
  if (!body || !body.querySelector('input[name$="-position"]')) return;
  const rows = () => [...body.querySelectorAll("tr.form-row:not(.empty-form)")];
  const position = (row) => row.querySelector('input[name$="-position"]');
  const base = (row) => row.querySelector('[name$="-base"]');

  const number = () => {
    // A row in which nothing is chosen stays as it was: a number alone would make it count as filled in.
    const chosen = rows().filter((row) => base(row)?.value);
    chosen.forEach((row, index) => {
      position(row).value = index;
    });
    for (const row of rows()) {
      const place = chosen.indexOf(row);
      const name = base(row)?.selectedOptions?.[0]?.textContent ?? gettext("the row");
      for (const [button, isEnd] of [
        [row.querySelector(".move-up"), place <= 0],
        [row.querySelector(".move-down"), place < 0 || place === chosen.length - 1],
      ]) {
        if (!button) continue;
        button.disabled = isEnd;
        button.ariaLabel = `${button.title}: ${name}`;
      }
    }
  };

  const move = (row, button, way) => {
    const chosen = rows().filter((one) => base(one)?.value);
    const other = chosen[chosen.indexOf(row) + way];
    if (!other) return;
    if (way < 0) other.before(row);
    else other.after(row);
    number();
    (button.disabled ? row.querySelector(".json-moves button:not(:disabled)") : button)?.focus();
    onChange();
  };

  const equip = (row) => {
    const input = position(row);
    if (!input || row.querySelector(".json-moves")) return;
    const moves = element("span", { className: "json-moves" });
    for (const [way, sign, text, title] of [
      [-1, "↑", "up", gettext("Move up")],
      [1, "↓", "down", gettext("Move down")],
    ]) {
      const button = element("button", {
        type: "button",
        className: `move-${text}`,
        textContent: sign,
        title,
      });
      button.dataset.way = text;
      button.addEventListener("click", () => move(row, button, way));
      moves.append(button);
    }
    input.type = "hidden";
    input.after(moves);
  };

  const sorted = rows()
    .filter((row) => base(row)?.value)
    .sort((one, other) => position(one).value - position(other).value);
  const [first] = rows();
  sorted.forEach((row, index) => (index === 0 ? first !== row && first.before(row) : sorted[index - 1].after(row)));
  rows().forEach(equip);
  number();
  document.addEventListener("formset:added", ({ target }) => {
    if (!group.contains(target)) return;
    equip(target);
    number();
  });
  document.addEventListener("formset:removed", ({ detail }) => {
    if (detail?.formsetName !== "extensions") return;
    number();
    onChange();
  });
  group.addEventListener("change", () => {
    number();
    onChange();
  });
}
