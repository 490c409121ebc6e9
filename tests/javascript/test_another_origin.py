"""In Chromium, on a page of another origin: the API by a token where the site names it, and nothing elsewhere."""

import pytest
from playwright.sync_api import Page

from tests.acceptance.conftest import Stack
from tests.javascript.conftest import log_of
from tests.javascript.elsewhere import serving_client

pytestmark = [pytest.mark.acceptance, pytest.mark.browser]

FOLLOW = """async ({ baseUrl, token }) => {
  const { cancel, configure, createTask } = await import("/index.js");
  configure({ baseUrl, token });
  const task = createTask({ taskTemplate: "js.export", input: { rows: 2 } });
  const seen = [];
  for await (const update of task) seen.push(update.seq);
  const refused = await cancel(await task.taskId).catch((error) => error);
  return { taskId: await task.taskId, seen, refused: [refused.status, refused.code] };
}"""
ASK = """async ({ baseUrl, token }) => {
  const { call, configure } = await import("/index.js");
  configure({ baseUrl, token });
  return call("instances.inbox").then(() => "answered", (error) => error.code);
}"""


def test_a_page_of_a_named_origin_starts_follows_and_is_told_of_refusals(
    page: Page, stack: Stack, shop: str, token: str
) -> None:
    page.goto(shop)

    told = page.evaluate(FOLLOW, {"baseUrl": stack.address, "token": token})

    assert told["seen"] == [update["seq"] for update in log_of(stack, token, told["taskId"])]
    assert told["refused"] == [409, "illegal_transition"]


def test_a_page_of_any_other_origin_reaches_nothing(page: Page, stack: Stack, token: str) -> None:
    with serving_client() as stranger:
        page.goto(stranger)

        assert page.evaluate(ASK, {"baseUrl": stack.address, "token": token}) == "unreachable"
