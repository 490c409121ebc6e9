"""A database of the first release, with work in flight, is migrated and goes on.

`stored/first_release.json` holds what that release stored: published templates, one run that is queued, one that is
parked, three whose workers were killed (in a sub process, in the sequence, in `@error`), data nodes, a file.
"""

import json
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.apps.registry import Apps
from django.contrib.auth.models import User
from django.core.management.color import no_style
from django.db import connection, models, transaction
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from processes.domain.application import Application
from processes.domain.cursor import CURSOR_FORMAT
from processes.domain.directives import Park
from processes.domain.json_values import content_hash
from processes.domain.plan import PLAN_FORMAT, Plan
from processes.jobs import run_process
from processes.models import AuditEntry, DataNode, ProcessTemplate, Run, StoredFile, TemplateVersion
from processes.registry import scripts
from processes.services.access import Caller
from processes.services.authoring.templates import publish
from processes.services.authoring.versions import preview_roll_back
from processes.services.background import settle_idle_run
from processes.services.data_nodes import claim_revision, load_data_node
from processes.services.inbox import resume_run
from processes.services.library import read_library
from processes.services.run_store import OLDER_RUN_JOBS, RUN_JOB
from processes.services.stored_data import StoredData
from tasks.domain.tree import Tree
from tasks.models import Job, TaskRoot
from tasks.registry import jobs
from tasks.services.cancelling import cancel
from tasks.services.flusher import stop_flusher
from tasks.services.heartbeat import stop_heart
from tasks.services.losses import release_expired
from tasks.services.reading import read_snapshot, read_updates
from tasks.services.work import work_off
from tests.processes.services.instance_kit import leave, leave_type

STORED: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "stored" / "first_release.json").read_text(encoding="utf-8")
)
BEFORE = [("processes", "0001_initial"), ("tasks", "0001_initial")]


def rows_of(model: str) -> list[dict[str, Any]]:
    return [row["fields"] | {"pk": row["pk"]} for row in STORED if row["model"] == model]


@pytest.fixture
def old_database(transactional_db: None) -> Iterator[Apps]:
    """Take the database back to the first release, give its models, and bring it forward again in the end."""
    executor = MigrationExecutor(connection)
    latest = executor.loader.graph.leaf_nodes()
    executor.migrate(BEFORE)
    # What builds on a later release, as an example's own tables do, went back with it.
    ours = {app for app, _ in BEFORE}
    plan = executor.loader.graph.forwards_plan
    others = [node for node in latest if all(one in BEFORE for one in plan(node) if one[0] in ours)]
    yield executor.loader.project_state([*BEFORE, *others]).apps
    MigrationExecutor(connection).migrate(latest)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Say where the migrated database is kept for the next test: on SQLite it is a file."""
    return tmp_path_factory.mktemp("upgraded") / "database.sqlite3"


@pytest.fixture
def upgraded(transactional_db: None, copy: Path, request: pytest.FixtureRequest) -> Iterator[None]:
    """Fill the database as the first release left it, migrate it, and register that release's scripts."""
    connection.ensure_connection()
    if copy.exists():
        with closing(sqlite3.connect(copy)) as source:
            source.backup(connection.connection)
    else:
        old_database: Apps = request.getfixturevalue("old_database")
        with transaction.atomic():  # References are checked at the end: rows stand in no order.
            store(old_database)
        executor = MigrationExecutor(connection)
        executor.migrate(executor.loader.graph.leaf_nodes())
        if connection.vendor == "sqlite":
            connection.ensure_connection()
            with closing(sqlite3.connect(copy)) as target:
                connection.connection.backup(target)
    park = scripts.override("release_wait", lambda app: Park(reason="wait"), durable=True)
    note_only = (scripts.override(f"release_{name}", note) for name in ("note", "die"))
    with park, next(note_only), next(note_only), scripts.override("release_refuse", note):
        yield
    stop_flusher()
    stop_heart()


#: What migrations carry over they carry over by the ORM: each row is looked at once, and the way itself on both.
on_sqlite = pytest.mark.skipif(connection.vendor == "postgresql", reason="what migrations carry over: on SQLite")


def note(app: Application) -> None:
    """Do what that release's scripts did."""
    assert app.action is not None
    app.data.setdefault("told", []).append(app.action.name)


def store(apps: Apps) -> None:
    known: list[type[models.Model]] = []
    for row in STORED:
        model = apps.get_model(row["model"])
        known.append(model)
        values = {"pk": row["pk"]}
        for name, value in row["fields"].items():
            field = model._meta.get_field(name)
            if isinstance(field, models.ForeignKey):
                values[field.attname] = value
            elif not field.many_to_many:
                values[name] = value if isinstance(field, models.JSONField) else field.to_python(value)
        made = model(**values)
        made.save_base(raw=True, force_insert=True)
        for field in model._meta.fields:
            # What Django sets at the moment of saving is as it was stored.
            if getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False):
                model._default_manager.filter(pk=made.pk).update(**{field.name: values[field.name]})
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), known):
            cursor.execute(statement)


def run_of(slug: str) -> Run:
    return Run.objects.get(template__slug=slug)


def go_on() -> None:
    Job.objects.filter(status="running").update(lease_until=timezone.now() - timedelta(seconds=1))
    release_expired()
    while work_off("default"):
        pass


INSIDE = ["open", "middle", "skipped", "shut"]


def test_work_in_flight_goes_on_where_it_was(upgraded: None) -> None:
    parked = run_of("parked")
    resume_run(run_id=parked.pk, ordinal=parked.ordinal + 1, state="go", dedupe_key="click")
    go_on()
    told = {
        "queued": ["enter", *INSIDE, "leave", "@end"],
        "killed": ["enter", *INSIDE, "leave", "@end"],
        "parked": ["enter", "open", "shut", "leave", "@end"],
        "parcel": ["@start", "weigh", "stamp", "hold", "@end"],
    }
    for slug, names in told.items():
        run = run_of(slug)
        assert (run.status, run.error) == ("completed", None), slug
        data = StoredData.load(run.pk)[1]
        assert data["told"] == names
        assert (data["name"], data["große"]) == ("Ada", [1, None, 2.5])
        assert run.attributes == {"dataNode": "x"}
        assert TaskRoot.objects.get(pk=run.pk).status == "completed"
        assert AuditEntry.objects.get(action="run.ended", subject_id=run.pk.hex).details == {"status": "completed"}


@on_sqlite
def test_an_error_that_was_in_force_still_is(upgraded: None) -> None:
    go_on()
    run = run_of("refused")
    assert run.status == "failed"
    assert (run.error["code"], run.error["action"], run.error["fields"]) == ("no_room", "try", {"left": 0})
    assert StoredData.load(run.pk)[1]["told"] == ["@error"]


@on_sqlite
def test_the_logs_go_on_without_a_gap(upgraded: None) -> None:
    go_on()
    for run in Run.objects.all():
        tree = Tree()
        for _, body in read_updates(run.pk, after=0, limit=10_000):
            tree.apply(json.loads(body))  # raises on any gap, repeat, or second end
        assert tree.snapshot() == read_snapshot(run.pk).to_json()


@on_sqlite
def test_work_in_flight_can_be_cancelled(upgraded: None) -> None:
    for slug in ("queued", "parked"):
        cancel(root_id=run_of(slug).pk, reason="never mind")
        assert run_of(slug).status == "cancelled"


def test_plans_keep_their_address_and_their_meaning() -> None:
    for row in rows_of("processes.plan"):
        assert json.loads(row["content"])["format"] == PLAN_FORMAT
        plan = Plan.from_json(json.loads(row["content"]), plan_hash=row["pk"])
        assert plan.hash == row["pk"]
        assert plan.to_json() == json.loads(row["content"])
        assert content_hash(plan.to_json()) == row["pk"]
    assert {row["cursor"]["format"] for row in rows_of("processes.run")} == {CURSOR_FORMAT}


@on_sqlite
def test_the_history_begins_with_what_was_in_force(upgraded: None) -> None:
    published = [row for row in rows_of("processes.processtemplate") if row["published_source"] is not None]
    assert len(published) == 9
    versions = {version.template.slug: version for version in TemplateVersion.objects.select_related("template")}
    assert versions.keys() == {row["slug"] for row in published}
    for row in published:
        version = versions[row["slug"]]
        assert (version.number, version.plan_id, version.source) == (
            1, row["published_plan"], row["published_source"],
        )  # fmt: skip
        told = version.published_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        assert told == row["published_at"]
    assert {template.edit_access for template in ProcessTemplate.objects.all()} == {"editors"}


@on_sqlite
def test_templates_can_be_published_and_gone_back_to(upgraded: None) -> None:
    template = ProcessTemplate.objects.get(slug="base")
    before = ProcessTemplate.objects.get(slug="parcel").published_plan_id
    assert publish(template=template).changed == ("parcel",), "the references are recorded now"
    parcel = ProcessTemplate.objects.get(slug="parcel")
    assert parcel.published_plan_id != before
    assert list(parcel.versions.values_list("number", "plan_id")) == [(2, parcel.published_plan_id), (1, before)]
    preview = preview_roll_back(template=parcel, number=1)
    assert preview.comparison is not None
    assert preview.comparison.same_source
    assert set(read_library().drafts) == {row["slug"] for row in rows_of("processes.processtemplate")}


@on_sqlite
def test_data_and_files_are_still_their_owners(upgraded: None) -> None:
    DataNode.objects.update(expires_at=timezone.now() + timedelta(hours=1))
    template = ProcessTemplate.objects.get(slug="parcel")
    user = User.objects.get()
    callers = (
        (Caller(user_id=user.pk, template_id=template.pk, slug="parcel"), {"weight": 7}),
        (Caller(session_key="s" * 32, template_id=template.pk, slug="parcel"), {}),
    )
    for row, (caller, data) in zip(rows_of("processes.datanode"), callers, strict=True):
        node = load_data_node(caller=caller, reference=row["reference"])
        assert (node.data, node.instance_id, node.based_on) == (data, None, None)
        assert claim_revision(caller=caller, node=node).revision == 2
    assert StoredFile.objects.get().owner == user


@on_sqlite
def test_what_an_older_release_still_stores_is_taken(upgraded: None) -> None:
    """It knows nothing of the columns that were added: the database fills them."""
    columns = {
        "slug": "late", "title": "Late", "description": "", "definition": "[]", "abstract": False,
        "access": "public", "revision": 1, "created_at": timezone.now(), "updated_at": timezone.now(),
    }  # fmt: skip
    marks = ", ".join(["%s"] * len(columns))
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {ProcessTemplate._meta.db_table} ({', '.join(columns)}) VALUES ({marks})",
            list(columns.values()),
        )
    assert ProcessTemplate.objects.get(slug="late").edit_access == "editors"
    assert Run.objects.filter(instance__isnull=True).count() == 5


def test_an_older_release_leaves_todays_runs_alone(kit) -> None:  # type: ignore[no-untyped-def]
    """Its workers claim only jobs that they know, so today's have a name that it doesn't."""
    run_id: uuid.UUID = kit.start({"name": "one", "script": kit.note("one")})
    assert Job.objects.get(pk=run_id).function == RUN_JOB
    stored = {row["function"] for row in rows_of("tasks.job")}
    assert stored
    assert stored <= set(OLDER_RUN_JOBS)
    assert RUN_JOB not in OLDER_RUN_JOBS
    for name in (RUN_JOB, *OLDER_RUN_JOBS):
        spec = jobs.get(name)
        assert (spec.function, spec.settle_idle, spec.checkpointed) == (run_process, settle_idle_run, True)


def test_the_way_back_and_forward_again_is_open(old_database: Apps) -> None:
    executor = MigrationExecutor(connection)
    latest = executor.loader.graph.leaf_nodes()
    for targets in (latest, BEFORE, latest):
        MigrationExecutor(connection).migrate(targets)
    AuditEntry.objects.create(action="run.started", subject_kind="run")
    assert AuditEntry.objects.get().subject_kind == "run"


@pytest.mark.django_db(transaction=True)
def test_the_data_of_instances_goes_with_no_owner_any_more() -> None:
    owner = User.objects.create_user("ada")
    instance = leave(leave_type(), owner)
    DataNode.objects.create(kind="temporary", owner=owner, reference="r" * 22, data={})
    executor = MigrationExecutor(connection)
    latest = executor.loader.graph.leaf_nodes()
    executor.migrate([("processes", "0013_instances")])
    DataNode.objects.filter(instance=instance).update(owner=owner)

    MigrationExecutor(connection).migrate(latest)

    assert DataNode.objects.get(instance=instance).owner is None
    assert DataNode.objects.get(kind="temporary").owner == owner
    owner.delete()
    assert DataNode.objects.get(instance=instance).data == {"days": 3}
