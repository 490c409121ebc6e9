"""Test task scripts and processes in memory: no database, no server, no broker.

    from processes.testing import action, run

    def test_greets() -> None:
        ran = run([action("greet", greeting="Hello")], data={"name": "Ada"})
        assert ran.completed and ran.data["text"] == "Hello, Ada"

The interpreter, the derivation and the scripts are the real ones; only the clock, the outside world and users may be
stand-ins. Django must be set up, as pytest-django does it. A script that uses the database, as those do that keep data
or show forms, needs pytest-django's `db` fixture; nothing else does. Tests are ordinary functions, also those of
`async def` scripts: an event loop that runs already would be in the way.
"""

from processes.testing.answers import Answers, UnexpectedRequestError
from processes.testing.builders import action, definition, process
from processes.testing.clock import FakeClock
from processes.testing.ran import Ran
from processes.testing.recorded import Replayed, replay
from processes.testing.reports import Reported
from processes.testing.runs import Options, run, run_script, start
from processes.testing.stepping import Stepping
from processes.testing.users import FakeUser

__all__ = [
    "Answers",
    "FakeClock",
    "FakeUser",
    "Options",
    "Ran",
    "Replayed",
    "Reported",
    "Stepping",
    "UnexpectedRequestError",
    "action",
    "definition",
    "process",
    "replay",
    "run",
    "run_script",
    "start",
]
