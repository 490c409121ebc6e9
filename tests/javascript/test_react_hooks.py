"""The React hooks, in a page of React's strict mode against the real server."""

from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.acceptance.conftest import Stack
from tests.javascript.conftest import call
from tests.javascript.npm import installed_packages
from tests.javascript.pages import PATIENCE_MILLISECONDS, open_page, sign_in

pytestmark = [pytest.mark.acceptance, pytest.mark.browser]

ROOT = '<div id="root"></div><script type="module" src="/programs/react-page.mjs"></script>'


@pytest.fixture(autouse=True)
def patience() -> None:
    expect.set_options(timeout=PATIENCE_MILLISECONDS)


@pytest.fixture
def app(page: Page, context: BrowserContext, stack: Stack, complaints: list[str]) -> Page:
    sign_in(context, stack)
    open_page(page, stack, ROOT, packages=installed_packages())
    page.wait_for_function("() => window.setId !== undefined")
    return page


def test_a_shared_task_is_seen_followed_and_cancelled(
    app: Page, stack: Stack, token: str, gate: Path, complaints: list[str]
) -> None:
    # Their list begins with what is open, and then tells of what begins.
    task_id = call(stack, token, "js.share", rows=4, gate=str(gate))["taskId"]
    row = app.locator(f'#shared [data-id="{task_id}"]')
    expect(row).to_have_text("Exporting: running, 2 parts, true")
    expect(app.locator("#mine")).to_contain_text(f"{task_id} running")

    app.evaluate("(id) => setId(id)", task_id)
    expect(app.locator("#one-shared")).to_have_text("running")
    expect(app.locator("#one-state")).to_have_text("running 50 2")
    expect(app.locator("#one-output")).to_have_text("row 0\nrow 1\n")
    app.locator("#clear").click()
    expect(app.locator("#one-output")).to_have_text("")
    gate.touch()
    expect(app.locator("#one-output")).to_have_text("row 2\nrow 3\n")
    expect(app.locator("#one-state")).to_have_text("completed 100 4")
    expect(row).to_have_text("Exporting: completed, 4 parts, true")

    other = call(stack, token, "js.share", rows=4, gate=f"{gate}-2")["taskId"]
    app.evaluate("(id) => setId(id)", other)
    expect(app.locator("#one-output")).to_have_text("row 0\nrow 1\n")
    app.locator("#cancel").click()
    expect(app.locator("#one-state")).to_contain_text("cancelled")
    # One of the four statuses of shared tasks.
    expect(app.locator("#one-shared")).to_have_text("failed")
    assert complaints == []


def test_a_job_is_started_once_in_strict_mode_and_anew_for_other_arguments(app: Page, complaints: list[str]) -> None:
    asked: list[str | None] = []
    app.on("request", lambda request: asked.append(request.post_data) if "js.export" in request.url else None)
    job = app.locator("#job")
    expect(job).to_have_text("false pending null")
    assert asked == []
    app.evaluate("() => setArgs({ rows: 2 })")
    expect(job).to_have_text('false completed {"rows":2}')
    first = job.get_attribute("data-id")
    app.evaluate("() => setArgs({ rows: 2 })")
    app.evaluate("() => setArgs({ rows: 3 })")
    expect(job).to_have_text('false completed {"rows":3}')

    assert job.get_attribute("data-id") != first
    assert asked == ['{"rows":2}', '{"rows":3}']
    assert complaints == []


def test_a_job_whose_component_was_hidden_for_long_is_followed_again(
    app: Page, gate: Path, complaints: list[str]
) -> None:
    asked: list[str] = []
    app.on("request", lambda request: asked.append(request.url) if "js.export" in request.url else None)
    job = app.locator("#job")
    app.evaluate("(gate) => setArgs({ rows: 2, gate })", str(gate))
    expect(job).to_have_text("false running null")
    app.clock.install()
    app.evaluate("() => setMode('hidden')")
    expect(job).to_be_hidden()
    # Longer than it lingers.
    app.clock.fast_forward(5_000)
    gate.touch()
    app.evaluate("() => setMode('visible')")
    app.clock.resume()
    expect(job).to_have_text('false completed {"rows":2}')
    assert len(asked) == 1
    assert complaints == []
