/**
 * What a process's form does with a script; without one it works too.
 *
 * - The page gets the address at which the server shows the same form with what was entered (`data-address`). So Back leads
 *   from the next step to this one as it was sent, and reloading never sends anything again.
 * - A second click sends nothing more. (The server takes only one anyway; this spares its owner the page that says so.)
 */

/** Without a file nothing takes so long: the answer was a download, or the way to the server was lost. */
const GIVE_UP_MS = 20_000;

/** Let a form be sent once, until its page is shown anew. */
function guard(form) {
  let sending = false;
  let disabled = [];
  let timer;

  const release = () => {
    clearTimeout(timer);
    sending = false;
    for (const button of disabled) button.disabled = false;
    disabled = [];
    form.removeAttribute("aria-busy");
  };

  form.addEventListener("submit", (event) => {
    if (sending) {
      event.preventDefault();
      return;
    }
    sending = true;
    // Only after the browser has gathered the values: a disabled button's name and value wouldn't be among them.
    setTimeout(() => {
      if (event.defaultPrevented) {
        sending = false;
        return;
      }
      form.setAttribute("aria-busy", "true");
      disabled = [...form.elements].filter((element) => element.type === "submit" && !element.disabled);
      for (const button of disabled) button.disabled = true;
      const hasFiles = [...form.elements].some((element) => element.files?.length);
      if (!hasFiles) timer = setTimeout(release, GIVE_UP_MS);
    });
  });

  // The key stops sending, as the browser's own button does.
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && sending) release();
  });

  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    const wasSent = sending;
    release();
    // The page comes from the browser's memory: whoever changes this form now must change what is valid now.
    if (wasSent && form.dataset.address) location.replace(form.dataset.address);
  });
}

for (const form of document.querySelectorAll("form.process-form")) {
  if (form.dataset.address) history.replaceState(history.state, "", form.dataset.address + location.hash);
  guard(form);
}
