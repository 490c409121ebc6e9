/** Edit a list of rows in a form: add, remove with undo, put in order by dragging and by keyboard.

The form works without this module: each row has a number for its place and a box that removes it, and there is an empty
row at the end. What the markup bears (words are the page's own, so that they are in its language):

  [data-rows]              the editor; data-word-handle, -up, -down, -remove, -removed, -undo and -moved are its words
    [data-rows-list]       holds the rows, and nothing else
      [data-row]           one row; with data-row-blank it is the empty one, which the button replaces
        [data-row-position]  an input: its place
        [data-row-remove]    a checkbox: it goes; what stands around it (label) is hidden
        [data-row-tools]     where the buttons go
        [data-row-name]      a field whose value names the row; without one its number does
        [data-row-number]    shows its number
    template[data-row-template]  a new row; __row__ in its attributes becomes a number of its own
    [data-rows-total]      an input: how many rows have been in the form so far
    button[data-rows-add]  adds a row
    [data-rows-said]       a live region that tells what has happened

The editor fires `rows:change` (it bubbles) after each change; its detail is {what, row}: "added", "removed", "restored"
or "moved". Rows that somebody else puts into the list are equipped when `equipRows` is called once more. */

const EQUIPPED = Symbol("equipped");
/** So many pixels from the edge of the window the page scrolls while a row is dragged, and so far each time. */
const EDGE = 30;

/** Equip one editor; returns {rows, add, remove, move} for whoever goes on from there. */
export function equipRows(editor) {
  if (editor[EQUIPPED]) {
    editor[EQUIPPED].refresh();
    return editor[EQUIPPED];
  }
  const list = editor.querySelector("[data-rows-list]");
  const template = editor.querySelector("template[data-row-template]");
  const total = editor.querySelector("[data-rows-total]");
  const adding = editor.querySelector("[data-rows-add]");
  const said = editor.querySelector("[data-rows-said]");
  const word = (name) => editor.dataset[`word${name[0].toUpperCase()}${name.slice(1)}`] ?? "";

  const rows = () => [...list.children].filter((row) => row.matches("[data-row]") && !row.hidden);
  const nameOf = (row) => {
    const number = String(rows().indexOf(row) + 1);
    return row.querySelector("[data-row-name]")?.value?.trim() || number;
  };
  const tell = (text, ...more) => said?.replaceChildren(text, ...more);
  const changed = (what, row) => {
    number();
    editor.dispatchEvent(new CustomEvent("rows:change", { bubbles: true, detail: { what, row } }));
  };

  /** Write down the places, and say on each button which row it is about. */
  const number = () => {
    const shown = rows();
    shown.forEach((row, index) => {
      const place = row.querySelector("[data-row-position]");
      if (place) place.value = index + 1;
      const shownNumber = row.querySelector("[data-row-number]");
      if (shownNumber) shownNumber.textContent = index + 1;
      for (const [kind, isOff] of [
        ["handle", shown.length < 2],
        ["up", index === 0],
        ["down", index === shown.length - 1],
        ["remove", false],
      ]) {
        const button = row.querySelector(`[data-row-does="${kind}"]`);
        if (!button) continue;
        button.disabled = isOff;
        button.ariaLabel = `${button.title}: ${nameOf(row)}`;
      }
    });
  };

  const moveTo = (row, place) => {
    const others = rows().filter((other) => other !== row);
    if (place < 0 || place > others.length) return false;
    if (place === others.length) others.at(-1)?.after(row);
    else others[place].before(row);
    return true;
  };

  const tellPlace = (row) => {
    const shown = rows();
    const text = word("moved").replace("{place}", shown.indexOf(row) + 1).replace("{count}", shown.length);
    tell(text.replace("{name}", nameOf(row)));
  };

  /** Move a row by so many places; the focus stays on the button, or goes to its neighbour at the end. */
  const move = (row, way, button) => {
    if (!moveTo(row, rows().indexOf(row) + way)) return;
    changed("moved", row);
    (button?.disabled ? row.querySelector('[data-row-does="handle"]') : button)?.focus();
    tellPlace(row);
  };

  const remove = (row) => {
    const place = rows().indexOf(row);
    const name = nameOf(row);
    const box = row.querySelector("[data-row-remove]");
    if (box) box.checked = true;
    row.hidden = true;
    changed("removed", row);
    const undo = button("undo", word("undo"));
    undo.className = "rows-undo";
    undo.addEventListener("click", () => {
      if (box) box.checked = false;
      row.hidden = false;
      changed("restored", row);
      tell("");
      focusIn(row);
    });
    tell(`${word("removed").replace("{name}", name)} `, undo);
    const next = rows()[Math.min(place, rows().length - 1)];
    (next?.querySelector('[data-row-does="remove"]') ?? adding)?.focus();
  };

  const add = () => {
    const taken = Number(total?.value) || list.children.length;
    const holder = document.createElement("template");
    holder.innerHTML = template.innerHTML.replaceAll("__row__", String(taken));
    const row = holder.content.querySelector("[data-row]");
    list.append(row);
    if (total) total.value = taken + 1;
    equip(row);
    changed("added", row);
    focusIn(row);
    return row;
  };

  const button = (kind, title, sign) => {
    const made = document.createElement("button");
    Object.assign(made, { type: "button", title, textContent: sign ?? title });
    made.dataset.rowDoes = kind;
    return made;
  };

  /** Let a row follow the pointer from place to place while its handle is held; Escape puts it back. */
  const dragBy = (handle, row) => {
    let before = null;
    const end = (isBack) => {
      if (before === null) return;
      if (isBack) moveTo(row, before);
      const isElsewhere = rows().indexOf(row) !== before;
      before = null;
      row.classList.remove("is-dragged");
      if (!isElsewhere) return;
      changed("moved", row);
      tellPlace(row);
    };
    handle.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || handle.disabled) return;
      event.preventDefault();
      handle.focus({ preventScroll: true });
      handle.setPointerCapture(event.pointerId);
      before = rows().indexOf(row);
      row.classList.add("is-dragged");
    });
    handle.addEventListener("pointermove", (event) => {
      if (before === null) return;
      for (const other of rows()) {
        if (other === row) continue;
        const { top, height } = other.getBoundingClientRect();
        const isAbove = Boolean(other.compareDocumentPosition(row) & Node.DOCUMENT_POSITION_FOLLOWING);
        // A row gives way once the pointer is past its middle.
        if (isAbove && event.clientY < top + height / 2) {
          other.before(row);
          break;
        }
        if (!isAbove && event.clientY > top + height / 2) other.after(row);
      }
      // What is moved in the document loses pointer and focus.
      if (!handle.hasPointerCapture(event.pointerId)) handle.setPointerCapture(event.pointerId);
      handle.focus({ preventScroll: true });
      // Near the edge of the window the page goes along.
      const edge = event.clientY < EDGE ? -1 : event.clientY > window.innerHeight - EDGE ? 1 : 0;
      if (edge) window.scrollBy(0, edge * EDGE);
    });
    handle.addEventListener("pointerup", () => end(false));
    handle.addEventListener("pointercancel", () => end(true));
    handle.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && before !== null) {
        event.preventDefault();
        end(true);
      }
      const way = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      if (way === undefined || before !== null) return;
      event.preventDefault();
      move(row, way, handle);
    });
  };

  const equip = (row) => {
    if (row[EQUIPPED]) return;
    row[EQUIPPED] = true;
    const tools = row.querySelector("[data-row-tools]") ?? row.appendChild(document.createElement("span"));
    tools.classList.add("rows-tools");
    const handle = button("handle", word("handle"), "⠿");
    const up = button("up", word("up"), "↑");
    const down = button("down", word("down"), "↓");
    const away = button("remove", word("remove"), "✕");
    dragBy(handle, row);
    up.addEventListener("click", () => move(row, -1, up));
    down.addEventListener("click", () => move(row, 1, down));
    away.addEventListener("click", () => remove(row));
    tools.append(handle, up, down, away);
    // A place and a box are for those without scripts.
    for (const plain of row.querySelectorAll("[data-row-position], [data-row-remove]")) {
      (plain.closest("label") ?? plain).hidden = true;
    }
  };

  const focusIn = (row) => {
    const fields = [...row.querySelectorAll("input, select, textarea")];
    fields.find((field) => field.type !== "hidden" && field.checkVisibility())?.focus();
  };

  const refresh = () => {
    rows().forEach(equip);
    number();
  };

  if (adding && template) {
    adding.hidden = false;
    adding.addEventListener("click", add);
    for (const blank of list.querySelectorAll("[data-row-blank]")) blank.remove();
  }
  // Rows that were to go stay hidden where the form comes back.
  for (const box of list.querySelectorAll("[data-row-remove]:checked")) box.closest("[data-row]").hidden = true;
  editor.classList.add("has-script");
  editor.addEventListener("input", number);
  editor[EQUIPPED] = { rows, add, remove, move, refresh };
  refresh();
  return editor[EQUIPPED];
}

for (const editor of document.querySelectorAll("[data-rows]")) equipRows(editor);
