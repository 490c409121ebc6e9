"""A process's own drawing of the progress page: it holds up nobody, and leaves nothing behind."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import DatabaseError, connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from processes.domain.application import Application
from processes.domain.request import Request
from processes.models import Access, AuditEntry, ProcessTemplate
from processes.registry import scripts
from processes.services.access import Caller
from processes.services.drawing import draw_progress
from processes.services.foreground import Answer, Visit, published_plan
from tasks.models.root import new_id
from tests.processes.services.published import action, page, publish_process

pytestmark = pytest.mark.django_db(transaction=True)

needs_sqlite = pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL locks what is written, no more")
PAGE = page("draw", "Drawn.", safe=True)


@pytest.fixture
def impatient() -> Iterator[None]:
    """Let SQLite refuse what would have to wait for a lock."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 0")
    yield
    connection.close()


@contextmanager
def another_connection() -> Iterator[BaseDatabaseWrapper]:
    other = connection.copy()
    other.settings_dict["OPTIONS"] = {**other.settings_dict["OPTIONS"], "timeout": 0}
    with closing(other):
        yield other


@contextmanager
def writing_elsewhere() -> Iterator[None]:
    """Hold SQLite's write lock, as a checkpoint of a worker does."""
    with another_connection() as other, other.cursor() as cursor:
        cursor.execute("BEGIN IMMEDIATE")
        yield
        cursor.execute("ROLLBACK")


def draw(*actions: dict[str, object]) -> Answer:
    """Draw a page by a process whose drawing begins with the first of its actions."""
    drawing = {**actions[0], "name": "renderProgress"}
    return draw_by(publish_process(f"drawn-{ProcessTemplate.objects.count()}", [drawing, *actions[1:]]))


def draw_by(template: ProcessTemplate) -> Answer:
    visit = Visit(
        template=template,
        plan=published_plan(template),
        request=Request(path="/progress/"),
        caller=Caller(session_key="s", template_id=template.pk, slug=template.slug),
        user=AnonymousUser(),
    )
    return draw_progress(visit=visit, root_id=new_id())


def draw_after(script: Callable[[Application], object]) -> Answer:
    with scripts.override("test_script", script):
        return draw(action("first", "test_script"), PAGE)


def write() -> int:
    """Write something, and tell how much of it is there."""
    AuditEntry.objects.create(action="drawn")
    return written()


def written() -> int:
    return AuditEntry.objects.filter(action="drawn").count()


@needs_sqlite
def test_a_drawing_that_only_reads_waits_for_no_writer(impatient: None) -> None:
    reads = {**PAGE, "config": {"content": "{{ data.progress }}", "tables": [{"rows": [{"a": 1}]}]}}
    seen: list[int] = []
    with scripts.override("test_read", lambda app: seen.append(written()), effect="idempotent"):
        template = publish_process("reads", [action("renderProgress", "test_read"), reads])
        with writing_elsewhere():
            answer = draw_by(template)
    assert (seen, answer.response.is_empty) == ([0], False)


@needs_sqlite
def test_a_drawing_that_only_reads_holds_no_writer_up(impatient: None) -> None:
    held: list[object] = []

    def read(app: Application) -> None:
        written()
        try:
            with writing_elsewhere():
                held.append(None)
        except DatabaseError as error:
            held.append(error)

    assert not draw_after(read).response.is_empty
    assert held == [None]


def test_what_it_writes_is_there_for_itself_and_taken_back() -> None:
    seen: list[int] = []

    def twice(app: Application) -> None:
        seen.append(write())
        with transaction.atomic():
            seen.append(write())
        with suppress(ZeroDivisionError), transaction.atomic():
            write()
            raise ZeroDivisionError
        seen.append(written())

    assert draw_after(twice).response.content == "<p>Drawn.</p>"
    assert (seen, written()) == ([1, 2, 2], 0)


def test_a_transaction_of_its_own_that_comes_first_is_taken_back_too() -> None:
    def write_as_one(app: Application) -> None:
        with transaction.atomic():
            written()
            write()
        with transaction.atomic():
            write()

    assert draw_after(write_as_one).response.content == "<p>Drawn.</p>"
    assert written() == 0


def test_it_can_write_where_somebody_else_has_written_since_it_read() -> None:
    def write_late(app: Application) -> None:
        before = written()
        with ThreadPoolExecutor(max_workers=1) as elsewhere:
            elsewhere.submit(write_and_close).result()
        assert (before, write()) == (0, 2)

    assert draw_after(write_late).response.content == "<p>Drawn.</p>"
    assert written() == 1, "the other's"


def write_and_close() -> None:
    write()
    connection.close()


@needs_sqlite
def test_what_it_can_not_write_fails_and_the_usual_page_is_shown(impatient: None) -> None:
    def write_locked(app: Application) -> None:
        with writing_elsewhere():
            write()

    assert draw_after(write_locked).response.is_empty


@needs_sqlite
def test_what_it_writes_after_such_a_failure_is_taken_back_as_well(impatient: None) -> None:
    def go_on(app: Application) -> None:
        with connection.cursor() as cursor:
            with writing_elsewhere(), suppress(DatabaseError):
                cursor.execute("UPDATE processes_processtemplate SET title = 'One'")
            cursor.execute("UPDATE processes_processtemplate SET title = 'Two'")

    assert not draw_after(go_on).response.is_empty
    assert not ProcessTemplate.objects.filter(title="Two").exists()


@pytest.mark.parametrize(("access", "drawn"), [(Access.PUBLIC, True), (Access.SIGNED_IN, False)])
def test_whoever_may_not_execute_the_process_sees_the_usual_page(access: Access, drawn: bool) -> None:
    template = publish_process("kept", [{**PAGE, "name": "renderProgress"}], access=access)
    assert draw_by(template).response.is_empty is not drawn


def links(*links: dict[str, object]) -> dict[str, object]:
    return action("draw", "show_page", config={"text": "Drawn.", "links": list(links)}, next=False)


def test_its_links_and_buttons_carry_no_data_that_would_be_taken_back() -> None:
    look = {"label": "Look", "action": "look"}
    stop = {"label": "Stop", "action": "stop", "method": "post"}
    answer = draw(links(look, stop), page("look", "x", safe=True), page("stop", "x"))
    (part,) = answer.response.parts or []
    assert [link["url"].partition("?")[2] for link in part["links"]] == ["action=look", ""]
    assert "data" not in (answer.response.step or {})


def test_a_link_that_would_need_data_leaves_the_page_to_us(caplog: pytest.LogCaptureFixture) -> None:
    answer = draw(links({"label": "Change", "action": "change"}), page("change", "x"))
    assert answer.response.is_empty
    assert "keeps no data" in caplog.text
