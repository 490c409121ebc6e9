/**
 * "Tell me when it's done": by mail, which the server sends, and by a notification of this browser.
 */

/** Keeps the choice for this tab, through a reload. */
const storageKey = (taskId) => `stepline-notify-${taskId}`;

export class Telling {
  constructor(page, words) {
    this._page = page;
    this._words = words;
    this._taskId = page.dataset.taskId;
    /** Whether a notification has been shown. */
    this.hasNotified = false;
    this._isOn = false;
    page.addEventListener("submit", (event) => {
      if (event.target.matches('[data-part="watch"]')) {
        event.preventDefault();
        void this._toggleMail(event.target);
      }
    });
    page.addEventListener("click", (event) => {
      if (event.target.closest('[data-part="notify"]')) void this._toggleNotification();
    });
    this.offer();
    if (canNotify() && Notification.permission === "granted" && remembered(this._taskId)) this._set(true);
  }

  /** Show what this browser can do: at first, and when the page has been refreshed. */
  offer() {
    if (!this._notify || !canNotify()) return;
    this._notify.hidden = false;
    this._group.hidden = false;
  }

  /** Take what can be asked for off the page: it is over. */
  hide() {
    if (this._group) this._group.hidden = true;
  }

  /** Say that it is over to somebody who wanted to know and looks elsewhere. */
  tell(title, text) {
    if (!this._isOn) return;
    this._set(false);
    if (!document.hidden) return;
    try {
      const notification = new Notification(title, { body: text, tag: this._taskId });
      notification.addEventListener("click", () => {
        window.focus();
        notification.close();
      });
      this.hasNotified = true;
    } catch {
      // Permission was taken back.
    }
  }

  get _group() {
    return this._page.querySelector('[data-part="telling"]');
  }

  get _notify() {
    return this._page.querySelector('[data-part="notify"]');
  }

  async _toggleMail(form) {
    const button = form.elements.on;
    let answer = null;
    let content = {};
    button.disabled = true;
    try {
      answer = await fetch(form.action, {
        method: "POST",
        headers: { Accept: "application/json", "X-CSRFToken": form.elements.csrfmiddlewaretoken.value },
        body: new URLSearchParams({ on: button.value }),
      });
      content = await answer.json();
    } catch {
      // Said below.
    }
    button.disabled = false;
    // A disabled button has lost the focus.
    button.focus({ preventScroll: true });
    if (answer === null) this._say(this._words.say("unreachable"));
    else if (!answer.ok) this._say(content.message ?? this._words.say("mail-refused"));
    else this._showMail(button, content);
  }

  _showMail(button, { isWatching, ended }) {
    button.value = isWatching ? "0" : "1";
    button.setAttribute("aria-pressed", String(isWatching));
    // Where it has ended meanwhile, the page says so by itself.
    this._say(ended ? "" : this._words.say(isWatching ? "mail-will-come" : "no-mail"));
  }

  async _toggleNotification() {
    if (this._isOn) {
      this._set(false);
      this._say(this._words.say("no-notification"));
      return;
    }
    // Asked for only here: a page that asks unasked is refused for good.
    const permission = await Notification.requestPermission();
    if (permission === "granted") {
      this._set(true);
      this._say(this._words.say("notification-will-come"));
    } else if (permission === "denied") {
      this._say(this._words.say("notification-denied"));
    }
  }

  _set(isOn) {
    this._isOn = isOn;
    this._notify?.setAttribute("aria-pressed", String(isOn));
    try {
      if (isOn) sessionStorage.setItem(storageKey(this._taskId), "1");
      else sessionStorage.removeItem(storageKey(this._taskId));
    } catch {
      // Storage is turned off: the choice lasts as long as the page.
    }
  }

  _say(text) {
    const note = this._page.querySelector('[data-part="telling-note"]');
    if (note === null) return;
    note.textContent = text;
    note.hidden = text === "";
  }
}

/**
 * Tell whether a page can show notifications here: they need a secure connection or the same machine, and on Android a
 * service worker, where the constructor is there and throws.
 */
function canNotify() {
  return "Notification" in window && window.isSecureContext && !/Android/.test(navigator.userAgent);
}

function remembered(taskId) {
  try {
    return sessionStorage.getItem(storageKey(taskId)) === "1";
  } catch {
    return false;
  }
}
