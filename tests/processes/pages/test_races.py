"""Two windows, a double click, at the very same moment: the database decides, once."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from processes.models import DataNode, Run, StoredFile
from processes.registry import scripts
from tests.processes.pages.browsing import read_form, send_form
from tests.processes.services.published import form, page, publish_process
from tests.together import together

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 4
BUTTONS = [{"label": "Later", "does": "draft"}, {"label": "Back", "does": "back", "action": "ask"}]


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def race(values: dict[str, Any], *changes: dict[str, Any]) -> list[int]:
    """Send a form several times at once, each time changed, and give the statuses."""
    user = User.objects.get(username="ada")
    windows = [signed_in(user) for _ in changes]
    deeds = [
        partial(lambda window, more: window.post("/p/claim/", {**values, **more}).status_code, window, more)
        for window, more in zip(windows, changes, strict=True)
    ]
    return together(*deeds)


@pytest.fixture
def opened() -> Callable[[], dict[str, str]]:
    """Give what opens the first form anew, and returns what it would send."""
    ada = User.objects.create_user("ada")
    publish_process(
        "claim",
        [
            form("ask", "more", {"name": "a"}, config={"buttons": BUTTONS}),
            form("more", "done", {"name": "b"}, config={"buttons": BUTTONS}),
            page("done", "done"),
        ],
    )
    return lambda: read_form(signed_in(ada).get("/p/claim/"))


def test_a_form_that_was_only_promised_is_taken_once(opened: Callable[[], dict[str, str]]) -> None:
    for number in range(1, ROUNDS + 1):
        assert sorted(race(opened(), *[{"a": str(window)} for window in range(3)])) == [303, 409, 409]
        assert DataNode.objects.count() == number


@pytest.mark.parametrize("button", ["submit", "draft-1", "back-2"])
def test_a_later_step_is_taken_once_whatever_the_others_press(
    opened: Callable[[], dict[str, str]], button: str
) -> None:
    ada = User.objects.get(username="ada")
    for _ in range(ROUNDS):
        client = signed_in(ada)
        values = read_form(send_form(client, client.get("/p/claim/"), a="x"))
        statuses = race(values, {"b": "1", "button": button}, {"b": "2", "button": "draft-1"}, {"b": "3"})
        assert statuses.count(409) == 2
        assert DataNode.objects.get(reference=values["data"]).revision == 2


def test_refused_forms_hinder_nobody(opened: Callable[[], dict[str, str]]) -> None:
    for _ in range(ROUNDS):
        values = opened()
        statuses = race(values, {"a": ""}, {"a": "x"}, {"a": ""})
        assert statuses[1] == 303
        assert {statuses[0], statuses[2]} <= {409, 422}
        assert DataNode.objects.get(reference=values["data"]).data == {"a": "x"}


def test_discarding_and_sending_leaves_one_of_them(opened: Callable[[], dict[str, str]]) -> None:
    ada = User.objects.get(username="ada")
    for _ in range(ROUNDS):
        client = signed_in(ada)
        values = read_form(send_form(client, client.get("/p/claim/"), a="x", button="draft-1"))
        sending = partial(signed_in(ada).post, "/p/claim/", values)
        discarding = partial(signed_in(ada).post, f"/drafts/{values['data']}/discard/")
        ends = [response.status_code for response in together(sending, discarding)]
        assert ends in ([303, 303], [404, 303])
        assert not DataNode.objects.exclude(owner=None).filter(reference=values["data"]).exists()


def test_work_is_started_once_and_its_files_are_stored_once() -> None:
    User.objects.create_user("ada")
    with scripts.override("work_of_race", lambda app: None):
        publish_process(
            "claim",
            [
                form("ask", "away", {"name": "upload", "type": "file"}),
                {"name": "away", "script": "execute_in_background"},
                {"name": "work", "script": "work_of_race", "next": False},
                {"name": "renderProgress", "script": "render_progress", "next": False},
            ],
        )
        for number in range(1, ROUNDS + 1):
            values = read_form(signed_in(User.objects.get()).get("/p/claim/"))
            uploads = [{"upload": SimpleUploadedFile(f"{window}.txt", b"x")} for window in range(3)]
            assert sorted(race(values, *uploads)) == [303, 409, 409]
            assert Run.objects.count() == StoredFile.objects.count() == number
