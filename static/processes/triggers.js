// On the page of a trigger: show only what its kind needs, and when the schedule that is being typed would be due. Without
// this script all of it is there, and the times are those of what is saved.

const kind = document.getElementById("id_kind");
const preview = document.querySelector("[data-trigger-preview]");

function show() {
  for (const name of ["schedule", "webhook"]) {
    for (const part of document.querySelectorAll(`.trigger-${name}`)) {
      // What is wrong must be seen, whatever is chosen.
      part.hidden = kind.value !== name && !part.querySelector(".errorlist");
    }
  }
}

const fields = ["cron", "every", "unit", "time_zone"]
  .map((name) => [name, document.getElementById(`id_${name}`)])
  .filter(([, field]) => field);
let asked = 0;
let timer = 0;

function told(times) {
  const list = document.createElement("ol");
  list.className = "trigger-times";
  for (const time of times) {
    const item = document.createElement("li");
    item.textContent = time;
    list.append(item);
  }
  return list;
}

function problem(text) {
  const paragraph = document.createElement("p");
  paragraph.className = "trigger-problem";
  paragraph.textContent = text;
  return paragraph;
}

async function look() {
  const mine = (asked += 1);
  const query = new URLSearchParams(fields.map(([name, field]) => [name, field.value]));
  try {
    const response = await fetch(`${preview.dataset.triggerPreview}?${query}`, { headers: { Accept: "application/json" } });
    if (!response.ok) return;
    const answer = await response.json();
    // What was typed since has an answer of its own.
    if (mine !== asked) return;
    const place = preview.querySelector("[data-trigger-times]");
    place.replaceChildren(answer.problem ? problem(answer.problem) : told(answer.times));
  } catch {
    // The times of before stay; saving tells what is wrong.
  }
}

if (kind) {
  kind.addEventListener("change", show);
  show();
}

if (preview) {
  for (const [, field] of fields) {
    field.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(look, 300);
    });
  }
  // A form that was refused comes back with what was typed, and with the times of what is saved.
  if (document.querySelector(".errornote") && fields.some(([, field]) => field.value.trim() !== "")) look();
}
