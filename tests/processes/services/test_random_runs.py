"""Random processes in a random world: workers die, operators meddle, others report, and what is promised holds."""

import logging
import random
from collections.abc import Iterator
from typing import Any

import pytest

from tests.processes.services.random_processes import Process, Writer
from tests.processes.services.random_runs import Death, Effects, World, clear, register


class Errors(logging.Handler):
    """Keep what is logged as an error: nothing that happens here may be one."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


@pytest.fixture
def errors() -> Iterator[Errors]:
    handler = Errors()
    names = ("tasks", "processes")
    for name in names:
        logging.getLogger(name).addHandler(handler)
    yield handler
    for name in names:
        logging.getLogger(name).removeHandler(handler)


class Worlds:
    """Let processes be carried out, one world after the other."""

    def __init__(self, kit: Any, operator: Any) -> None:
        self.kit, self.operator, self.death, self.effects = kit, operator, Death(), Effects()
        self.scripts = register(kit, self.effects)
        self.effects.midst = self.death.in_script

    def process(self, seed: int) -> Process:
        draw = random.Random(f"process {seed}")
        return Writer(draw, self.scripts, size=draw.choice([4, 8])).process()

    def live(self, process: Process, seed: int, **how: bool) -> World:
        clear()
        self.effects.log.clear()
        self.effects.failed.clear()
        world = World(self.kit, process, self.effects, self.death, self.operator, seed, **how)
        with self.death.at_commits():
            world.begin()
            world.live()
        assert world.problems == [], "\n".join(world.told)
        return world


@pytest.mark.parametrize("seed", range(10))
def test_workers_that_die_and_operators_who_change_nothing_make_no_difference(
    kit: Any, operator: Any, errors: Errors, seed: int
) -> None:
    worlds = Worlds(kit, operator)
    process = worlds.process(seed)
    calm = worlds.live(process, seed)
    expected, effects = calm.outcome(), calm.effects_by_run()
    disturbed = worlds.live(process, seed, disturbs=True)
    if not process.is_racy:
        assert (disturbed.outcome(), disturbed.effects_by_run()) == (expected, effects), disturbed.told
    assert errors.texts == []


@pytest.mark.parametrize("seed", range(100, 114))
def test_whatever_operators_do_what_is_promised_holds(kit: Any, operator: Any, errors: Errors, seed: int) -> None:
    worlds = Worlds(kit, operator)
    worlds.live(worlds.process(seed), seed, wild=True)
    assert errors.texts == []
