"""Who asks the API, and how: users with permissions, sessions, tokens, JSON."""

import json
from typing import Any

from django.contrib.auth.models import Permission, User
from django.test import Client

from tasks.services.api_tokens import create_api_token


def person(name: str, *permissions: str, staff: bool = True) -> User:
    """Return a user who has these permissions."""
    user = User.objects.create_user(name, is_staff=staff)
    user.user_permissions.add(*Permission.objects.filter(codename__in=permissions))
    return User.objects.get(pk=user.pk)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def by_token(user: User, *scopes: str) -> Client:
    secret = create_api_token(user=user, name="test", scopes=scopes)[1]
    return Client(headers={"Authorization": f"Bearer {secret}"})


def send(client: Client, path: str, body: Any = None, *, method: str = "post", **headers: str) -> Any:
    """Send JSON; header names have underscores for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    text = "" if body is None else json.dumps(body)
    return getattr(client, method)(f"/api/{path}", text, content_type="application/json", headers=named)


def pages(client: Client, path: str) -> list[list[Any]]:
    """Follow a list from page to page, and return the rows of each."""
    found: list[list[Any]] = []
    address: str | None = f"/api/{path}"
    while address is not None:
        told = client.get(address).json()
        found.append(told["results"])
        address = told["next"]
    return found
