"""Whoever may open an instance may read what belongs to it, in pages and in scripts; nobody else may."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from processes.models import ProcessInstance, StoredFile
from processes.services.access import Caller
from processes.services.data_nodes import save_context_node
from processes.services.doer import STEPLINE
from processes.services.errors import FileMissingError
from processes.services.files import find_file, store_file
from processes.services.instance_files import find_instance_file
from processes.services.instance_status import set_status
from tests.processes.services.instance_kit import leave, leave_type, member

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _folder(settings: Any, tmp_path: Any) -> None:
    settings.MEDIA_ROOT = str(tmp_path)


@pytest.fixture
def owner() -> User:
    return member("ann")


def enclosed(owner: User, **given: Any) -> tuple[ProcessInstance, StoredFile]:
    """Return an instance that waits for the clerks, and the file that its owner has enclosed."""
    caller = Caller(user_id=owner.pk)
    info = store_file(content=b"proof", name="proof.txt", caller=caller)
    instance = leave(leave_type(**given), owner, data={"proof": info}, status="handed in", caller=caller)
    return instance, StoredFile.objects.get(pk=info["id"])


def status_of(user: User | None, stored: StoredFile) -> int:
    client = Client()
    if user is not None:
        client.force_login(user)
    answer = client.get(f"/files/{stored.pk}/")
    if answer.streaming:
        assert b"".join(answer.streaming_content) == b"proof"
    return answer.status_code


def test_whoever_is_to_decide_about_an_instance_reads_its_files(owner: User) -> None:
    _instance, stored = enclosed(owner)
    assert status_of(member("cleo", "clerks"), stored) == 200
    assert status_of(owner, stored) == 200
    for somebody in (member("nosy"), None):
        assert status_of(somebody, stored) == 404


def test_who_may_not_open_it_any_more_may_not_read_them_any_more(owner: User) -> None:
    rules = [{"role": "clerks", "status": "handed in", "action": "approve"}]
    instance, stored = enclosed(owner, rules=rules)
    clerk = member("cleo", "clerks")
    assert status_of(clerk, stored) == 200
    set_status(instance.pk, "approved", doer=STEPLINE)
    assert status_of(clerk, stored) == 404


def test_who_is_inactive_reads_nothing(owner: User) -> None:
    _instance, stored = enclosed(owner)
    clerk = member("cleo", "clerks")
    clerk.is_active = False
    assert find_instance_file(stored.pk, user=clerk) is None


def test_naming_somebody_elses_file_in_ones_own_instance_opens_it_to_nobody(owner: User) -> None:
    _instance, stored = enclosed(owner)
    thief = member("theo")
    mine = leave(leave_type(slug="other"), thief, data={})
    info = {"type": "FILE_INFO", "id": str(stored.pk), "name": "proof.txt"}
    save_context_node(
        mine.pk, data={"proof": info}, doer=STEPLINE, caller=Caller(user_id=thief.pk, instance_id=mine.pk)
    )
    assert status_of(thief, stored) == 404
    with pytest.raises(FileMissingError):
        find_file(stored.pk, caller=Caller(user_id=thief.pk, instance_id=mine.pk))


def test_scripts_of_an_instance_read_its_files_whoever_has_put_them_there(owner: User) -> None:
    instance, stored = enclosed(owner)
    clerk = member("cleo", "clerks")
    assert find_file(stored.pk, caller=Caller(user_id=clerk.pk, instance_id=instance.pk)) == stored
    with pytest.raises(FileMissingError):
        find_file(stored.pk, caller=Caller(user_id=clerk.pk))


def test_a_file_that_an_instance_only_holds_is_read_with_it(owner: User) -> None:
    first, stored = enclosed(owner)
    info = {"type": "FILE_INFO", "id": str(stored.pk), "name": "proof.txt"}
    rules = [{"role": "auditors", "status": "*", "action": "approve"}]
    second = leave(leave_type(slug="second", rules=rules), owner, data={"proof": info}, caller=Caller(user_id=owner.pk))
    auditor = member("olaf", "auditors")
    assert stored.instance_id == first.pk
    assert status_of(auditor, stored) == 200
    assert find_file(stored.pk, caller=Caller(user_id=auditor.pk, instance_id=second.pk)) == stored
