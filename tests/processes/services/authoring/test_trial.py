"""Trying out does no harm: nothing is written, sent or kept, and nothing runs for long."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.db import DatabaseError, connection, transaction

from processes.domain.application import Application
from processes.domain.outside import Mail, OutboundRequest
from processes.domain.report import RunReport
from processes.models import AuditEntry, DataNode, ProcessTemplate, StoredFile
from processes.registry import scripts
from processes.services.audit import SYSTEM, record
from processes.services.authoring.trial import try_out
from processes.services.files import store_file
from processes.services.host import caller_of
from tasks.models import TaskRoot
from tests.processes.services.published import action, change_draft, page, publish_process, save_process

Register = Callable[[Callable[[Application], object]], str]


@pytest.fixture
def script() -> Iterator[Register]:
    numbers = itertools.count(1)
    with ExitStack() as stack:

        def register(function: Callable[[Application], object]) -> str:
            name = f"trial_script_{next(numbers)}"
            stack.enter_context(scripts.override(name, function))
            return name

        yield register


@pytest.fixture
def editor(transactional_db: None) -> User:
    return User.objects.create_user("editor", email="editor@example.com", is_staff=True)


def tried(template: ProcessTemplate, editor: User, **options: Any) -> RunReport:
    return try_out(template=template, user=editor, **options)


def test_a_draft_runs_with_data_and_parameters_as_its_editor(script: Register, editor: User) -> None:
    def look(app: Application) -> str:
        app.state = "seen"
        app.data["who"] = app.user.username
        return f"{app.data['name']} {app.request.parameters['x']}"

    template = save_process("draft", [action("first", next=False), action("look", script(look))])
    report = tried(template, editor, action="look", data={"name": "Ada"}, parameters={"x": 1})
    assert report.status == "completed"
    assert (report.state, report.value, report.data) == ("seen", "Ada 1", {"name": "Ada", "who": "editor"})
    assert [entry.action for entry in report.trace] == ["look"]


def test_what_is_published_runs_as_it_is_in_force(editor: User) -> None:
    template = publish_process("both", [page("a", "old")])
    change_draft(template, [page("a", "new")])
    template.refresh_from_db()
    contents = [tried(template, editor, published=flag).response["content"] for flag in (False, True)]
    assert contents == ["<p>new</p>", "<p>old</p>"]


def test_nothing_that_it_writes_is_kept_and_nothing_waits_for_its_commit(script: Register, editor: User) -> None:
    fired: list[str] = []
    seen: list[int] = []

    def write(app: Application) -> None:
        User.objects.create_user("written")
        with transaction.atomic():
            transaction.on_commit(lambda: fired.append("committed"))
        seen.append(User.objects.filter(username="written").count())

    template = save_process("writer", [action("a", script(write)), action("keep", "save_data")])
    report = tried(template, editor, data={"x": 1})
    assert report.status == "completed", report.error
    assert seen == [1]
    assert fired == []
    assert not User.objects.filter(username="written").exists()
    assert not DataNode.objects.exists()


def test_what_the_database_refuses_spoils_neither_the_rest_of_the_trial_nor_what_comes_after(
    script: Register, editor: User
) -> None:
    def repeat(app: Application) -> None:
        User.objects.create_user("editor")

    def count(app: Application) -> int:
        app.error = None
        return User.objects.count()

    template = save_process("clash", [action("a", script(repeat)), action("@error", script(count))])
    report = tried(template, editor)
    assert report.status == "completed", report.error
    assert [entry.action for entry in report.trace] == ["a", "@error"]
    assert User.objects.count() == 1


def test_files_that_it_stores_are_gone_from_the_disk_too(script: Register, editor: User) -> None:
    names: list[str] = []

    def store(app: Application) -> None:
        info = store_file(content=b"secret", name="a.txt", caller=caller_of(app))
        name = StoredFile.objects.get(pk=info["id"]).file.name
        assert default_storage.exists(name)
        names.append(name)

    tried(save_process("files", [action("a", script(store))]), editor)
    assert len(names) == 1
    assert not default_storage.exists(names[0])
    assert not StoredFile.objects.exists()


def test_requests_and_mail_are_refused_with_what_to_do_about_it(script: Register, editor: User) -> None:
    def ask(app: Application) -> None:
        app.outside.request(OutboundRequest(method="GET", url="https://example.org/"))

    def write(app: Application) -> None:
        app.outside.send(Mail(to=["a@example.org"], subject="x", text="x"))

    template = save_process("outside", [action("ask", script(ask), next=False), action("write", script(write))])
    for name in ("ask", "write"):
        report = tried(template, editor, action=name)
        assert report.status == "failed"
        assert report.error is not None
        assert (report.error.code, report.error.action) == ("outside_disabled", name)
        assert "Really send" in report.error.fields["suggestion"]


def test_whoever_wants_it_for_real_gets_it_for_real(script: Register, editor: User, mailoutbox: list[Any]) -> None:
    def write(app: Application) -> None:
        User.objects.create_user("written")
        app.outside.send(Mail(to=["a@example.org"], subject="For real", text="x"))

    report = tried(save_process("real", [action("a", script(write))]), editor, keep=True)
    assert report.status == "completed", report.error
    assert User.objects.filter(username="written").exists()
    assert [mail.subject for mail in mailoutbox] == ["For real"]


def test_the_audit_log_keeps_that_it_was_tried_and_what_was_audited_on_the_way(script: Register, editor: User) -> None:
    def audited(app: Application) -> None:
        record("authority.lent", actor=SYSTEM, kind="processtemplate", subject_id=1, details={"action": "x"})

    template = save_process("audited", [action("a", script(audited))])
    before = AuditEntry.objects.count()
    report = tried(template, editor, action="a")
    assert report.status == "completed", report.error
    started, lent = AuditEntry.objects.order_by("id")[before:]
    assert (started.action, started.actor_name, started.subject_id) == ("run.started", "editor", str(template.pk))
    assert started.details == {"action": "a", "how": "trial", "published": False, "kept": False}
    assert (lent.action, lent.details) == ("authority.lent", {"action": "x", "how": "trial", "kept": False})


def test_a_process_that_runs_in_circles_is_stopped_by_the_number_of_its_actions(editor: User) -> None:
    report = tried(save_process("circle", [action("a", next="a")]), editor, seconds=600)
    assert report.error is not None
    assert report.error.code == "action_limit"


def test_a_process_that_takes_too_long_is_stopped_between_actions(editor: User) -> None:
    report = tried(save_process("slow", [action("a", next="b"), action("b", next="a")]), editor, seconds=0)
    assert report.status == "failed"
    assert report.error is not None
    assert report.error.code == "time_limit"
    assert len(report.trace) <= 1


def test_a_script_that_asks_whether_it_is_cancelled_is_stopped_too(script: Register, editor: User) -> None:
    def endless(app: Application) -> None:
        for _ in itertools.count():
            app.check_cancelled()

    report = tried(save_process("endless", [action("a", script(endless))]), editor, seconds=0.05)
    assert report.error is not None
    assert report.error.code == "time_limit"


def test_what_cannot_run_is_reported_with_the_reasons(editor: User) -> None:
    abstract = save_process("abstract", [action("a")], abstract=True)
    assert [problem.message for problem in tried(abstract, editor).problems] == [
        "An abstract template is only extended, never run itself"
    ]
    draft = save_process("draft", [action("a")])
    assert tried(draft, editor, published=True).status == "invalid"
    ProcessTemplate.objects.filter(pk=draft.pk).update(definition='[{"name": "a", "script": "gone"}]')
    report = tried(draft, editor)
    assert report.status == "invalid"
    assert [problem.path for problem in report.problems] == ["/0/script"]


def test_sub_processes_inline_ones_and_the_process_itself_can_be_called(editor: User) -> None:
    publish_process("called", [action("x")])
    template = save_process(
        "caller",
        [action("a", "called"), action("b", "inline"), action("c", "again", config={"action": "d"}), action("d")],
        bindings={
            "called": {"process": "called"},
            "inline": {"process": [action("y")]},
            "again": {"process": "caller"},
        },
    )
    report = tried(template, editor)
    assert report.status == "completed", report.error
    assert [(entry.process, entry.action) for entry in report.trace] == [
        (None, "a"), ("called", "x"), (None, "b"), ("inline", "y"), (None, "c"), ("caller", "d"), (None, "d"),
    ]  # fmt: skip


def test_a_process_that_goes_on_in_the_background_runs_through_and_leaves_no_task(editor: User) -> None:
    template = save_process(
        "background",
        [
            {"name": "start", "script": "start_progress", "config": {"title": "Work"}},
            {"name": "go", "script": "execute_in_background"},
            action("work"),
            {"name": "renderProgress", "script": "render_progress"},
        ],
    )
    report = tried(template, editor)
    assert report.status == "completed", report.error
    assert [entry.action for entry in report.trace][:3] == ["start", "go", "work"]
    assert not TaskRoot.objects.exists()


def test_an_unknown_entry_is_an_error_of_the_run(editor: User) -> None:
    report = tried(save_process("entry", [action("a"), action("b", entry=False)]), editor, action="b")
    assert report.error is not None
    assert report.error.code == "not_found"


def test_a_script_that_leaves_the_database_broken_does_not_break_the_page(script: Register, editor: User) -> None:
    def careless(app: Application) -> str:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT nothing FROM nowhere")
        except DatabaseError:
            return "went on"
        return "unreached"

    template = save_process("careless", [action("a", script(careless)), action("keep", "save_data")])
    report = tried(template, editor, data={"x": 1})
    assert report.status == "completed", report.error
    assert not DataNode.objects.exists()
