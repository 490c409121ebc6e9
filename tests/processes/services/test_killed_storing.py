"""A process is killed at any point while it stores or deletes a file: what is left has a row and a content."""

import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.storage import default_storage
from django.utils import timezone

from processes.models import StoredFile
from processes.services.access import Caller
from processes.services.file_contents import UNSETTLED
from processes.services.files import find_file, open_file, store_file
from processes.services.purging import purge_expired
from tests.child import child
from tests.killed_storing import CONTENT, DELETE, IN_TRANSACTION, PLAIN

Kill = Callable[[str, int], bool]


@pytest.fixture
def kill(transactional_db: None) -> Iterator[Kill]:
    with child("tests.killed_storing", MEDIA_ROOT=str(settings.MEDIA_ROOT)) as ask:
        yield lambda how, point: ask(f"{how} {point}")


def contents() -> set[str]:
    root = Path(default_storage.path("processes"))
    return {str(path.relative_to(settings.MEDIA_ROOT)) for path in root.rglob("*") if path.is_file()}


def let_a_day_pass() -> None:
    StoredFile.objects.filter(is_complete=False).update(expires_at=timezone.now() - timedelta(seconds=1))
    yesterday = (timezone.now() - timedelta(hours=25)).timestamp()
    for path in contents():
        if path.startswith(UNSETTLED):
            os.utime(default_storage.path(path), (yesterday, yesterday))


@pytest.mark.parametrize("how", [PLAIN, IN_TRANSACTION, DELETE])
def test_a_process_killed_at_any_point_leaves_no_half_of_a_file(kill: Kill, how: str) -> None:
    before = contents()
    stored_in_the_end, point, killed = set(), 0, True
    while killed:
        point += 1
        if how == DELETE:
            store_file(content=CONTENT, name="a.csv", caller=Caller(session_key="s"))
        killed = kill(how, point)

        # What can be found can be read, at once and to the end.
        for stored in StoredFile.objects.filter(is_complete=True):
            with open_file(find_file(stored.pk).pk) as file:
                assert file.read() == CONTENT, f"killed at point {point}"
        let_a_day_pass()
        purge_expired()
        left = set(StoredFile.objects.values_list("file", flat=True))
        assert contents() - before == left, f"killed at point {point}"
        stored_in_the_end.add(len(left))
        for stored in StoredFile.objects.all():
            stored.delete()
        assert contents() == before
    assert stored_in_the_end == {0, 1}, "it was killed before it was done, and after"
    assert point > 7, "there are more points than that"
