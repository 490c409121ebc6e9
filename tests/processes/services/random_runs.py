"""A random world around the runs of processes: what it does to them is drawn from a seed."""

import json
import random
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.utils import timezone

from processes.domain.application import Application
from processes.domain.callbacks import REPORTS
from processes.domain.data_edit import DataEdit
from processes.errors import CallbackConflictError, PermanentError, ProcessError
from processes.models import Callback, Checkpoint, FanOut, Run, RunForm, StoredFile
from processes.services.authoring.templates import publish, save_draft
from processes.services.callbacks import report_callback
from processes.services.checkpoints import newest_checkpoint
from processes.services.controlling import Known, retry_run, rewind_run
from processes.services.errors import (
    CallbackNotFoundError,
    FormClosedError,
    NotControllableError,
)
from processes.services.form_answers import answer_form_of_run, waiting_form
from processes.services.moving import move_run, undo_move
from processes.services.operators import cancel_run, edit_run, pause_run, unpause_run
from processes.services.run_forms import Visitor, check_open
from processes.services.standing import why_waiting
from processes.services.stored_data import StoredData
from tasks.domain.tree import Tree
from tasks.errors import IllegalTransition, InvalidUpdate, TaskNotFound
from tasks.models import Job, TaskRoot
from tasks.services.cancelling import cancel_orphans
from tasks.services.claims import claim
from tasks.services.jobs import wake_due
from tasks.services.losses import release_expired
from tasks.services.reading import read_snapshot, read_updates
from tasks.services.work import carry_out, work_off
from tests.processes.services.random_processes import Process

ENDED = {"completed", "compensated", "failed", "cancelled"}
OPEN_NODES = {"created", "running", "waiting"}


class Killed(KeyboardInterrupt):
    """The worker is no more."""


# -- what the scripts do -----------------------------------------------------------------------------------------------


@dataclass
class Effects:
    """What scripts have done outside, which no transaction takes back."""

    #: (run's path, action, idempotency key, kind), in order.
    log: list[tuple[str, str, str, str]] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    #: Called in the midst of each script.
    midst: Callable[[], None] = lambda: None
    failed: set[tuple[str, str]] = field(default_factory=set)
    stale: bool = False

    def begin(self, app: Application, kind: str) -> None:
        assert app.action is not None
        run_id = app.get("run_id")
        if not self.stale and Checkpoint.objects.filter(run_id=run_id, ordinal__gte=app.ordinal).exists():
            self.complaints.append(f"{app.action.name} runs again though it has a checkpoint (step {app.ordinal})")
        self.midst()
        self.log.append((path_of(run_id), app.action.name, app.idempotency_key, kind))
        self.midst()


def path_of(run_id: Any) -> str:
    """Say which run that is, in words that are the same in another world."""
    run = Run.objects.select_related("fan_out").filter(pk=run_id).first()
    if run is None or run.fan_out is None:
        return ""
    # The step's number is the same in each world.
    return f"{path_of(run.fan_out.run_id)}/{run.fan_out.ordinal}:{run.first_index}"


def register(kit: Any, effects: Effects) -> dict[str, str]:
    def note(app: Application) -> None:
        effects.begin(app, "note")
        app.data[f"did_{app.action.name}"] = True  # type: ignore[union-attr]
        app.set("seen", app.action.name)  # type: ignore[union-attr]

    def book(app: Application) -> None:
        StoredFile.objects.create(name=f"{app.idempotency_key}"[:200], size=1, content_type="text/plain")
        effects.begin(app, "book")
        app.data["booked"] = app.data.get("booked", 0) + 1  # type: ignore[operator]

    def once(app: Application) -> None:
        effects.begin(app, "once")

    def flaky(app: Application) -> None:
        effects.begin(app, "flaky")
        app.data["halfway"] = app.data.get("halfway", 0) + 1  # type: ignore[operator]
        key = (app.get("run_id"), app.action.name)  # type: ignore[union-attr]
        if key not in effects.failed:
            effects.failed.add(key)
            raise ProcessError("not yet", code="busy")

    def flakybook(app: Application) -> None:
        StoredFile.objects.create(name=f"{app.idempotency_key}"[:200], size=1, content_type="text/plain")
        flaky(app)

    def permanent(app: Application) -> None:
        effects.begin(app, "permanent")
        raise PermanentError("never", code="never")

    def piece(app: Application) -> None:
        effects.begin(app, "piece")
        item = app.data["item"]
        app.data["out"] = item * 10  # type: ignore[operator]
        if item < 0:  # type: ignore[operator]
            raise ProcessError("a bad one", code="bad")

    return {
        "note": kit.script(note),
        "book": kit.script(book, effect="transactional"),
        "once": kit.script(once, effect="once"),
        "flaky": kit.script(flaky),
        "flakybook": kit.script(flakybook, effect="transactional"),
        "permanent": kit.script(permanent),
        "piece": kit.script(piece),
    }


# -- workers that die --------------------------------------------------------------------------------------------------


class Death:
    """Let the worker die at the n-th point from now: before a commit, behind it, or in the midst of a script."""

    def __init__(self) -> None:
        self.left = 0

    def pass_point(self) -> bool:
        # Those who flush and beat are threads of the same worker, and write whenever they like.
        if self.left <= 0 or threading.current_thread() is not threading.main_thread():
            return False
        self.left -= 1
        return self.left == 0

    def in_script(self) -> None:
        if self.pass_point():
            raise Killed

    @contextmanager
    def at_commits(self) -> Iterator[None]:
        death = self

        def dies_around(commit: Callable[[], None], rollback: Callable[[], None]) -> None:
            if death.pass_point():
                rollback()
                raise Killed
            commit()
            if death.pass_point():
                connection.run_on_commit = []
                raise Killed

        if connection.vendor == "sqlite":

            class Mortal(sqlite3.Connection):
                def commit(self) -> None:
                    if not self.in_transaction:
                        super().commit()
                        return
                    dies_around(super().commit, super().rollback)

            options = connection.settings_dict["OPTIONS"]
            connection.close()
            options["factory"] = Mortal
            try:
                yield
            finally:
                connection.close()
                del options["factory"]
            return
        commit = connection._commit  # type: ignore[attr-defined]
        connection._commit = lambda: dies_around(commit, connection._rollback)  # type: ignore[attr-defined]
        try:
            yield
        finally:
            del connection._commit  # type: ignore[attr-defined]


# -- the world ---------------------------------------------------------------------------------------------------------


@dataclass
class World:
    """One run with all that belongs to it, from its beginning to its end."""

    kit: Any
    process: Process
    effects: Effects
    death: Death
    operator: Any
    seed: int
    disturbs: bool = False
    wild: bool = False
    told: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    #: Reports that each callback has had.
    reported: dict[str, int] = field(default_factory=dict)
    answered: list[Any] = field(default_factory=list)
    #: Runs that were taken up, the last one goes on.
    executions: list[uuid.UUID] = field(default_factory=list)
    version: int = 0
    seen: dict[uuid.UUID, int] = field(default_factory=dict)

    def begin(self) -> None:
        # What the outside does is the same in both worlds; what disturbs is drawn apart.
        self.outside = random.Random(f"outside {self.seed}")
        self.draw = random.Random(f"disturbing {self.seed} {self.wild}")
        self.template = self.kit.template(*self.process.actions, bindings=self.process.bindings)
        self.executions = [self.kit.start(template=self.template)]

    @property
    def run_id(self) -> uuid.UUID:
        return self.executions[-1]

    def say(self, text: str) -> None:
        self.told.append(text)

    # -- going on

    def live(self) -> None:
        """Let everything happen until the end."""
        for _ in range(150):
            self.settle()
            self.check_quiet()
            if self.problems:
                return
            if self.wild and self.chance(0.35):
                self.meddle()
                continue
            if self.disturbs and self.chance(0.4):
                self.disturb()
                continue
            if not self.nudge() and not (self.wild and self.take_up()):
                break
        else:
            self.problems.append("it doesn't come to its end")
        self.check_end()

    def chance(self, part: float) -> bool:
        return self.draw.random() < part

    def settle(self) -> None:
        """Work off what is due; workers may die."""
        for _ in range(3000):
            dies = (self.disturbs or self.wild) and self.chance(0.15)
            self.death.left = self.draw.randint(1, 25) if dies else 0
            try:
                more = work_off("default")
            except Killed:
                self.say("killed")
                connection.close()
                self.death.left = 0
                self.take_over()
                continue
            self.death.left = 0
            if not more and not Job.objects.filter(status="running").exists():
                return
            if not more:
                self.take_over()
        self.problems.append("it works without an end")

    def take_over(self) -> None:
        Job.objects.filter(status__in=["running", "claimed"]).update(lease_until=timezone.now() - timedelta(seconds=1))
        release_expired()
        Job.objects.update(losses=0)

    def family(self) -> list[Run]:
        """Return all runs that belong to this world, in a fixed order."""
        return list(Run.objects.select_related("root", "fan_out", "root__job").order_by("created_at"))

    def nudge(self) -> bool:
        """Do one thing that is waited for from outside; False where nothing is."""
        choices = sorted(self.choices(), key=lambda choice: choice[0])
        if not choices:
            paused = [run for run in self.family() if run.status not in ENDED and run.paused]
            for run in paused:
                self.say(f"unpause {path_of(run.pk)}")
                with suppress(NotControllableError):
                    unpause_run(run_id=run.pk, user=self.operator)
            return bool(paused)
        if self.outside.random() < 0.7:
            choices = choices[:3]
        key, act = self.outside.choice(choices)
        self.say(f"nudge {key}")
        act()
        return True

    def choices(self) -> Iterator[tuple[str, Callable[[], None]]]:
        for row in Callback.objects.filter(ended_at=None).select_related("run"):
            if row.run.paused or row.run.status in ENDED:
                continue
            yield f"report {path_of(row.run_id)} {row.action} {len(self.reported)}", lambda row=row: self.report(row)
        for form in RunForm.objects.filter(closed_at=None).select_related("run"):
            if form.run.paused:
                continue
            yield f"answer {path_of(form.run_id)}", lambda form=form: self.answer(form)
        for run in self.family():
            waits = run.status not in ENDED and not run.paused and (run.waiting_for or {}).get("code")
            if waits in ("timer", "retry"):
                yield f"time {path_of(run.pk)}", lambda run=run: self.pass_time(run)

    def report(self, row: Callback) -> None:
        plan = self.process.reports.get(row.action, ["complete"])
        number = self.reported.get(str(row.pk), 0)
        self.reported[str(row.pk)] = number + 1
        action = plan[min(number, len(plan) - 1)]
        if action == "timeout":
            Callback.objects.filter(pk=row.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
            Job.objects.filter(pk=row.run_id, status="waiting").update(wake_at=timezone.now() - timedelta(seconds=1))
            wake_due()
            return
        try:
            report_callback(row.pk, report=REPORTS[action], data={"n": number})
        except CallbackConflictError:
            self.problems.append(f"{action} was refused of {row.action} ({row.status})")

    def answer(self, form: RunForm, *, may_be_late: bool = False) -> None:
        try:
            waiting = waiting_form(form.reference, visitor=Visitor(user=AnonymousUser(), session_key="s"))
            check_open(waiting.row, visitor=waiting.visitor)
            answer_form_of_run(waiting, button=waiting.config.button("submit"), values={"text": "x"})
        except FormClosedError:
            if not may_be_late:
                raise
        self.answered.append(form.pk)

    def pass_time(self, run: Run) -> None:
        past = timezone.now() - timedelta(seconds=1)
        stands = newest_checkpoint(run.pk)
        assert stands is not None
        cursor = stands.cursor
        if isinstance(cursor.get("parked"), dict) and cursor["parked"].get("until"):
            cursor["parked"]["until"] = past.isoformat()
        if self.wild and self.chance(0.5):
            # Longer than it may take: limits of time are up as well.
            for frame in cursor["frames"]:
                if "deadline" in frame:
                    frame["deadline"] = past.isoformat()
        Checkpoint.objects.filter(pk=stands.pk).update(cursor=cursor)
        Job.objects.filter(pk=run.pk, status="waiting").update(wake_at=past)
        Job.objects.filter(pk=run.pk, due_at__gt=past).exclude(status="waiting").update(due_at=past)
        wake_due()

    # -- what must make no difference

    def disturb(self) -> None:
        alive = [run for run in self.family() if run.status not in ENDED]
        kind = self.draw.choice(["pause", "go_on", "late", "again", "edit", "move", "stale", "form", "back"])
        if not alive:
            return
        run = self.draw.choice(alive)
        self.say(f"disturb {kind} {path_of(run.pk)}")
        try:
            if kind == "pause":
                pause_run(run_id=run.pk, user=self.operator)
            elif kind == "go_on":
                unpause_run(run_id=run.pk, user=self.operator)
            elif kind == "edit":
                data = StoredData.load(run.pk)[1]
                seen = {"extra": data["extra"]} if "extra" in data else {}
                edit_run(
                    run_id=run.pk,
                    user=self.operator,
                    edit=DataEdit(values={"extra": self.draw.randint(1, 9)}, seen=seen),
                )
            elif kind == "move":
                self.publish()
                move_run(run_id=run.pk, user=self.operator)
            elif kind == "back":
                undo_move(run_id=run.pk, user=self.operator)
            elif kind == "late":
                self.report_late()
            elif kind == "again":
                self.report_again()
            elif kind == "stale":
                self.slow_worker()
            elif kind == "form" and self.answered:
                form = RunForm.objects.filter(pk=self.draw.choice(self.answered)).first()
                if form is not None:
                    self.answer(form, may_be_late=True)
        except NotControllableError as error:
            if error.fields["reason"] not in ("not_paused", "same_plan", "not_moved", "part", "changed"):
                self.problems.append(f"{kind} was refused: {error.fields}")

    def publish(self) -> None:
        """Publish another plan, which does the same."""
        self.version += 1
        definition = [*self.process.actions, {"name": "never", "script": None, "comment": f"{self.version}"}]
        save_draft(template=self.template, definition=json.dumps(definition), bindings=self.process.bindings)
        publish(template=self.template)
        self.template.refresh_from_db()

    def report_late(self) -> None:
        row = Callback.objects.exclude(ended_at=None).order_by("?").first()
        if row is not None:
            with suppress(CallbackConflictError):
                report_callback(row.pk, report=REPORTS["progress"], data={"late": 1})
                self.problems.append("progress after the end was taken")

    def report_again(self) -> None:
        row = Callback.objects.filter(status__in=["completed", "error", "cancelled"]).exclude(reported="").first()
        number = None if row is None else self.reported.get(str(row.pk))
        if row is not None and number:
            action = {"completed": "complete", "error": "error", "cancelled": "cancel"}[row.status]
            before = row.run.inbox.count()
            try:
                report_callback(row.pk, report=REPORTS[action], data={"n": number - 1})
            except CallbackConflictError:
                self.problems.append("the same end was refused")
            if row.run.inbox.count() != before:
                self.problems.append("the same end was taken twice")

    def slow_worker(self) -> None:
        """Let a worker be so slow that another one takes over before it has begun."""
        held = claim(queue="default", worker="slow")
        if held is None:
            return
        self.take_over()
        self.settle()
        self.effects.stale = True
        try:
            carry_out(held)
        finally:
            self.effects.stale = False

    # -- what makes a difference

    def meddle(self) -> None:
        family = self.family()
        kinds = [
            "pause",
            "go_on",
            "cancel",
            "edit",
            "move",
            "back",
            "retry",
            "rewind",
            "report",
            "time",
            "disturb",
            "orphan",
        ]
        kind = self.draw.choice(kinds)
        run = self.draw.choice(family)
        self.say(f"meddle {kind} {path_of(run.pk)} {run.status}")
        try:
            if kind == "cancel":
                cancel_run(run_id=run.pk, user=self.operator)
            elif kind == "pause":
                pause_run(run_id=run.pk, user=self.operator)
            elif kind == "go_on":
                unpause_run(run_id=run.pk, user=self.operator)
            elif kind == "edit":
                data = StoredData.load(run.pk)[1]
                key = self.draw.choice(["k0", "k1", "booked", "x"])
                seen = {key: data[key]} if key in data else {}
                edit_run(run_id=run.pk, user=self.operator, edit=DataEdit(values={key: 7}, seen=seen))
            elif kind == "move":
                self.publish()
                move_run(run_id=run.pk, user=self.operator)
            elif kind == "back":
                undo_move(run_id=run.pk, user=self.operator)
            elif kind == "retry":
                known = self.draw.choice([Known.NOTHING, Known.NOTHING, Known.NOT_DONE, Known.DONE])
                new = retry_run(run_id=run.pk, user=self.operator, known=known, newest=self.chance(0.2))
                self.executions.append(new)
            elif kind == "rewind":
                places = list(Checkpoint.objects.filter(run_id=run.pk).values_list("ordinal", flat=True))
                if places:
                    ordinal = self.draw.choice(places)
                    new = rewind_run(run_id=run.pk, user=self.operator, ordinal=ordinal, newest=self.chance(0.2))
                    self.executions.append(new)
            elif kind == "report":
                row = Callback.objects.order_by("created_at").first()
                if row is not None:
                    action = self.draw.choice(list(REPORTS))
                    with suppress(CallbackConflictError, CallbackNotFoundError):
                        report_callback(row.pk, report=REPORTS[action], data={"wild": 1})
            elif kind == "time" and run.status not in ENDED and run.root.job.status == "waiting":
                self.pass_time(run)
            elif kind == "disturb":
                self.disturb()
            elif kind == "orphan":
                cancel_orphans()
        except (NotControllableError, IllegalTransition, TaskNotFound) as error:
            self.say(f"  refused {getattr(error, 'fields', '')}")

    def take_up(self) -> bool:
        """Take up a run that has ended, at times; tell whether that was done."""
        for _ in range(3):
            if len(self.executions) > 4 or self.chance(0.3):
                return False
            places = list(Checkpoint.objects.filter(run_id=self.run_id).values_list("ordinal", flat=True))
            try:
                if self.chance(0.5):
                    known = self.draw.choice([Known.NOTHING, Known.NOTHING, Known.NOT_DONE, Known.DONE])
                    self.executions.append(retry_run(run_id=self.run_id, user=self.operator, known=known))
                    self.say(f"retried {known}")
                elif places:
                    ordinal = self.draw.choice(places)
                    self.executions.append(rewind_run(run_id=self.run_id, user=self.operator, ordinal=ordinal))
                    self.say(f"rewound to {ordinal}")
            except NotControllableError as error:
                self.say(f"not taken up: {error.fields}")
            else:
                return True
        return False

    # -- what must hold

    def check_quiet(self) -> None:
        """What must hold whenever nothing is due."""
        problems = self.problems
        problems += self.effects.complaints
        for run in self.family():
            # What nobody has written to since stands as it stood.
            if self.seen.get(run.pk) != run.root.last_seq:
                self.check_run(run)
                self.seen[run.pk] = run.root.last_seq

    def check_run(self, run: Run) -> None:
        where, problems = path_of(run.pk) or "run", self.problems
        job = run.root.job
        nodes, tree = self.tree_of(run) if run.status in ENDED else ([], None)
        if run.status in ENDED:
            assert tree is not None
            if not run.root.closed or job.status not in ("completed", "failed", "dead_letter", "cancelled"):
                problems.append(f"{where} is {run.status}, its job {job.status}, closed {run.root.closed}")
            if not tree.finished:
                problems.append(f"{where} has ended, its log hasn't")
            left = [(node.title, node.status.value) for node in nodes if node.status.value in OPEN_NODES]
            if left:
                problems.append(f"{where} is {run.status}, and below it {left}")
            if Callback.objects.filter(run_id=run.pk, ended_at=None).exists():
                problems.append(f"{where} is {run.status} with open callbacks")
            if RunForm.objects.filter(run_id=run.pk, closed_at=None).exists():
                problems.append(f"{where} is {run.status} with open forms")
            if job.status == "dead_letter":
                problems.append(f"{where} is a dead letter: {job.error}")
        else:
            if run.root.closed:
                problems.append(f"{where} is {run.status}, its log has ended")
            why = why_waiting(run)
            code = None if why is None else why.code
            said = (run.waiting_for or {}).get("code")
            if code not in {"timer", "retry", "children", "await", "callback", "form", "paused"}:
                problems.append(f"{where} is {run.status} (job {job.status}), and says {code}")
            if run.status not in ("waiting", "compensating"):
                problems.append(f"{where} stands still as {run.status}")
            self.check_reason(run, said, where)
        # Below what has ended nothing is at work.
        parent = run.root.parent
        if parent is not None and run.status not in ENDED and run.fan_out is not None:
            above = Run.objects.get(pk=run.fan_out.run_id)
            is_left = run.fan_out.losers == FanOut.Losers.LEAVE and run.fan_out.standing == "joined"
            is_wanted = not run.fan_out.awaited or is_left or above.status not in ENDED - {"completed"}
            if not is_wanted and run.status != "compensating":
                problems.append(f"{where} is {run.status}, its parent {above.status}")
            if above.status == "cancelled" and run.status != "compensating":
                problems.append(f"{where} is {run.status}, its parent cancelled")
        self.check_undoing(run, where)

    def check_reason(self, run: Run, said: str | None, where: str) -> None:
        problems = self.problems
        if said == "children":
            open_ones = FanOut.objects.filter(run_id=run.pk)
            if not Run.objects.filter(fan_out__in=open_ones).exclude(status__in=ENDED).exists():
                problems.append(f"{where} waits for children, and none is at work")
        elif said == "callback":
            for callback in run.waiting_for["callbacks"]:  # type: ignore[index]
                if not Callback.objects.filter(pk=callback, ended_at=None).exists():
                    problems.append(f"{where} waits for a callback that has ended")
        elif said == "form":
            if RunForm.objects.filter(run_id=run.pk, closed_at=None).count() < 1:
                problems.append(f"{where} waits at a form that isn't open")
        elif said == "await":
            callback = run.waiting_for["callback"]  # type: ignore[index]
            if not Callback.objects.filter(pk=callback, ended_at=None).exists():
                problems.append(f"{where} awaits a callback that has ended")
        elif said in ("timer", "retry"):
            if "until" not in run.waiting_for:  # type: ignore[operator]
                problems.append(f"{where} waits for {said} until never")
        elif said == "paused" and not run.paused:
            problems.append(f"{where} says it is paused, and isn't")

    def tree_of(self, run: Run) -> tuple[list[Any], Tree]:
        tree, ended = Tree(), False
        for _, body in read_updates(run.pk, after=0, limit=100_000):
            update = json.loads(body)
            if ended:
                self.problems.append(f"{path_of(run.pk)}: {update['type']} after the end")
            try:
                tree.apply(update)
            except InvalidUpdate as error:
                self.problems.append(f"{path_of(run.pk)}: {error}")
                break
            ended = tree.finished
        if tree.root is not None and tree.snapshot() != read_snapshot(run.pk).to_json():
            self.problems.append(f"{path_of(run.pk)}: log and rows don't say the same")
        return [] if tree.root is None else list(tree.root.walk()), tree

    def check_undoing(self, run: Run, where: str) -> None:
        """What is undone is undone one after the other, the last one first, and nothing is done besides."""
        before: list[int] | None = None
        cause = None
        is_child = run.fan_out_id is not None
        for cursor in (
            Checkpoint.objects.filter(run_id=run.pk).order_by("ordinal", "pk").values_list("cursor", flat=True)
        ):
            compensation = cursor.get("compensation", {})
            done = [item["ordinal"] for item in compensation.get("done", [])]
            if cause is None and compensation.get("cause") is not None:
                cause = compensation["cause"]
                if before is not None and not is_child and done != before and done[: len(before)] != before:
                    self.problems.append(f"{where} undoes {done}, and has done {before}")
            elif cause is not None and before is not None:
                if compensation.get("cause") is None and is_child:
                    cause, before = None, None
                    continue
                if done not in (before, before[:-1]):
                    self.problems.append(f"{where} undoes {before} and then {done}")
            before = done
        if run.status == "compensated" and before:
            self.problems.append(f"{where} is compensated, and {before} is still to be undone")

    def check_end(self) -> None:
        for run in self.family():
            self.check_run(run)
            if run.status not in ENDED:
                self.problems.append(f"{path_of(run.pk) or 'run'} is left {run.status}: {run.waiting_for}")
        names = list(StoredFile.objects.values_list("name", flat=True))
        if len(names) != len(set(names)):
            self.problems.append("a transactional script has written twice")
        self.check_once()
        self.check_results()

    def check_once(self) -> None:
        by_key: dict[str, int] = {}
        for _, name, key, kind in self.effects.log:
            if kind == "once":
                by_key[key] = by_key.get(key, 0) + 1
                if by_key[key] > 1:
                    self.problems.append(f"{name} must not be done twice, and was, as the same step")

    def check_results(self) -> None:
        """The results of a loop are in the order of its items."""
        for run in self.family():
            if run.status != "completed":
                continue
            for loop in FanOut.objects.filter(run_id=run.pk, standing="joined").exclude(item_key="").exclude(into=""):
                given = StoredData.load(run.pk)[1].get(loop.into)
                if given is None:
                    continue
                items = [json.loads(text) for text in loop.items.order_by("index").values_list("item", flat=True)]
                if given["total"] != len(items) or given["completed"] + given["failed"] != len(items):
                    self.problems.append(f"{loop.into} counts {given} of {items}")
                for item, result in zip(items, given["results"], strict=True):
                    if result not in (None, {"out": item * 10}, {}):
                        self.problems.append(f"{loop.into} has {result} for {item}")

    # -- what is compared

    def outcome(self) -> Any:
        runs = []
        for run in self.family():
            data = {key: value for key, value in StoredData.load(run.pk)[1].items() if key not in ("extra",)}
            nodes, _ = self.tree_of(run)
            shape = [(node.title, node.status.value) for node in nodes[1:]]
            error = None if run.error is None else run.error["code"]
            runs.append((path_of(run.pk), run.status, error, data, sorted(shape), run.attributes.get("seen")))
        runs.sort(key=lambda told: told[0])
        return runs, StoredFile.objects.count()

    def effects_by_run(self) -> dict[str, list[str]]:
        """What each run has done, in order, an action that was done again by a successor once."""
        found: dict[str, list[str]] = {}
        last: dict[str, str] = {}
        for path, name, key, _ in self.effects.log:
            if last.get(path) != key:
                found.setdefault(path, []).append(name)
            last[path] = key
        return found


def clear() -> None:
    StoredFile.objects.all().delete()
    TaskRoot.objects.all().delete()


__all__ = ["Death", "Effects", "Killed", "World", "clear", "register"]
