"""The flows that viewflow runs; imported once Django is set up."""

import itertools
import sys
from functools import lru_cache

from viewflow import this
from viewflow.workflow import Activation, Flow, flow
from viewflow.workflow.models import Process


def noop(activation: Activation) -> None:
    """Do nothing."""


@lru_cache
def flow_of(length: int) -> type[Flow]:
    """Make a flow of so many functions; it is found again by its name in this module."""
    names = [*(f"step{number}" for number in range(length)), "end"]
    nodes: dict[str, object] = {"start": flow.StartHandle().Next(getattr(this, names[0])), "end": flow.End()}
    for name, following in itertools.pairwise(names):
        nodes[name] = flow.Function(noop).Next(getattr(this, following))
    made = type(f"Bench{length}", (Flow,), {"__module__": __name__, "process_class": Process, **nodes})
    setattr(sys.modules[__name__], made.__name__, made)
    return made


def check(made: type[Flow], process: Process, *, length: int) -> None:
    """Make sure that it has ended, and that a row tells of each function: else its figure would be another's."""
    process.refresh_from_db()
    tasks = made.task_class.objects.filter(process=process, status="DONE").count()
    assert process.status == "DONE", process.status
    # Its start and its end have a row too.
    assert tasks == length + 2, (tasks, length)
