// On the page of a connection: show only what its kind, and its way to send the secret, need. Without this script all of
// it is there, and works.

const kind = document.getElementById("id_kind");
const scheme = document.getElementById("id_scheme");
const needs = [
  [".connection-http", () => kind.value === "http"],
  [".connection-smtp", () => kind.value === "smtp"],
  [".field-http_username", () => scheme.value === "basic"],
  [".field-header", () => scheme.value === "header"],
];

function show() {
  for (const [part, isNeeded] of needs) {
    const element = document.querySelector(part);
    if (element) element.hidden = !isNeeded();
  }
}

if (kind && scheme) {
  kind.addEventListener("change", show);
  scheme.addEventListener("change", show);
  show();
}
