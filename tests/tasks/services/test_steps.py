"""The steps of a tree are told by its log; its row, which every checkpoint writes anew, only says where."""

import uuid
from datetime import timedelta

import pytest

from tasks.domain.jsonvalue import JSON
from tasks.models import Node, TaskRoot
from tasks.models.root import new_id
from tasks.services.enqueuing import enqueue
from tasks.services.overview import read_percentages
from tasks.services.reading import read_snapshot, read_steps
from tasks.services.roots import Owner, create_root, restart_root
from tests.tasks.services.conftest import JobKit

pytestmark = pytest.mark.django_db(transaction=True)

READ: JSON = [{"name": "read", "title": "Read"}]
BOTH: JSON = [{"name": "read", "title": "Read"}, {"name": "sum", "title": 'Sum up "steps":'}]

STEPS = {"none": None, "empty": [], "two": BOTH, "job": READ, "anew": BOTH}


@pytest.fixture
def roots(kit: JobKit) -> dict[str, uuid.UUID]:
    function = kit.register(lambda context: None)
    anew = create_root(title="anew", owner=Owner(), steps=READ).pk
    restart_root(root_id=anew, title="anew", steps=BOTH, lease=timedelta(minutes=1))
    return {
        "none": create_root(title="none", owner=Owner()).pk,
        "empty": create_root(title="empty", owner=Owner(), steps=[]).pk,
        "two": create_root(title="two", owner=Owner(), steps=BOTH).pk,
        "job": enqueue(function, owner=Owner(), title="job", steps=READ).root_id,
        "anew": anew,
    }


def test_a_tree_tells_its_steps(roots: dict[str, uuid.UUID]) -> None:
    assert {name: read_steps(TaskRoot.objects.get(pk=pk)) for name, pk in roots.items()} == STEPS
    assert {name: read_snapshot(pk).steps for name, pk in roots.items()} == STEPS


def test_its_row_says_how_many_they_are(roots: dict[str, uuid.UUID]) -> None:
    counted = dict(TaskRoot.objects.values_list("title", "step_count"))
    assert counted == {"none": 0, "empty": 0, "two": 2, "job": 1, "anew": 2}


def test_steps_that_have_not_begun_count_for_how_far_a_tree_is(roots: dict[str, uuid.UUID]) -> None:
    root = TaskRoot.objects.get(pk=roots["two"])
    Node.objects.create(id=new_id(), root=root, ordinal=1, type="step", title="Read", status="completed")
    assert read_percentages([root])[root.pk] == 50
    assert read_snapshot(root.pk).tree.percent == 50


def test_a_tree_whose_log_was_purged_has_none(roots: dict[str, uuid.UUID]) -> None:
    root = TaskRoot.objects.get(pk=roots["two"])
    root.updates.all().delete()
    assert read_steps(root) is None


def test_what_an_older_release_has_made_or_makes_beside_this_one_keeps_its_steps() -> None:
    root = TaskRoot.objects.create(title="old", steps=BOTH)
    Node.objects.create(id=new_id(), root=root, ordinal=1, type="step", title="Read", status="completed")
    assert (read_steps(root), read_snapshot(root.pk).steps) == (BOTH, BOTH)
    assert (read_percentages([root])[root.pk], read_snapshot(root.pk).tree.percent) == (50, 50)


def test_begun_anew_it_has_the_new_ones_alone() -> None:
    root = TaskRoot.objects.create(title="old", steps=BOTH)
    restart_root(root_id=root.pk, title="new", steps=[], lease=timedelta(minutes=1))
    root.refresh_from_db()
    assert (read_steps(root), root.expected) == ([], 0)
    # By the older release once more.
    root.steps = READ
    assert (read_steps(root), root.expected) == (READ, 1)
