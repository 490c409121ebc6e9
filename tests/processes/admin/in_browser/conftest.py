"""The admin in a real browser, served by Django's test server: nothing of ours is replaced."""

import os
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import BrowserContext, Page


@pytest.fixture(scope="session", autouse=True)
def orm_beside_a_browser() -> Iterator[None]:
    """Let tests use the database: Playwright keeps an event loop in their thread, in which Django would refuse."""
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    yield
    if before is None:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def complaints(page: Page) -> list[str]:
    """Return what the browser complains about: errors of scripts, blocked by the policy, missing files."""
    found: list[str] = []
    page.on("console", lambda message: found.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: found.append(str(error)))
    return found


@pytest.fixture
def sign_in(live_server: object, context: BrowserContext) -> str:
    """Sign an administrator in, and return the address of the list of templates."""
    visit(context, str(live_server))
    return f"{live_server}/admin/processes/processtemplate/"


def visit(context: BrowserContext, address: str) -> None:
    """Give a browser the session of an administrator."""
    user, _ = User.objects.get_or_create(username="admin", is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(user)
    context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": address}])
