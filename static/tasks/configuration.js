/**
 * Where the server is, and how requests show who sends them: by the session of the page, or by an API token.
 */

const settings = { baseUrl: "", token: null, csrfCookie: "csrftoken" };
const onChange = new Set();

/**
 * Say where the server is and, for programs and pages of other origins, give an API token.
 *
 * Without a token, requests bear the page's session and its CSRF token: of the cookie, else of `<meta name="csrf-token">`
 * or of a form. What is followed goes on by the new settings.
 */
export function configure({ baseUrl, token, csrfCookie } = {}) {
  if (baseUrl !== undefined) settings.baseUrl = String(baseUrl).replace(/\/+$/, "");
  if (token !== undefined) settings.token = token;
  if (csrfCookie !== undefined) settings.csrfCookie = csrfCookie;
  for (const listener of onChange) listener();
}

/** Have `listener` called whenever the settings change. */
export function whenConfigured(listener) {
  onChange.add(listener);
}

/** Return the address of a path of the server. */
export function addressOf(path) {
  if (!settings.baseUrl && typeof location === "undefined") {
    throw new Error('Outside of pages, say where the server is: configure({ baseUrl: "https://…", token: "…" }).');
  }
  return settings.baseUrl + path;
}

/** Return the address of the WebSocket, or null where it couldn't show who connects: browsers give it no headers. */
export function socketAddress() {
  if (settings.token || typeof location === "undefined" || typeof WebSocket === "undefined") return null;
  const url = new URL(addressOf("/ws/"), location.href);
  if (url.origin !== location.origin) return null;
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}

/** Tell whether the browser's own EventSource can follow: it bears cookies, and no token. */
export function usesEventSource() {
  return !settings.token && typeof location !== "undefined" && typeof EventSource !== "undefined";
}

/** Return the headers that show who sends a request. */
export function identity(method) {
  if (settings.token) return { Authorization: `Bearer ${settings.token}` };
  const token = method === "GET" ? "" : csrfToken();
  return token ? { "X-CSRFToken": token } : {};
}

/** A cookie is the newest: whoever signs in, in another tab too, gets another one. */
function csrfToken() {
  if (typeof document === "undefined") return "";
  const cookie = document.cookie.split("; ").find((one) => one.startsWith(`${settings.csrfCookie}=`));
  if (cookie) return decodeURIComponent(cookie.slice(settings.csrfCookie.length + 1));
  return (
    document.querySelector('meta[name="csrf-token"]')?.content ??
    document.querySelector('input[name="csrfmiddlewaretoken"]')?.value ??
    ""
  );
}
