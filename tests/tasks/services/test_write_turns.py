"""Taking turns at SQLite's write lock."""

import fcntl
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from django.db import OperationalError, connection, connections, transaction

from tasks.models import TaskRoot
from tasks.services.cursors import fixed_cursor
from tasks.services.roots import Owner, create_root
from tasks.services.work import work_off
from tasks.services.write_turns import atomic_in_turn, own_transaction
from tests.together import together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("on_sqlite")]


@pytest.fixture
def on_sqlite() -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL has no one lock to take turns at.")


def turns() -> Path:
    return Path(f"{connection.settings_dict['NAME']}-turns")


def is_free() -> bool:
    """Tell whether somebody else could have the turn now."""
    with turns().open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


@pytest.fixture
def somebody_has_the_turn(on_sqlite: None) -> Iterator[None]:
    """Be somebody who has taken their turn and never gives it back, such as a process that was stopped."""
    create_root(title="makes the file", owner=Owner())
    with own_transaction(connection):
        pass
    with turns().open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def test_of_several_who_write_at_once_everyone_writes() -> None:
    root = create_root(title="a", owner=Owner())

    def add() -> None:
        for _ in range(50):
            with own_transaction(connections["default"]) as driver:
                (seq,) = driver.execute("SELECT last_seq FROM tasks_taskroot WHERE id = ?", [root.pk.hex]).fetchone()
                driver.execute("UPDATE tasks_taskroot SET last_seq = ? WHERE id = ?", [seq + 1, root.pk.hex])

    assert together(add, add, add) == [None] * 3
    assert TaskRoot.objects.get(pk=root.pk).last_seq == 1 + 3 * 50


def test_while_somebody_has_the_turn_another_one_waits_and_then_has_it() -> None:
    inside, order = threading.Event(), list[str]()

    def first() -> None:
        with own_transaction(connections["default"]):
            inside.set()
            order.append("first begins")
            assert not done.wait(0.005)
            order.append("first ends")

    def second() -> None:
        assert inside.wait(10)
        with atomic_in_turn():
            order.append("second begins")
        done.set()

    done = threading.Event()
    assert together(first, second) == [None, None]
    assert order == ["first begins", "first ends", "second begins"]


@pytest.mark.usefixtures("somebody_has_the_turn")
def test_whoever_keeps_the_turn_holds_nobody_up(kit: Any) -> None:
    began = monotonic()
    job = kit.enqueue(lambda context: 7)
    assert work_off("default")
    assert TaskRoot.objects.get(pk=job.root_id).result == 7
    assert monotonic() - began < 5


def test_an_error_inside_takes_everything_back_and_gives_the_turn_back() -> None:
    root = create_root(title="as it was", owner=Owner())

    def change_in_vain() -> None:
        with own_transaction(connection) as driver:
            driver.execute("UPDATE tasks_taskroot SET title = 'changed' WHERE id = ?", [root.pk.hex])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        change_in_vain()
    assert TaskRoot.objects.get(pk=root.pk).title == "as it was"
    assert is_free()


def test_what_the_driver_refuses_is_an_error_of_djangos() -> None:
    with pytest.raises(OperationalError, match="no such table"), own_transaction(connection) as driver:
        driver.execute("SELECT * FROM nowhere")
    with pytest.raises(OperationalError, match="no such table"), fixed_cursor() as cursor:
        cursor.execute("SELECT * FROM nowhere WHERE id = %s", [1])


def test_a_forked_process_has_a_turn_of_its_own() -> None:
    with own_transaction(connection):
        pass
    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        status = 1
        try:
            connections.close_all()
            with atomic_in_turn():
                status = int(is_free())
        finally:
            os._exit(status)
    # Its parent's opening of the file isn't what it holds.
    assert os.waitpid(child, 0)[1] == 0


def test_inside_a_transaction_no_turn_is_taken() -> None:
    with transaction.atomic():
        with atomic_in_turn():
            root = create_root(title="a", owner=Owner())
            assert is_free()
        transaction.set_rollback(True)
    assert not TaskRoot.objects.filter(pk=root.pk).exists()
