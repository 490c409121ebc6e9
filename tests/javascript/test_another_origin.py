"""In Chromium, on a page of another origin that the site names: the API by a token, and nobody else's pages."""

import json

import pytest
from playwright.sync_api import Page, Route

from tests.acceptance.conftest import Stack
from tests.javascript.conftest import OTHER_ORIGIN, log_of
from tests.javascript.npm import CLIENT

pytestmark = [pytest.mark.acceptance, pytest.mark.browser]

STRANGER = "http://localhost:10"
FOLLOW = """async ({ baseUrl, token }) => {
  const { ApiError, call, cancel, configure, createTask } = await import("/client/index.js");
  configure({ baseUrl, token });
  const task = createTask({ taskTemplate: "js-count", input: { rows: 2 } });
  try {
    const seen = [];
    for await (const update of task) seen.push(update.seq);
    const refused = await cancel(await task.taskId).catch((error) => error);
    return { taskId: await task.taskId, seen, refused: [refused instanceof ApiError, refused.status, refused.code] };
  } catch (error) {
    return { code: error.code };
  }
}"""


def open_elsewhere(page: Page, origin: str) -> None:
    """Open a page of another site, which brings the client along."""

    def serve(route: Route) -> None:
        name = route.request.url.removeprefix(f"{origin}/")
        if not name.startswith("client/"):
            route.fulfill(body="<!doctype html><title>Shop</title>", content_type="text/html")
            return
        body = (CLIENT / name.removeprefix("client/")).read_bytes()
        route.fulfill(body=body, content_type="text/javascript")

    page.route(f"{origin}/**", serve)
    page.goto(f"{origin}/")


def test_a_page_of_a_named_origin_starts_follows_and_is_told_of_refusals(page: Page, stack: Stack, token: str) -> None:
    open_elsewhere(page, OTHER_ORIGIN)

    told = page.evaluate(FOLLOW, {"baseUrl": stack.address, "token": token})

    assert told["seen"] == [update["seq"] for update in log_of(stack, token, told["taskId"])], json.dumps(told)
    assert told["refused"] == [True, 409, "illegal_transition"]


def test_a_page_of_any_other_origin_reaches_nothing(page: Page, stack: Stack, token: str) -> None:
    open_elsewhere(page, STRANGER)

    found = page.evaluate_handle(
        """async ({ baseUrl, token }) => {
          const { batch, configure } = await import("/client/index.js");
          configure({ baseUrl, token });
          return batch([{ fn: "instances.inbox" }]).then(() => "answered", (error) => error.code);
        }""",
        {"baseUrl": stack.address, "token": token},
    )

    assert found.json_value() == "unreachable"
