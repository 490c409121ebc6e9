"""An upload lives as long as what it was uploaded for: the form, the run, the page with the result."""

import json
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models import F
from django.test import Client
from django.utils import timezone

from processes.models import DataNode, ProcessInstance, ProcessTemplate, Run, StoredFile
from processes.services.instances import create_instance
from processes.services.purging import purge_expired
from tasks.models import TaskRoot
from tasks.services.dispatch import purge_finished
from tasks.services.work import work_off
from tests.processes.pages.browsing import send_form
from tests.processes.services.published import form, publish_process

pytestmark = pytest.mark.django_db(transaction=True)

IMPORT: list[dict[str, Any]] = [
    form("ask", "keep", {"name": "upload", "type": "file"}),
    {"name": "keep", "script": "save_data"},
    form("confirm", "start"),
    {"name": "start", "script": "start_progress"},
    {"name": "leave", "script": "execute_in_background"},
    {"name": "finish", "script": "end_progress_with_execute", "next": False, "config": {"action": "result"}},
    {"name": "result", "script": "load_data"},
    {"name": "show", "script": "show_page", "config": {"text": "%{data:upload.id}"}, "next": False},
    {"name": "renderProgress", "script": "render_progress"},
]


def upload() -> SimpleUploadedFile:
    return SimpleUploadedFile("a.csv", b"a,b\n", content_type="text/csv")


def let_pass(days: int) -> None:
    passed = timedelta(days=days)
    for model in (DataNode, StoredFile):
        model.objects.filter(expires_at__isnull=False).update(expires_at=F("expires_at") - passed)
    TaskRoot.objects.filter(purge_at__isnull=False).update(purge_at=F("purge_at") - passed)
    purge_finished()
    purge_expired()


def owner_of_the_file() -> DataNode | Run | ProcessInstance | None:
    stored = StoredFile.objects.get()
    return stored.node or stored.run or stored.instance


def is_downloaded(client: Client) -> bool:
    response = client.get(f"/files/{StoredFile.objects.get().pk}/")
    return response.status_code == 200 and b"".join(response.streaming_content) == b"a,b\n"


def test_an_upload_that_nobody_goes_on_with_goes_with_its_form(client: Client) -> None:
    publish_process("import", IMPORT)
    send_form(client, client.get("/p/import/"), upload=upload())
    assert isinstance(owner_of_the_file(), DataNode)
    assert is_downloaded(client)
    path = StoredFile.objects.get().file.name
    let_pass(days=2)
    assert not StoredFile.objects.exists()
    assert not default_storage.exists(path)


def test_an_upload_goes_from_its_form_to_the_run_and_stays_as_long_as_the_result_can_be_seen(client: Client) -> None:
    publish_process("import", IMPORT)
    confirm = send_form(client, client.get("/p/import/"), upload=upload())
    send_form(client, confirm)
    run = Run.objects.get()
    assert owner_of_the_file() == run
    while work_off("default"):
        pass
    redirect = TaskRoot.objects.get(pk=run.pk).meta["redirect"]
    assert owner_of_the_file() == run

    let_pass(days=2)
    assert str(StoredFile.objects.get().pk) in client.get(redirect).content.decode()
    assert is_downloaded(client)
    # The operators may throw the tree away before: the result needs the file still.
    TaskRoot.objects.filter(pk=run.pk).delete()
    assert owner_of_the_file() is None
    let_pass(days=20)
    assert client.get(redirect).status_code == 200
    assert is_downloaded(client)

    path = StoredFile.objects.get().file.name
    let_pass(days=10)
    assert client.get(redirect).status_code == 404
    assert not DataNode.objects.filter(reference=parse_qs(urlsplit(redirect).query)["data"][0]).exists()
    assert not StoredFile.objects.exists()
    assert not default_storage.exists(path)


def test_a_finished_import_leaves_nothing_once_its_time_is_over(client: Client) -> None:
    publish_process("import", IMPORT)
    send_form(client, send_form(client, client.get("/p/import/"), upload=upload()))
    while work_off("default"):
        pass
    let_pass(days=31)
    assert not Run.objects.exists()
    assert not StoredFile.objects.exists()


def test_an_upload_that_an_instance_saves_stays_with_it(client: Client) -> None:
    owner = User.objects.create_user("owner")
    client.force_login(owner)
    template: ProcessTemplate = publish_process(
        "claim", [form("ask", "keep", {"name": "upload", "type": "file"}), {"name": "keep", "script": "save_data"}]
    )
    instance = create_instance(template=template, owner=owner)
    page = f"/instances/{instance.pk}/"
    send_form(client, client.get(page), upload=upload())
    assert owner_of_the_file() == instance
    let_pass(days=400)
    assert is_downloaded(client)
    path = StoredFile.objects.get().file.name
    ProcessInstance.objects.all().delete()
    assert not StoredFile.objects.exists()
    assert not default_storage.exists(path)


def test_a_form_that_names_somebody_elses_file_gets_nothing_of_it(client: Client) -> None:
    publish_process("import", IMPORT)
    send_form(client, client.get("/p/import/"), upload=upload())
    theirs, thief = StoredFile.objects.get(), Client()
    before = (theirs.node_id, theirs.expires_at)
    forged = json.dumps({"type": "FILE_INFO", "id": str(theirs.pk), "name": "a.csv", "size": 4})
    for value in (forged, str(theirs.pk)):
        send_form(thief, thief.get("/p/import/"), upload=value, **{"upload-keep": str(theirs.pk)})
    theirs.refresh_from_db()
    assert (theirs.node_id, theirs.expires_at) == before
    assert thief.get(f"/files/{theirs.pk}/").status_code == 404
    assert theirs.created_at < timezone.now()
