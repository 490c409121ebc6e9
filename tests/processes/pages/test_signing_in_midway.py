"""Signing in changes the session's key; what somebody had begun before stays theirs, and nobody else's."""

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from processes.models import Run, StoredFile
from processes.services.access import Caller
from processes.services.data_nodes import create_data_node
from processes.services.files import open_file, store_file
from tasks.models import TaskRoot
from tests.processes.pages.browsing import send_form
from tests.processes.services.published import form, page, publish_process

pytestmark = pytest.mark.django_db

PROCESS = [
    form("ask", "second", {"name": "paper", "type": "file"}),
    form("second", "begin", entry=True),
    {"name": "begin", "script": "start_progress", "config": {"title": "Working"}},
    {"name": "leave", "script": "execute_in_background"},
    page("greet", "hello", entry=False),
    {"name": "renderProgress", "script": "render_progress", "safe": True, "next": False},
]


def sign_in(client: Client, name: str = "ada") -> User:
    user, _ = User.objects.get_or_create(username=name)
    user.set_password("correct horse")
    user.save()
    response = client.post("/accounts/login/", {"username": name, "password": "correct horse"})
    assert response.status_code == 302
    return user


def fill_in(client: Client) -> object:
    publish_process("work", PROCESS)
    return send_form(client, client.get("/p/work/"), paper=SimpleUploadedFile("a.csv", b"a,b\n"))


def download(client: Client, file_id: object) -> bytes:
    return b"".join(client.get(f"/files/{file_id}/").streaming_content)


def test_a_running_import_can_still_be_seen_listed_cancelled_and_downloaded_from(client: Client) -> None:
    send_form(client, fill_in(client))
    run, paper = Run.objects.get(), StoredFile.objects.get()
    before = client.session.session_key

    sign_in(client)

    assert client.session.session_key != before
    assert client.get(f"/progress/{run.pk}/").status_code == 200
    assert client.get(f"/api/tasks/{run.pk}/").status_code == 200
    assert f"/progress/{run.pk}/" in client.get("/").content.decode()
    assert download(client, paper.pk) == b"a,b\n"
    # What the worker makes from now on, it makes for the session in which the run was begun.
    caller = Caller(session_key=run.session_key, template_id=run.template_id)
    result = create_data_node(caller=caller, data={})
    made = store_file(content=b"x", name="rejected.csv", caller=caller)
    assert client.get(f"/p/work/?action=greet&data={result.reference}").status_code == 404  # entry: false, but found
    assert client.get(f"/p/work/?form=second&data={result.reference}").status_code == 200
    assert download(client, made["id"]) == b"x"
    assert client.post(f"/api/tasks/{run.pk}/cancel/").status_code == 202


def test_a_form_that_was_open_can_be_sent_and_its_work_belongs_to_the_user(client: Client) -> None:
    shown = fill_in(client)
    user = sign_in(client)

    response = send_form(client, shown)

    assert response.status_code == 303
    run = Run.objects.get()
    assert (run.user, run.root.owner) == (user, user)
    with open_file(StoredFile.objects.get().pk, caller=Caller(user_id=user.pk, session_key=run.session_key)) as paper:
        assert paper.read() == b"a,b\n"


def test_it_is_nobodys_after_signing_out_and_not_the_next_users(client: Client) -> None:
    send_form(client, fill_in(client))
    run, first_key = Run.objects.get(), client.session.session_key
    sign_in(client)
    client.post("/accounts/logout/")
    assert client.get(f"/progress/{run.pk}/").status_code == 404
    sign_in(client, "bob")
    assert client.get(f"/progress/{run.pk}/").status_code == 404
    # Neither does the cookie from before open anything: its session is gone.
    old = Client()
    old.cookies["sessionid"] = first_key
    for address in (f"/progress/{run.pk}/", f"/api/tasks/{run.pk}/", f"/files/{StoredFile.objects.get().pk}/"):
        assert old.get(address).status_code == 404
    assert TaskRoot.objects.get().owner is None
