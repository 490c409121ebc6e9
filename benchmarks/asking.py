"""Peers in an environment of their own, which answer questions (benchmarks.peers.answering)."""

import json

from benchmarks.programs import Program, Programs

#: Making a database of its own takes some of them seconds.
_START_SECONDS = 60.0
_ANSWER_SECONDS = 90.0


class AskedPeer:
    """A peer's program, which is asked to measure something and answers with what it has measured."""

    def __init__(self, program: Program) -> None:
        self.program = program

    def ask(self, method: str, **arguments: object) -> float:
        """Return the answer; raises ProgramFailure where there is none."""
        self.send(method, **arguments)
        return self.receive()

    def send(self, method: str, **arguments: object) -> None:
        """Ask without waiting for the answer."""
        self.program.tell(json.dumps({"method": method, "arguments": arguments}))

    def receive(self) -> float:
        """Return the answer to what was asked first of all that wasn't answered."""
        return float(json.loads(self.program.hear(timeout_seconds=_ANSWER_SECONDS)))


def start_peer(
    programs: Programs, python: str, name: str, *arguments: str, variables: dict[str, str] | None = None, mark: str = ""
) -> AskedPeer:
    """Start the peer of the module `name` in its environment, and return it once it is ready."""
    command = [python, "-m", "benchmarks.peers.answering", f"benchmarks.peers.{name}", *arguments]
    program = programs.start(f"{name}{mark}", command, variables=variables, talks=True)
    program.hear(timeout_seconds=_START_SECONDS)
    return AskedPeer(program)
