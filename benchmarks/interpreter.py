"""How much an action costs in the interpreter, beside a plain loop over functions; and whether length matters."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from benchmarks.figures import Figure, beside_peer
from benchmarks.measuring import seconds_of, take_turns
from benchmarks.peers import plain_loop, spiff_bpmn, transitions_machine
from processes.domain.application import Application
from processes.domain.bindings import parse_bindings
from processes.domain.definition import parse_definition
from processes.domain.derivation import derive
from processes.domain.directives import Finished
from processes.domain.interpreter import Interpreter
from processes.domain.merge import Layer
from processes.domain.outside import Outside
from processes.domain.plan import Plan
from processes.domain.scripts import ScriptSpec
from processes.domain.targets import ProcessTarget
from processes.errors import NotFoundError, ProcessError
from processes.registry import ScriptRegistry

TINY, SHORT, LONG = 10, 100, 10_000
#: Actions that one sample carries out, whatever the length of the process.
_ACTIONS_PER_SAMPLE = 100_000
_QUICK_ACTIONS_PER_SAMPLE = 20_000
GOAL_RATIO = 8.0
GOAL_FLATNESS = 1.1
#: 20 times and 3 times as fast as the peer.
GOAL_RATIO_SPIFF, GOAL_RATIO_TRANSITIONS = 1 / 20, 1 / 3
#: These are slower by far, so that a sample needs fewer of their actions.
_PEER_ACTIONS_PER_SAMPLE = 10_000


@dataclass
class MemoryHost:
    """An outside world that has scripts and nothing else."""

    registry: ScriptRegistry = field(default_factory=ScriptRegistry)
    durable: bool = False

    def now(self) -> datetime:
        """Give a moment."""
        return datetime(2026, 11, 20, tzinfo=UTC)

    def tell_time(self, ordinal: int) -> datetime:
        """Give a moment."""
        return self.now()

    def check_cancelled(self) -> None:
        """Go on."""

    def script(self, name: str) -> ScriptSpec:
        """Give a script."""
        return self.registry.get(name)

    def plan(self, target: ProcessTarget) -> Plan:
        """Know no processes."""
        raise NotFoundError(f"no process {target.name}")

    def plan_by_hash(self, plan_hash: str) -> Plan:
        """Know no processes."""
        raise NotFoundError(f"no plan {plan_hash}")

    def fresh(self, target: object, *, app: Application) -> tuple[Plan, Application]:
        """Know no processes."""
        raise NotFoundError(f"no process {target}")

    @property
    def outside(self) -> Outside:
        """Reach nothing."""
        raise ProcessError("no outside world")

    def user(self, authority: object) -> None:
        """Know nobody."""

    def describe_user(self, user: object) -> dict[str, object]:
        """Know nobody."""
        return {}


def noop(app: Application) -> None:
    """Do nothing."""


def build_plan(length: int, *, registry: ScriptRegistry) -> Plan:
    """Derive a plan of `length` actions that do nothing, one after the other."""
    definition = [{"name": f"action-{number}", "script": "noop"} for number in range(length)]
    layer = Layer(name="bench", definition=parse_definition(definition), bindings=parse_bindings({}))
    derived = derive([layer], name="bench", catalogue=registry)
    assert derived.plan is not None, derived
    return derived.plan


def measure(*, runs: int, quick: bool) -> Iterator[Figure]:
    """Measure processes of 10, 100 and 10,000 actions."""
    actions = _QUICK_ACTIONS_PER_SAMPLE if quick else _ACTIONS_PER_SAMPLE
    host = MemoryHost()
    host.registry.task_script("noop")(noop)
    plans = {length: build_plan(length, registry=host.registry) for length in (TINY, SHORT, LONG)}

    def ours(length: int, actions: int = actions) -> float:
        plan = plans[length]

        def work() -> None:
            for _ in range(actions // length):
                app = Application()
                outcome = Interpreter.start(plan, app=app, host=host).run(limit=None)
                assert isinstance(outcome, Finished), outcome
                assert app.ordinal == length, app.ordinal

        return seconds_of(work) / actions * 1e6

    def run_alone(length: int) -> float:
        # Without what a run costs at its start: a share of it in each action would make short processes look slow.
        plan = plans[length]
        started = [Interpreter.start(plan, app=Application(), host=host) for _ in range(actions // length)]

        def work() -> None:
            for interpreter in started:
                interpreter.run(limit=None)

        return seconds_of(work) / actions * 1e6

    def peer(length: int) -> float:
        functions = [plain_loop.noop] * length

        def work() -> None:
            for _ in range(actions // length):
                plain_loop.run(functions, data={})

        return seconds_of(work) / actions * 1e6

    def spiff(length: int) -> float:
        spec = spiff_bpmn.build(length)

        def work() -> None:
            for _ in range(_PEER_ACTIONS_PER_SAMPLE // 10 // length):
                assert spiff_bpmn.run(spec).is_completed()

        return seconds_of(work) / (_PEER_ACTIONS_PER_SAMPLE // 10) * 1e6

    def transitions(length: int) -> float:
        machine = transitions_machine.build(length)

        def work() -> None:
            for _ in range(_PEER_ACTIONS_PER_SAMPLE // length):
                transitions_machine.run(machine, length=length)

        return seconds_of(work) / _PEER_ACTIONS_PER_SAMPLE * 1e6

    for length in (SHORT, LONG):
        yield beside_peer(
            f"interpreter: no-op action of {length:,}",
            take_turns(partial(ours, length), partial(peer, length), runs=runs),
            unit="µs",
            peer="loop over functions with keyword arguments, a result object and try/except",
            goal=GOAL_RATIO,
        )
    yield beside_peer(
        f"interpreter: flatness, no-op action of {LONG:,}",
        take_turns(partial(run_alone, LONG), partial(run_alone, SHORT), runs=runs),
        unit="µs",
        peer=f"the interpreter itself at {SHORT} actions",
        goal=GOAL_FLATNESS,
    )
    yield beside_peer(
        f"interpreter: no-op action of {TINY}, beside BPMN",
        take_turns(partial(ours, TINY, _PEER_ACTIONS_PER_SAMPLE), partial(spiff, TINY), runs=runs),
        unit="µs",
        peer="SpiffWorkflow, BPMN script tasks",
        goal=GOAL_RATIO_SPIFF,
    )
    yield beside_peer(
        f"interpreter: no-op action of {SHORT}, beside a state machine",
        take_turns(partial(ours, SHORT, _PEER_ACTIONS_PER_SAMPLE), partial(transitions, SHORT), runs=runs),
        unit="µs",
        peer="transitions, a callback after each transition",
        goal=GOAL_RATIO_TRANSITIONS,
    )
