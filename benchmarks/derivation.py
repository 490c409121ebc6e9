"""How long it takes to derive a template with 1,000 actions over 10 bases: anew, and once it is known."""

import json
from collections.abc import Iterator

from benchmarks.figures import Figure, alone
from benchmarks.measuring import seconds_of
from processes.services.derivation import derive_source, forget_derivations
from processes.services.library import Library, Source

BASES, ACTIONS = 10, 1_000
GOAL_COLD_MS, GOAL_CACHED_US = 50.0, 50.0
_CACHED_PER_SAMPLE = 1_000


def build_library() -> tuple[Library, Source]:
    """Make 10 bases of 100 actions, and a template that extends them all and rebinds what each of them binds.

    Every action has a config that a model checks, with a reference; every other one a placeholder; every tenth
    branches.
    """
    per_base = ACTIONS // BASES
    published = {f"base-{base}": _base(base, per_base) for base in range(BASES)}
    source = Source(
        slug="bench",
        definition=json.dumps([{"name": "base-0-action-0", "script": "noop", "comment": "its own"}]),
        extends=tuple(published),
        bindings={f"text-{base}": {"value": f"own {base}"} for base in range(BASES)},
    )
    return Library(drafts={**published, source.slug: source}, published=published, plan_hashes={}), source


def _base(base: int, length: int) -> Source:
    actions = []
    for number in range(length):
        name = f"base-{base}-action-{number}"
        text = "%{data:name}" if number % 2 else "a text"
        action: dict[str, object] = {
            "name": name,
            "script": "set_data",
            "config": {"values": {"text": text, "bound": f"${{text-{base}}}"}},
        }
        if number % 10 == 0 and number:
            action["next"] = {"again": f"base-{base}-action-{number - 1}", "stop": False, "*": True}
        actions.append(action)
    bindings = {f"text-{base}": {"value": f"base {base}"}}
    return Source(slug=f"base-{base}", definition=json.dumps(actions), bindings=bindings)


def measure(*, runs: int, quick: bool) -> Iterator[Figure]:
    """Measure both."""
    library, source = build_library()
    plan = derive_source(library, source).plan
    assert plan is not None
    assert len(plan.actions) == ACTIONS

    def anew() -> None:
        forget_derivations()
        derive_source(library, source)

    def known() -> None:
        for _ in range(_CACHED_PER_SAMPLE):
            derive_source(library, source)

    name = f"derivation: {ACTIONS:,} actions over {BASES} bases"
    times = [seconds_of(anew) * 1e3 for _ in range(runs)]
    yield alone(f"{name}, anew", times, unit="ms", goal=GOAL_COLD_MS)
    derive_source(library, source)
    times = [seconds_of(known) / _CACHED_PER_SAMPLE * 1e6 for _ in range(runs)]
    yield alone(f"{name}, known", times, unit="µs", goal=GOAL_CACHED_US)
