/** Edit the rows of the builder without leaving the page.

The form works without this module: each button sends it, and the page comes back with its rows redrawn. Here the same
buttons ask the server for the rows alone, so that the page stays where it is; rows are also moved by dragging a handle,
or by the arrow keys on it; and what was typed is checked at once, with the diagram drawn anew.

What gets the focus is known by its data-key, which stays the same when the rows are drawn again. Parts with data-live
show what the server has found; only they are drawn again while somebody types. */

const PAUSE_MILLISECONDS = 500;

export function equipBuilder(form) {
  let asked = 0;
  let timer = 0;
  let isChanged = false;
  let isRedrawing = false;

  const parts = () => form.querySelector("[data-builder-parts]");
  const tell = (text) => form.querySelector("[data-builder-said]")?.replaceChildren(text);
  const byKey = (root, key) => (key ? root.querySelector(`[data-key="${CSS.escape(key)}"]`) : null);

  /** Ask for the rows after what a button does; gives null where a later question has been asked, or it failed. */
  const ask = async (deed) => {
    clearTimeout(timer);
    const mine = (asked += 1);
    const data = new FormData(form);
    data.set("do", deed);
    try {
      const response = await fetch(form.dataset.builder, { method: "POST", body: data });
      if (!response.ok) throw new Error(String(response.status));
      const holder = document.createElement("template");
      holder.innerHTML = await response.text();
      const drawn = holder.content.querySelector("[data-builder-parts]");
      // Who is signed out meanwhile gets another page.
      if (!drawn) throw new Error("no rows");
      return mine === asked ? drawn : null;
    } catch {
      if (mine === asked) tell(form.dataset.failed);
      return null;
    }
  };

  /** Draw all rows again, and put the focus where the server says, or back where it was. */
  const redraw = async (deed, key = document.activeElement?.dataset?.key) => {
    isChanged ||= !/^(open|close|check)/.test(deed);
    const old = parts();
    old.setAttribute("aria-busy", "true");
    isRedrawing = true;
    old.inert = true;
    const drawn = await ask(deed);
    isRedrawing = false;
    if (!drawn) {
      old.removeAttribute("aria-busy");
      old.inert = false;
      byKey(old, key)?.focus();
      return;
    }
    const scrolled = old.querySelector(".builder-flow")?.scrollTop ?? 0;
    for (const details of old.querySelectorAll("details[data-key][open]")) byKey(drawn, details.dataset.key)?.setAttribute("open", "");
    const said = drawn.querySelector("[data-builder-said]");
    const text = said?.textContent ?? "";
    // A live region is heard when its text changes, not when it is new.
    said?.replaceChildren();
    old.replaceWith(drawn);
    equip();
    const flow = drawn.querySelector(".builder-flow");
    if (flow) flow.scrollTop = scrolled;
    const pointed = drawn.querySelector("[autofocus]");
    const wanted = byKey(drawn, key?.startsWith("move") ? key : "") ?? pointed ?? byKey(drawn, key);
    // At the end of its way a button is off: the handle beside it isn't.
    (wanted?.disabled ? wanted.parentElement.querySelector("[data-builder-handle]") : wanted)?.focus();
    if (wanted === pointed && wanted?.matches("input[type=text]")) wanted.select();
    requestAnimationFrame(() => {
      tell(text);
      if (deed.startsWith("delete-")) offerUndo(old);
    });
  };

  /** Offer the rows of before, until something else is done. */
  const offerUndo = (before) => {
    const undo = document.createElement("button");
    Object.assign(undo, { type: "button", textContent: form.dataset.undo });
    undo.dataset.builderUndo = "";
    undo.addEventListener("click", () => {
      asked += 1;
      parts().replaceWith(before);
      before.removeAttribute("aria-busy");
      before.inert = false;
      tell("");
      byKey(before, "add-action")?.focus();
    });
    form.querySelector("[data-builder-said]")?.append(" ", undo);
  };

  const takeBackUndo = () => form.querySelector("[data-builder-undo]")?.remove();

  /** Draw only what the server has found, beside fields that somebody is filling in. */
  const look = async () => {
    const drawn = await ask("check");
    if (!drawn) return;
    for (const part of drawn.querySelectorAll("[data-live]")) {
      const old = parts().querySelector(`[data-live="${CSS.escape(part.dataset.live)}"]`);
      const scrolled = old?.querySelector(".builder-flow")?.scrollTop;
      old?.replaceWith(part);
      if (part.childElementCount > 0) part.closest("details")?.setAttribute("open", "");
      if (scrolled) part.querySelector(".builder-flow").scrollTop = scrolled;
    }
  };

  const lookSoon = () => {
    clearTimeout(timer);
    // All rows are on their way: a question in between would take the answer's place.
    if (isRedrawing) return;
    timer = setTimeout(look, PAUSE_MILLISECONDS);
  };

  const equip = () => {
    for (const handle of form.querySelectorAll("[data-builder-handle]")) {
      handle.hidden = false;
      const kind = handle.dataset.builderHandle;
      const row = handle.closest(`[data-builder-${kind}]`);
      dragBy(handle, row, kind);
    }
    for (const button of form.querySelectorAll("[data-builder-use]")) button.hidden = true;
  };

  /** Let a row follow the pointer while its handle is held; Escape puts it back. */
  const dragBy = (handle, row, kind) => {
    let home = null;
    const end = (isBack) => {
      if (!home) return;
      const [holder, before] = home;
      const isElsewhere = row.parentNode !== holder || row.nextElementSibling !== before;
      if (isBack && isElsewhere) holder.insertBefore(row, before);
      home = null;
      row.classList.remove("is-dragged");
      if (isElsewhere && !isBack) redraw("moved", handle.dataset.key);
    };
    handle.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      event.preventDefault();
      handle.focus();
      handle.setPointerCapture(event.pointerId);
      home = [row.parentNode, row.nextElementSibling];
      row.classList.add("is-dragged");
    });
    handle.addEventListener("pointermove", (event) => {
      if (!home) return;
      place(row, kind, event.clientY);
      // What is moved in the document loses pointer and focus.
      if (!handle.hasPointerCapture(event.pointerId)) handle.setPointerCapture(event.pointerId);
      handle.focus();
    });
    handle.addEventListener("pointerup", () => end(false));
    handle.addEventListener("pointercancel", () => end(true));
    handle.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && home) {
        event.preventDefault();
        end(true);
        return;
      }
      const way = { ArrowUp: "up", ArrowDown: "down" }[event.key];
      if (!way || home) return;
      event.preventDefault();
      redraw(`${way}-${kind}:${row.dataset.number}`, handle.dataset.key);
    });
  };

  /** Put a row where the pointer is: among its like, and a step also into another action. */
  const place = (row, kind, y) => {
    const others = [...form.querySelectorAll(`[data-builder-${kind}]`)].filter((other) => other !== row);
    for (const other of others) {
      const { top, height } = other.getBoundingClientRect();
      const isAbove = Boolean(other.compareDocumentPosition(row) & Node.DOCUMENT_POSITION_FOLLOWING);
      // A row gives way once the pointer is past its middle.
      if (isAbove && y < top + height / 2) {
        other.before(row);
        return;
      }
      if (!isAbove && y > top + height / 2) other.after(row);
    }
  };

  form.addEventListener("submit", (event) => {
    const deed = event.submitter?.value ?? "check";
    if (deed === "save") {
      isChanged = false;
      return;
    }
    event.preventDefault();
    if (event.submitter?.classList.contains("builder-default")) look();
    else redraw(deed, event.submitter?.dataset.key);
  });

  form.addEventListener("change", (event) => {
    isChanged = true;
    if (event.target.matches("[data-builder-script]")) {
      const { number } = event.target.closest("[data-builder-step]").dataset;
      redraw(`script:${number}`, event.target.dataset.key);
    } else {
      lookSoon();
    }
  });

  form.addEventListener("input", () => {
    isChanged = true;
    takeBackUndo();
    clearTimeout(timer);
  });

  addEventListener("beforeunload", (event) => {
    if (isChanged) event.preventDefault();
  });

  // What the server has redrawn after a refusal isn't saved either.
  isChanged = Boolean(document.querySelector(".errornote"));
  equip();
}

for (const form of document.querySelectorAll("form[data-builder]")) equipBuilder(form);
