/** Show beside each sliding handle which number it stands at. Everything else of a form works without a script. */

for (const input of document.querySelectorAll('.range > input[type="range"]')) {
  const output = input.parentElement.querySelector("output");
  if (!output) continue;
  const show = () => {
    output.value = input.value;
  };
  input.addEventListener("input", show);
  input.form?.addEventListener("reset", () => setTimeout(show));
  output.hidden = false;
  show();
}
