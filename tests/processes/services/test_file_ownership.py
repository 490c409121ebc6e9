"""Files belong to what their data is saved for, are deleted with it, and with nothing else."""

import uuid
from collections.abc import Callable
from contextlib import nullcontext, suppress
from datetime import timedelta
from types import NoneType
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.db.models.deletion import Collector
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from processes.models import DataNode, FileHolder, ProcessInstance, Run, StoredFile
from processes.services import data_nodes
from processes.services.access import Caller
from processes.services.doer import STEPLINE
from processes.services.errors import DataNodeNotFoundError
from processes.services.file_ownership import adopt_files, file_ids
from processes.services.files import FileInfo, open_file, store_file
from processes.services.host import caller_of
from processes.services.instances import create_instance
from processes.services.purging import purge_expired
from tasks.models import TaskRoot
from tasks.services.dispatch import purge_finished
from tests.together import together

pytestmark = pytest.mark.django_db(transaction=True)

ANN = Caller(session_key="a" * 32)
BOB = Caller(session_key="b" * 32)


def stored(caller: Caller = ANN, **options: Any) -> FileInfo:
    return store_file(content=b"a,b\n", name="a.csv", caller=caller, **options)


def row(info: FileInfo) -> StoredFile:
    return StoredFile.objects.get(pk=info["id"])


def is_there(info: FileInfo) -> bool:
    found = StoredFile.objects.filter(pk=info["id"]).first()
    return found is not None and default_storage.exists(found.file.name)


def contents_of(*infos: FileInfo) -> list[str]:
    return [str(row(info).file.name) for info in infos]


def node(caller: Caller = ANN, *, hours: float = 24) -> DataNode:
    return data_nodes.create_data_node(caller=caller, data={}, kept=timedelta(hours=hours))


def run(kit: Any) -> Run:
    return Run.objects.get(pk=kit.start({"name": "wait", "script": "noop"}))


def instance(kit: Any, owner: User | None = None) -> ProcessInstance:
    return create_instance(template=kit.template({"name": "show", "script": "show_page"}), owner=owner)


# Where infos are found.


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"upload": None, "text": "FILE_INFO", "list": [1, [], {}]},
        {"type": "FILE_INFO"},
        {"upload": {"type": "FILE_INFO", "id": "x"}},
        {"upload": {"type": "FILE_INFO", "id": 7}},
        {"upload": {"type": "FILE_INFO", "id": ["0" * 32]}},
        {"upload": {"type": "other", "id": "0" * 32}},
    ],
)
def test_data_without_infos_costs_no_statement(data: dict[str, Any], django_assert_num_queries: Any) -> None:
    owner = node()
    with django_assert_num_queries(0):
        assert adopt_files(data, caller=ANN, owner=owner) == 0


def test_infos_are_found_at_any_depth() -> None:
    ids = [uuid.uuid4() for _ in range(3)]
    infos = [{"type": "FILE_INFO", "id": str(file_id), "name": "a"} for file_id in ids]
    deep: Any = infos[2]
    for _ in range(20_000):
        deep = [deep]
    assert file_ids({"one": infos[0], "many": [{"in": {"side": infos[1]}}], "deep": deep}) == set(ids)


# Who owns what.


def test_a_file_that_nothing_names_belongs_to_nothing_and_expires() -> None:
    info = stored()
    found = row(info)
    assert (found.node, found.run, found.instance) == (None, None, None)
    assert found.expires_at is not None
    assert found.expires_at > timezone.now() + timedelta(days=29)


def test_a_node_owns_the_files_that_its_data_names() -> None:
    info = stored()
    owner = data_nodes.create_data_node(caller=ANN, data={"upload": dict(info)})
    found = row(info)
    assert (found.node, found.expires_at) == (owner, None)


def test_data_that_is_saved_again_owns_the_files_that_it_names_now() -> None:
    owner, info = node(), stored()
    data_nodes.save_data_node(caller=ANN, reference=owner.reference, data={"uploads": [dict(info)]})
    assert row(info).node == owner


def test_a_run_takes_over_what_its_node_owned(kit: Any) -> None:
    info, owner, later = stored(), node(), run(kit)
    data = {"upload": dict(info)}
    assert adopt_files(data, caller=ANN, owner=owner) == 1
    assert adopt_files(data, caller=ANN, owner=later) == 1
    assert adopt_files(data, caller=ANN, owner=later) == 0
    found = row(info)
    assert (found.node, found.run, found.expires_at) == (None, later, None)


def test_a_run_keeps_what_a_later_one_names_too(kit: Any) -> None:
    info, first, second = stored(), run(kit), run(kit)
    for owner in (first, second):
        adopt_files([dict(info)], caller=ANN, owner=owner)
    assert row(info).run == first


def test_an_instance_keeps_what_a_later_one_names_too(kit: Any) -> None:
    info, first, second = stored(), instance(kit), instance(kit)
    for owner in (first, second, second):
        adopt_files([dict(info)], caller=ANN, owner=owner)
    assert row(info).instance == first


def test_nothing_takes_over_what_an_instance_owns(kit: Any) -> None:
    info, owner = stored(), instance(kit)
    for weaker in (owner, run(kit), node()):
        adopt_files([dict(info)], caller=ANN, owner=weaker)
    found = row(info)
    assert (found.node, found.run, found.instance) == (None, None, owner)


def test_a_context_node_stands_for_its_instance(kit: Any) -> None:
    info, owner = stored(), instance(kit)
    adopt_files([dict(info)], caller=ANN, owner=data_nodes.load_context_node(owner.pk))
    assert (row(info).instance, row(info).node) == (owner, None)


def test_many_files_take_as_many_statements_as_one(kit: Any, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    infos, owner = [dict(stored()) for _ in range(10)], run(kit)
    later, further = node(), run(kit)
    for data in (infos[:1], infos):
        with transaction.atomic(), django_assert_num_queries(2):
            adopt_files(data, caller=ANN, owner=owner)
        with transaction.atomic(), django_assert_num_queries(3):
            adopt_files(data, caller=ANN, owner=later)
        with transaction.atomic(), django_assert_num_queries(2):
            adopt_files(data, caller=ANN, owner=further)
    assert StoredFile.objects.filter(run=owner).count() == 10


def test_files_of_many_owners_are_deleted_in_as_many_statements_as_those_of_one(
    kit: Any, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    numbers = []
    for count in (1, 5):
        nodes = [node() for _ in range(count)]
        for owner in nodes:
            stored(belongs_to=owner)
            stored(belongs_to=owner)
        with transaction.atomic(), CaptureQueriesContext(connection) as statements:
            DataNode.objects.filter(pk__in=[owner.pk for owner in nodes]).delete()
            numbers.append(len(statements))
    assert numbers[0] == numbers[1]


# Who may.


def user_caller(name: str) -> Caller:
    return Caller(user_id=User.objects.create_user(name).pk)


@pytest.mark.parametrize("kind", ["node", "run", "instance"])
@pytest.mark.parametrize("whose", ["session", "user"])
def test_forged_infos_of_other_peoples_files_are_ignored(kit: Any, kind: str, whose: str) -> None:
    owner = BOB if whose == "session" else user_caller("bob")
    theirs, theirs_owned = stored(owner), stored(owner, belongs_to=node(owner))
    before = [
        (item.node_id, item.run_id, item.instance_id, item.expires_at) for item in map(row, (theirs, theirs_owned))
    ]
    taker: Any = {"node": node, "run": lambda: run(kit), "instance": lambda: instance(kit)}[kind]()
    assert adopt_files([dict(theirs), dict(theirs_owned)], caller=ANN, owner=taker) == 0
    after = [
        (item.node_id, item.run_id, item.instance_id, item.expires_at) for item in map(row, (theirs, theirs_owned))
    ]
    assert after == before
    if kind != "run":
        taker.delete()
    assert is_there(theirs)
    assert is_there(theirs_owned)


def test_a_caller_without_identity_adopts_nothing() -> None:
    theirs = stored()
    StoredFile.objects.update(session_key="")
    assert adopt_files([dict(theirs)], caller=Caller(), owner=node()) == 0


def test_what_somebody_began_before_they_signed_in_is_adopted_too() -> None:
    info = stored(ANN)
    both = Caller(user_id=user_caller("ann").user_id, session_key=ANN.session_key)
    owner = data_nodes.create_data_node(caller=both, data=dict(info))
    assert row(info).node == owner


def test_a_lenders_file_is_adopted_where_it_belongs_to_nothing_and_lives_no_shorter() -> None:
    lender = user_caller("lender")
    free, owned = stored(lender), stored(lender, belongs_to=node(lender))
    caller = Caller(session_key=ANN.session_key, lender_id=lender.user_id)
    owner = node(caller, hours=1)
    assert adopt_files([dict(free), dict(owned)], caller=caller, owner=owner) == 1
    assert row(free).node == owner
    assert row(owned).node != owner
    owner.delete()
    assert is_there(free)
    assert row(free).node is None


def test_a_file_that_is_still_arriving_is_not_adopted() -> None:
    info = stored()
    StoredFile.objects.update(is_complete=False)
    assert adopt_files([dict(info)], caller=ANN, owner=node()) == 0


# New files of runs.


def test_a_file_that_a_background_script_makes_belongs_to_its_run(kit: Any) -> None:
    def make(app: Any) -> None:
        app.data["made"] = dict(stored(caller_of(app)))

    run_id = kit.start({"name": "make", "script": kit.script(make)})
    assert kit.work() == 1
    info = kit.data(run_id)["made"]
    assert (row(info).run_id, row(info).expires_at) == (run_id, None)


# The end.


def by_object(owner: Any) -> None:
    owner.delete()


def by_queryset(owner: Any) -> None:
    type(owner).objects.filter(pk=owner.pk).delete()


@pytest.mark.parametrize("delete", [by_object, by_queryset])
@pytest.mark.parametrize("kind", ["node", "run", "instance"])
def test_files_are_deleted_with_what_owns_them(kit: Any, kind: str, delete: Callable[[Any], None]) -> None:
    owner: Any = {"node": node, "run": lambda: run(kit), "instance": lambda: instance(kit)}[kind]()
    infos, other = [stored(belongs_to=owner) for _ in range(3)], stored()
    paths = contents_of(*infos)
    delete(owner)
    assert list(StoredFile.objects.all()) == [row(other)]
    assert not any(default_storage.exists(path) for path in paths)
    assert is_there(other)


def test_a_deletion_that_is_rolled_back_leaves_the_files() -> None:
    owner = node()
    info = stored(belongs_to=owner)
    with transaction.atomic():
        DataNode.objects.filter(pk=owner.pk).delete()
        assert not StoredFile.objects.exists()
        transaction.set_rollback(True)
    assert row(info).node == owner
    assert is_there(info)


def test_a_purged_tree_takes_its_runs_files_along(kit: Any) -> None:
    owner = run(kit)
    info = stored(belongs_to=owner)
    (path,) = contents_of(info)
    TaskRoot.objects.filter(pk=owner.pk).update(purge_at=timezone.now() - timedelta(seconds=1))
    assert purge_finished() == 1
    assert not StoredFile.objects.exists()
    assert not default_storage.exists(path)


def test_expired_nodes_take_their_files_along() -> None:
    nodes = [node() for _ in range(3)]
    infos = [stored(belongs_to=owner) for owner in nodes]
    paths = contents_of(*infos)
    DataNode.objects.filter(pk__in=[owner.pk for owner in nodes[:2]]).update(
        expires_at=timezone.now() - timedelta(seconds=1)
    )
    purged = purge_expired()
    assert (purged.data_nodes, purged.files) == (2, 0)
    assert [default_storage.exists(path) for path in paths] == [False, False, True]


def test_a_page_that_can_still_be_opened_finds_the_files_of_a_run_that_is_gone(kit: Any) -> None:
    owner = run(kit)
    info = stored(belongs_to=owner)
    result = data_nodes.create_data_node(caller=ANN, data={"file": dict(info)}, kept=timedelta(days=30))
    assert row(info).run == owner, "the run is stronger"
    owner.root.delete()
    with open_file(info, caller=ANN) as file:
        assert file.read() == b"a,b\n"
    # Once the page can't be opened any more, the file goes too.
    past = timezone.now() - timedelta(seconds=1)
    DataNode.objects.filter(pk=result.pk).update(expires_at=past)
    StoredFile.objects.filter(pk=info["id"]).update(expires_at=past)
    purged = purge_expired()
    assert (purged.data_nodes, purged.files) == (1, 1)
    assert not is_there(info)


def test_of_two_nodes_that_name_a_file_the_later_one_decides_how_long_it_is_kept() -> None:
    info = stored()
    first = data_nodes.create_data_node(caller=ANN, data=dict(info))
    second = data_nodes.create_data_node(caller=ANN, data=dict(info), kept=timedelta(days=7))
    first.delete()
    assert is_there(info)
    assert row(info).expires_at == second.expires_at


def test_a_file_that_something_owns_is_not_purged_though_a_page_that_needed_it_has_expired(kit: Any) -> None:
    info = stored(belongs_to=run(kit))
    StoredFile.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert purge_expired().files == 0
    assert is_there(info)


# Several that name one file.


def adopted_by(*owners: Any) -> FileInfo:
    info = stored()
    for owner in owners:
        adopt_files([dict(info)], caller=ANN, owner=owner)
    return info


def test_an_instance_that_names_a_file_takes_it_over_when_the_one_that_has_it_is_deleted(kit: Any) -> None:
    first, second = instance(kit), instance(kit)
    info = adopted_by(first, second)
    first.delete()
    assert row(info).instance == second
    assert is_there(info)
    (path,) = contents_of(info)
    second.delete()
    assert not StoredFile.objects.exists()
    assert not default_storage.exists(path)


def test_a_file_outlives_an_instance_that_only_names_it(kit: Any) -> None:
    first, second = instance(kit), instance(kit)
    info = adopted_by(first, second)
    second.delete()
    assert row(info).instance == first
    first.delete()
    assert not StoredFile.objects.exists()


def test_a_run_from_which_an_instance_has_taken_a_file_has_it_again_without_the_instance(kit: Any) -> None:
    first, second = run(kit), instance(kit)
    info = adopted_by(first, second)
    assert (row(info).run, row(info).instance) == (None, second)
    second.delete()
    assert (row(info).run, row(info).instance) == (first, None)
    assert is_there(info)


def test_a_run_takes_over_what_an_instance_had_and_the_other_instance_before_it(kit: Any) -> None:
    first, second, third = instance(kit), instance(kit), run(kit)
    info = adopted_by(first, second, third)
    first.delete()
    assert row(info).instance == second
    second.delete()
    assert (row(info).run, row(info).instance) == (third, None)


def test_a_run_takes_over_what_a_purged_one_had(kit: Any) -> None:
    first, second = run(kit), run(kit)
    info = adopted_by(first, second)
    TaskRoot.objects.filter(pk=first.pk).update(purge_at=timezone.now() - timedelta(seconds=1))
    assert purge_finished() == 1
    assert row(info).run == second
    assert is_there(info)


@pytest.mark.parametrize("kind", ["run", "instance"])
def test_a_file_goes_with_the_last_of_those_that_are_deleted_together(kit: Any, kind: str) -> None:
    make: Any = {"run": run, "instance": instance}[kind]
    owners = [make(kit) for _ in range(3)]
    info = adopted_by(*owners)
    owners[0].__class__.objects.filter(pk__in=[owner.pk for owner in owners[:2]]).delete()
    assert is_there(info)
    owners[2].delete()
    assert not StoredFile.objects.exists()


def test_a_file_that_is_deleted_itself_is_gone_for_all(kit: Any) -> None:
    info = adopted_by(instance(kit), instance(kit))
    row(info).delete()
    assert not StoredFile.objects.exists()


# Adopted while their owner is being deleted.


@pytest.fixture
def deletion() -> Callable[[Any], Collector]:
    """Begin a deletion as models and querysets do: they collect first, and delete afterwards."""

    def begin(owner: Any) -> Collector:
        collector = Collector(using=connection.alias, origin=owner)
        collector.collect([owner])
        return collector

    return begin


@pytest.mark.parametrize("kind", ["run", "instance"])
def test_a_file_that_is_adopted_after_the_deletion_of_its_owner_has_begun_stays(
    kit: Any, deletion: Callable[[Any], Collector], kind: str
) -> None:
    first, later = node(), {"run": run, "instance": instance}[kind](kit)
    info = adopted_by(first)
    begun = deletion(first)
    assert adopt_files([dict(info)], caller=ANN, owner=later) == 1
    begun.delete()
    assert not DataNode.objects.filter(pk=first.pk).exists()
    assert getattr(row(info), kind) == later
    assert is_there(info)


def test_a_file_that_is_needed_after_the_deletion_of_its_owner_has_begun_stays(
    deletion: Callable[[Any], Collector],
) -> None:
    first = node()
    info = adopted_by(first)
    begun = deletion(first)
    later = data_nodes.create_data_node(caller=ANN, data=dict(info))
    begun.delete()
    assert (row(info).node, row(info).expires_at) == (None, later.expires_at)
    assert is_there(info)


def test_a_file_that_comes_after_the_deletion_of_its_owner_has_begun_goes_too(
    deletion: Callable[[Any], Collector],
) -> None:
    first = node()
    begun = deletion(first)
    (path,) = contents_of(adopted_by(first))
    begun.delete()
    assert not StoredFile.objects.exists()
    assert not default_storage.exists(path)


@pytest.mark.parametrize("within", [nullcontext, transaction.atomic], ids=["alone", "in a transaction"])
def test_of_a_deletion_and_an_adoption_at_once_no_file_is_lost_that_was_adopted(kit: Any, within: Any) -> None:
    later = run(kit)
    for _ in range(6):
        first = node()
        info = adopted_by(first)

        def delete(first: DataNode = first) -> None:
            with within():
                first.delete()

        def adopt(info: FileInfo = info) -> int:
            with transaction.atomic():
                return adopt_files([dict(info)], caller=ANN, owner=later)

        deleted, adopted = together(delete, adopt)
        assert deleted is None
        assert is_there(info) == (adopted == 1)


def test_of_a_run_that_is_deleted_and_an_instance_that_takes_its_files_at_once_neither_fails(kit: Any) -> None:
    """The note of the run and the run itself are locked in one order, and no note outlives its run."""
    for _ in range(20):
        first, taker = run(kit), instance(kit)
        infos = [dict(adopted_by(first)) for _ in range(3)]

        def adopt(taker: ProcessInstance = taker, infos: list[Any] = infos) -> int:
            with transaction.atomic():
                return adopt_files(infos, caller=ANN, owner=taker)

        deleted, adopted = together(first.delete, adopt)
        assert isinstance(deleted, tuple), deleted
        assert adopted in (0, 3)
        assert [is_there(info) for info in infos] == [adopted == 3] * 3  # type: ignore[arg-type]
        assert not FileHolder.objects.exists()
        taker.delete()


def test_of_a_run_that_is_repeated_and_an_instance_that_takes_its_files_at_once_neither_fails(kit: Any) -> None:
    for _ in range(20):
        first, again, taker = run(kit), run(kit), instance(kit)
        infos = [dict(adopted_by(first)) for _ in range(3)]

        def repeat(first: Run = first, again: Run = again, infos: list[Any] = infos) -> None:
            with transaction.atomic():
                Run.objects.select_for_update().get(pk=first.pk)
                adopt_files(infos, caller=ANN, owner=again)

        def take(taker: ProcessInstance = taker, infos: list[Any] = infos) -> None:
            with transaction.atomic():
                adopt_files(infos, caller=ANN, owner=taker)

        assert together(repeat, take) == [None, None]
        assert StoredFile.objects.filter(instance=taker).count() == 3
        for owner in (taker, first, again):
            owner.delete()


def test_of_an_instance_that_is_deleted_and_saved_at_once_neither_fails(kit: Any) -> None:
    """Both wait for the same rows: in one order, or the database would end one of them."""
    for _ in range(40):
        owner = instance(kit)
        infos = [dict(adopted_by(owner)) for _ in range(5)]

        def save(owner: ProcessInstance = owner, infos: list[Any] = infos) -> None:
            with suppress(DataNodeNotFoundError):
                data_nodes.save_context_node(owner.pk, data={"files": infos}, doer=STEPLINE, caller=ANN)

        assert [type(end) for end in together(owner.delete, save)] == [tuple, NoneType]
        assert not StoredFile.objects.exists()
