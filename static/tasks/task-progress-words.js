/**
 * What `<task-progress>` says, in the languages that it knows; a page gives words of its own in a template.
 */

const ENGLISH = {
  pending: "Waiting to start",
  claimed: "Starting",
  created: "Waiting to start",
  running: "Running",
  waiting: "Waiting",
  retry: "Trying again soon",
  cancel_requested: "Cancelling",
  compensating: "Undoing",
  compensated: "Undone",
  completed: "Completed",
  failed: "Failed",
  dead_letter: "Failed",
  cancelled: "Cancelled",
  skipped: "Skipped",
  not_found: "This task isn't there for you.",
  lost: "The connection is lost. It is being renewed.",
  cancel: "Cancel",
  "cancel-failed": "This couldn't be cancelled.",
};

const GERMAN = {
  pending: "Beginnt bald",
  claimed: "Beginnt",
  created: "Beginnt bald",
  running: "Läuft",
  waiting: "Wartet",
  retry: "Versucht es bald wieder",
  cancel_requested: "Wird abgebrochen",
  compensating: "Wird rückgängig gemacht",
  compensated: "Rückgängig gemacht",
  completed: "Fertig",
  failed: "Fehlgeschlagen",
  dead_letter: "Fehlgeschlagen",
  cancelled: "Abgebrochen",
  skipped: "Übersprungen",
  not_found: "Diese Aufgabe gibt es für Sie nicht.",
  lost: "Die Verbindung ist unterbrochen. Sie wird erneuert.",
  cancel: "Abbrechen",
  "cancel-failed": "Das konnte nicht abgebrochen werden.",
};

/** Return the words for a language, those of a template's `data-word` elements first. */
export function wordsFor(language, template) {
  const own = [...(template?.content.querySelectorAll("[data-word]") ?? [])];
  const known = language.toLowerCase().split("-")[0] === "de" ? GERMAN : ENGLISH;
  return { ...known, ...Object.fromEntries(own.map(({ dataset, textContent }) => [dataset.word, textContent.trim()])) };
}
