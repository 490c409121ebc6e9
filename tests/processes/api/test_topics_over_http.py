"""Publishing over HTTP: for those who have the permission, once for each key."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from processes.models import Message

pytestmark = pytest.mark.django_db


@pytest.fixture
def publisher(client: Client) -> Client:
    user = User.objects.create_user("ada")
    user.user_permissions.add(Permission.objects.get(codename="publish_message"))
    client.force_login(user)
    return client


def post(client: Client, topic: str = "invoice.paid", body: Any = None, **headers: str) -> Any:
    content = body if isinstance(body, bytes | str) else json.dumps(body or {})
    return client.post(f"/api/topics/{topic}/", content, content_type="application/json", headers=headers)


def test_a_message_is_published_and_told(publisher: Client) -> None:
    answer = post(publisher, body={"payload": {"number": 7}, "key": "7"})
    message = Message.objects.get()
    told = {"id": str(message.pk), "topic": "invoice.paid", "key": "7", "repeated": False}
    assert (answer.status_code, answer.json()) == (202, told)
    assert (message.payload, message.published_by_name) == ({"number": 7}, "ada")
    assert "no-cache" in answer.headers["Cache-Control"]


def test_the_header_is_the_key_where_the_body_has_none(publisher: Client) -> None:
    first = post(publisher, body={"payload": {}}, **{"Idempotency-Key": "k"}).json()
    again = post(publisher, body={"payload": {}}, **{"Idempotency-Key": "k"}).json()
    assert again == {**first, "repeated": True}
    assert post(publisher, body={"key": "own"}, **{"Idempotency-Key": "k"}).json()["key"] == "own"
    assert Message.objects.count() == 2


def test_another_payload_under_the_same_key_is_a_conflict(publisher: Client) -> None:
    first = post(publisher, body={"payload": {"n": 1}, "key": "k"}).json()
    answer = post(publisher, body={"payload": {"n": 2}, "key": "k"})
    assert (answer.status_code, answer.json()["code"]) == (409, "message_conflict")
    assert answer.json()["fields"] == {"id": first["id"]}


@pytest.mark.parametrize(
    ("topic", "body", "status", "code"),
    [
        ("Invoice", {}, 400, "topic"),
        ("a.*", {}, 400, "topic"),
        ("a", {"payload": [1]}, 400, "bad_request"),
        ("a", {"key": 7}, 400, "bad_request"),
        ("a", {"keys": "7"}, 400, "bad_request"),
        ("a", [1], 400, "bad_request"),
        ("a", "{", 400, "bad_request"),
        ("a", b"\xff", 400, "bad_request"),
        ("a", '{"payload": {"t": "\\u0000"}}', 400, "bad_request"),
        ("a", '{"payload": {"t": NaN}}', 400, "bad_request"),
        ("a", "[" * 500, 400, "bad_request"),
        ("a", {"key": "x" * 201}, 400, "message_key"),
        ("a", {"payload": {"t": "x" * 1024**2}}, 413, "too_large"),
        ("a", {"payload": {"t": "x" * 3 * 1024**2}}, 413, "too_large"),
    ],
)
def test_what_cant_be_published_is_refused_in_words(
    publisher: Client, topic: str, body: Any, status: int, code: str
) -> None:
    answer = post(publisher, topic, body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["message"]
    assert not Message.objects.exists()


@pytest.mark.parametrize("staff", [False, True])
def test_without_the_permission_nothing_is_published(client: Client, staff: bool) -> None:
    for signs_in in (False, True):
        if signs_in:
            client.force_login(User.objects.create_user("eve", is_staff=staff))
        answer = post(client)
        assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")
    assert not Message.objects.exists()


def test_a_foreign_page_publishes_nothing_in_the_name_of_its_reader(publisher: Client) -> None:
    careful = Client(enforce_csrf_checks=True)
    careful.cookies = publisher.cookies
    assert post(careful).status_code == 403
    assert not Message.objects.exists()


def test_only_a_post_publishes(publisher: Client) -> None:
    assert publisher.get("/api/topics/a/").status_code == 405


@pytest.mark.parametrize("key", ["k" * 101, "a\0b", "a\nb", "\ud800"], ids=ascii)
def test_a_key_that_cannot_be_kept_is_refused(publisher: Client, key: str) -> None:
    answer = post(publisher, body={"payload": {}}, **{"Idempotency-Key": key})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert "Idempotency-Key is a text of at most 100 characters, all of them printable" in answer.json()["message"]
    assert not Message.objects.exists()
