"""A worker is killed between any two statements of a claim: nothing is lost, no checkpointed action repeats."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone
from pytest_django import Settings

from processes.models import Access, AuditEntry, Connection, Grant, Run, RunValue, StoredFile
from processes.services.audit import SYSTEM
from processes.services.checkpoints import newest_checkpoint
from processes.services.connections import save_connection
from processes.services.instances import context_node_of, create_instance, execute_instance
from processes.services.repeating import repeat_run
from tasks.domain.tree import Tree
from tasks.models import Job, TaskRoot
from tasks.services.access import Viewer
from tasks.services.cancelling import cancel
from tasks.services.losses import release_expired
from tasks.services.reading import read_snapshot, read_updates
from tasks.services.work import work_off
from tests.child import child
from tests.killed_worker import BOOK, NOTE, RIGHTS, register_scripts
from tests.processes.authority_kit import own
from tests.processes.services.real_servers import mail_server, web_server

Kill = Callable[[int], bool]


@pytest.fixture
def kill(transactional_db: None, settings: Settings) -> Iterator[Kill]:
    """Return a function that works off one claim in another process, killed at a point; False if it survived.

    Both that process and this one may reach the servers of this machine.
    """
    settings.STEPLINE_OUTBOUND_HOSTS = settings.STEPLINE_OUTBOUND_PRIVATE = ("127.0.0.1",)
    register_scripts()
    variables = {"STEPLINE_OUTBOUND_HOSTS": "127.0.0.1", "STEPLINE_OUTBOUND_PRIVATE": "127.0.0.1"}
    with child("tests.killed_worker", **variables) as ask:
        yield lambda point: ask(str(point))


def newest_ordinal(run_id: UUID) -> int:
    stands = newest_checkpoint(run_id)
    assert stands is not None
    return stands.ordinal


ACTIONS = ("first", "second", "booked", "last")


def test_a_worker_killed_at_any_point_repeats_at_most_the_action_it_was_in(kit, kill: Kill, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    template = kit.template(
        *({"name": name, "script": BOOK if name == "booked" else NOTE} for name in ACTIONS),
    )
    point, killed = 0, True
    while killed:
        point += 1
        StoredFile.objects.all().delete()
        effects = tmp_path / f"{point}.txt"
        run_id = kit.start(template=template)
        RunValue.objects.create(run_id=run_id, key="file", ordinal=0, value=json.dumps(str(effects)))

        killed = kill(point)
        checkpointed = newest_ordinal(run_id)
        done_before = Counter(effects.read_text().split()) if effects.exists() else Counter[str]()
        take_over()

        run = Run.objects.get(pk=run_id)
        assert run.status == "completed", f"killed at point {point}"
        effects_now = Counter(effects.read_text().split())
        for number, name in enumerate(ACTIONS, start=1):
            if name == "booked":
                continue
            repeated = effects_now[name] - 1
            assert repeated in (0, 1), f"{name} ran {effects_now[name]} times, killed at point {point}"
            if repeated:
                assert number == checkpointed + 1, f"{name} had a checkpoint and ran again, killed at point {point}"
                assert done_before[name] == 1
        assert StoredFile.objects.count() == 1, f"killed at point {point}"
        tree = Tree()
        for _, body in read_updates(run_id, after=0, limit=10_000):
            tree.apply(json.loads(body))  # raises on any gap, repeat, or second end
        assert tree.snapshot() == read_snapshot(run_id).to_json()
        assert [child.status for child in read_snapshot(run_id).tree.children] == ["completed"] * len(ACTIONS)
        assert TaskRoot.objects.get(pk=run_id).status == "completed"
    assert point > 15, "the claim has more points than that"


RIGHTS_OF = {
    "before": "caller:caller",
    "inside": "owner:caller",
    "lent": "caller:caller",
    "still": "owner:caller",
    "after": "caller:caller",
    "last": "caller:caller",
}


def test_a_worker_killed_at_any_point_leaves_every_action_its_rights(kit, kill: Kill, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    owner, caller = User.objects.create_user("owner"), User.objects.create_user("caller")
    inside = [
        {"name": "inside", "script": RIGHTS},
        {"name": "asCaller", "script": "run_as_caller", "config": {"process": "${lent}"}},
        {"name": "still", "script": RIGHTS},
    ]
    lent = {"lent": {"process": [{"name": "lent", "script": RIGHTS}]}}
    template = kit.template(
        {"name": "store", "script": "store_credentials"},
        {"name": "before", "script": RIGHTS},
        {"name": "asOwner", "script": "run_as_owner", "config": {"process": "${inside}"}},
        {"name": "after", "script": RIGHTS},
        {"name": "remove", "script": "remove_credentials"},
        {"name": "last", "script": RIGHTS},
        bindings={"inside": {"process": {"format": 1, "actions": inside, "bindings": lent}}},
    )
    own(template, owner)
    rights = {"inside:owner:caller", "still:owner:caller"}
    rights |= {f"{name}:caller:caller" for name in ("before", "lent", "after", "last")}

    def start() -> UUID:
        Grant.objects.all().delete()
        return kit.start(template=template, user=caller)  # type: ignore[no-any-return]

    for run, lines in killed_everywhere(kill, start, tmp_path):
        assert run.status == "completed"
        assert lines == rights
        # The grant and its end are stored with their checkpoints: exactly once.
        grant = Grant.objects.get()
        assert grant.revoked_at is not None
        told = AuditEntry.objects.filter(subject_kind="grant", subject_id=str(grant.pk)).values_list(
            "action", flat=True
        )
        assert sorted(told) == ["credentials.removed", "credentials.stored"]


def test_a_worker_killed_at_any_point_leaves_errors_and_sub_processes_their_rights(
    kit,  # type: ignore[no-untyped-def]
    kill: Kill,
    tmp_path: Path,
) -> None:
    owner, caller = User.objects.create_user("owner"), User.objects.create_user("caller")
    mending = [
        {"name": "inside", "script": RIGHTS},
        {"name": "breaks", "script": "fail", "config": {"code": "broken", "message": "Broken."}},
        {"name": "mended", "script": RIGHTS},
        {"name": "@error", "script": "reset_error", "next": "mended"},
    ]
    breaking = [mending[1], {"name": "@error", "script": RIGHTS}]
    template = kit.template(
        {"name": "asOwner", "script": "run_as_owner", "config": {"process": "${mending}"}},
        {"name": "called", "script": "call_process", "config": {"process": "${called}"}},
        {"name": "asOwnerAgain", "script": "run_as_owner", "config": {"process": "${breaking}"}},
        {"name": "never", "script": RIGHTS},
        {"name": "@error", "script": "call_process", "config": {"process": "${handling}"}},
        bindings={
            "mending": {"process": mending},
            "breaking": {"process": breaking},
            "called": {"process": [{"name": "inCalled", "script": RIGHTS}]},
            "handling": {"process": [{"name": "handled", "script": RIGHTS}]},
        },
    )
    own(template, owner)
    rights = {f"{name}:owner:owner" for name in ("inside", "mended", "@error")}
    rights |= {f"{name}:caller:caller" for name in ("inCalled", "handled")}
    for run, lines in killed_everywhere(kill, lambda: kit.start(template=template, user=caller), tmp_path):
        assert (run.status, run.error["code"]) == ("failed", "broken")
        assert lines == rights
        lent = AuditEntry.objects.filter(action="authority.lent", details__execution=str(run.pk))
        # An attempt that was killed may have told of it too: what was lent twice is told twice.
        assert Counter(lent.values_list("details__action", flat=True)).keys() == {"asOwner", "asOwnerAgain"}
        assert lent.count() in (2, 3)


def test_a_worker_killed_at_any_point_carries_on_what_is_tried_again(kit, kill: Kill, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    user = User.objects.create_user("caller")
    template = kit.template(*({"name": name, "script": BOOK if name == "booked" else NOTE} for name in ACTIONS))
    template.access = Access.SIGNED_IN
    template.save(update_fields=["access"])

    def start() -> UUID:
        StoredFile.objects.all().delete()
        run_id = kit.start(template=template, user=user)
        cancel(root_id=run_id, reason="never mind")
        return repeat_run(run_id=run_id, viewer=Viewer(user_id=user.pk), user=user).run_id

    for run, lines in killed_everywhere(kill, start, tmp_path):
        assert (run.status, run.previous is not None) == ("completed", True)
        assert lines == {"first", "second", "last"}
        assert StoredFile.objects.count() == 1


def test_a_worker_killed_at_any_point_saves_what_an_instance_holds(kit, kill: Kill, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    owner = User.objects.create_user("owner")
    template = kit.template(
        {"name": "load", "script": "load_data"},
        {"name": "leave", "script": "execute_in_background"},
        {"name": "pay", "script": "set_data", "config": {"values": {"paid": True}}},
        {"name": "save", "script": "save_data"},
        {"name": "asOwner", "script": "run_as_owner", "config": {"script": RIGHTS}},
        {"name": "close", "script": "set_data", "config": {"values": {"closed": True}}},
        {"name": "saveAgain", "script": "save_data"},
    )
    instances = []

    def start() -> UUID:
        instances.append(create_instance(template=template, owner=owner, data={"amount": 7}))
        execute_instance(instance=instances[-1], user=owner)
        return Run.objects.get(instance=instances[-1]).pk

    for run, lines in killed_everywhere(kill, start, tmp_path):
        assert (run.status, run.error) == ("completed", None)
        assert lines == {"asOwner:owner:owner"}
        node = context_node_of(instances[-1])
        assert (node.data["amount"], node.data["paid"], node.data["closed"]) == (7, True, True)
        assert node.revision == 3, "what was saved already isn't saved again"


def test_a_worker_killed_at_any_point_asks_others_under_the_same_name(kit, kill: Kill, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    with web_server() as web, mail_server() as mail:
        settings = {"host": "127.0.0.1", "port": mail.port, "security": "none", "from_address": "shop@example.com"}
        save_connection(connection=Connection(name="post", kind="smtp", settings=settings), secret="", actor=SYSTEM)
        template = kit.template(
            {"name": "pay", "script": "http_request", "config": {"method": "POST", "url": f"{web.url}/pay"}},
            {
                "name": "tell",
                "script": "send_email",
                "config": {"to": "ann@example.com", "subject": "Paid", "text": "Thanks.", "connection": "${post}"},
            },
            {"name": "last", "script": NOTE},
            bindings={"post": {"credential": "post"}},
        )
        keys, names, twice = set[str](), set[str](), set[str]()
        for run, _ in killed_everywhere(kill, lambda: kit.start(template=template), tmp_path, every=1):
            assert run.status == "completed"
            asked = [received.headers["Idempotency-Key"] for received in web.received]
            told = [re.search(r"Message-ID: (\S+)", letter.content).group(1) for letter in mail.letters]  # type: ignore[union-attr]
            for what, seen, known in (("request", asked, keys), ("mail", told, names)):
                assert len(seen) in (1, 2)
                assert len(set(seen)) == 1, "each attempt bears the same name"
                assert known.isdisjoint(seen), "no other run bears it"
                known.update(seen)
                if len(seen) == 2:
                    twice.add(what)
            web.received.clear()
            mail.letters.clear()
        assert twice == {"request", "mail"}, "one was killed after it had asked, and before its checkpoint"


def take_over() -> None:
    """Take over, and finish: the lease of the dead worker runs out, and the hint that it took is sent again."""
    with transaction.atomic():
        # The server may take a moment to notice that the worker is gone, and holds its locks until then.
        list(Job.objects.select_for_update())
    Job.objects.filter(status="running").update(lease_until=timezone.now() - timedelta(seconds=1))
    release_expired()
    # A claim passes over a job that somebody has locked at that moment, as the heart does when it beats.
    while work_off("default") or Job.objects.filter(status="pending", due_at__lte=Now()).exists():
        pass


def killed_everywhere(
    kill: Kill, start: Callable[[], UUID], folder: Path, *, every: int = 3
) -> Iterator[tuple[Run, set[str]]]:
    """Start a run, kill its worker at a point, and carry it on; give the ended run, and the lines that it wrote.

    Every third point is enough where it is only about what a checkpoint holds: which points there are is the matter of
    the first test.
    """
    point, killed = 0, True
    while killed:
        point += every
        effects = folder / f"{point}.txt"
        run_id = start()
        RunValue.objects.create(run_id=run_id, key="file", ordinal=0, value=json.dumps(str(effects)))
        killed = kill(point)
        take_over()
        told = AuditEntry.objects.filter(subject_kind="run", subject_id=run_id.hex).values_list("action", flat=True)
        assert sorted(told) == ["run.ended", "run.started"], f"killed at point {point}"
        print(f"killed at point {point}")  # Shown with what fails.
        yield Run.objects.get(pk=run_id), set(effects.read_text().split()) if effects.exists() else set()
    assert point > 12, "the claim has more points than that"
