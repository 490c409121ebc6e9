"""The package `transitions`: a state machine that goes through its states one after the other."""

import itertools

from transitions import Machine


class Model:
    """Hold the state, and a callback that does nothing."""

    state: str

    def noop(self) -> None:
        """Do nothing."""


def build(length: int) -> Machine:
    """Make a machine of `length` steps, each of which calls back; queued as it comes."""
    states = [f"state{number}" for number in range(length + 1)]
    machine = Machine(model=None, states=states, initial=states[0], auto_transitions=False)
    for source, target in itertools.pairwise(states):
        machine.add_transition("advance", source, target, after="noop")
    return machine


def run(machine: Machine, *, length: int) -> Model:
    """Take a new model through all states."""
    model = Model()
    machine.add_model(model)
    for _ in range(length):
        model.advance()  # type: ignore[attr-defined]
    machine.remove_model(model)
    return model
