"""The admin in a real browser, served by Django's test server: nothing of ours is replaced."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import BrowserContext


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
