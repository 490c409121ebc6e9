"""The progress page is light to load, and stays responsive with thousands of nodes."""

import json
from pathlib import Path

from playwright.sync_api import expect

from benchmarks.page_weight import imports_of, linked, weights
from tests.static.conftest import BROWSER, STATIC
from tests.static.progress_site import TASK, Site, html_of, large_tree, seen_when_still

pytestmark = BROWSER

GROUPS, LEAVES = 40, 49
BUDGET_BYTES = 60_000
BUDGET_MILLISECONDS = 50

#: Sends bursts of updates, and times what each frame does with them, the new layout included.
MEASURE = """async ([updates, bursts]) => {
  const spent = [];
  const ask = window.requestAnimationFrame.bind(window);
  let handled = 0;
  window.requestAnimationFrame = (draw) => ask((time) => {
    const begun = performance.now();
    draw(time);
    document.body.getBoundingClientRect();
    spent.push(handled + performance.now() - begun);
    handled = 0;
  });
  for (let burst = 0; burst < bursts; burst += 1) {
    const begun = performance.now();
    for (const update of updates[burst]) window.take(update);
    handled = performance.now() - begun;
    await new Promise((done) => setTimeout(done, 60));
  }
  return spent.sort((a, b) => a - b);
}"""


def test_styles_and_scripts_of_the_first_paint_fit_into_sixty_kilobytes() -> None:
    page = html_of(large_tree(groups=1, leaves=1))
    found = weights(page)

    assert {"processes/stepline.css", "processes/progress.css", "tasks/progress-page.js"} <= set(found)
    assert sum(found.values()) <= BUDGET_BYTES, found


def test_all_that_is_imported_is_asked_for_at_once() -> None:
    page = html_of(large_tree(groups=1, leaves=1))
    imported = {
        module
        for name in weights(page)
        for module in imports_of(name, (STATIC / name).read_text() if name.endswith(".js") else "")
    }

    assert imported - linked(page) == set()


def test_the_modules_of_the_page_have_type_declarations() -> None:
    modules = {path.stem for path in (STATIC / "tasks").glob("*.js")}
    assert {Path(path.stem).stem for path in (STATIC / "tasks").glob("*.d.ts")} == modules


def test_updates_of_a_large_tree_are_drawn_quickly(site: Site) -> None:
    tree = large_tree(groups=GROUPS, leaves=LEAVES)
    site.open_tree(tree)
    expect(site.page.locator("[data-node-id]")).to_have_count(GROUPS * (LEAVES + 1))
    seen_when_still(site.page)
    site.page.evaluate(
        """async (snapshot) => {
          const { ProgressPage } = await import("/static/tasks/progress-page.js");
          const view = new ProgressPage(document.querySelector(".progress-page"));
          window.take = (update) => view._take(update);
          window.take(snapshot);
        }""",
        dict(tree.snapshot()),
    )
    seen_when_still(site.page)
    bursts, seq = [], tree.seq
    for burst in range(30):
        updates = []
        for number in range(1 if burst < 10 else 200):
            at = burst * 7919 + number * 13
            seq += 1
            node = {"id": f"g{at % GROUPS}-{at % LEAVES}", "type": "x", "title": ""}
            updates.append(
                {
                    "type": "nodeProgress",
                    "seq": seq,
                    "taskId": TASK,
                    "node": node,
                    "current": at % 100,
                    "message": f"row {at}",
                }
            )
        bursts.append(updates)

    spent = site.page.evaluate(MEASURE, [bursts, len(bursts)])

    assert len(spent) >= len(bursts)
    assert spent[len(spent) // 2] < BUDGET_MILLISECONDS, json.dumps(spent)
    last = bursts[-1][-1]
    assert isinstance(last, dict)
    expect(site.page.locator(f'[data-node-id="{last["node"]["id"]}"] .node-message')).to_have_text(str(last["message"]))
