"""Run the supervisor with small programs: `python -m tests.config.supervised FOLDER SERVICES` (JSON).

A service is `{"name", "code", …fields of Service}`; its code is Python and may use `say(text)`, `wait_forever()`, `os`,
`sys`, `signal` and `subprocess`.
"""

import json
import os
import re
import sys
from pathlib import Path

from config.supervisor.output import Terminal
from config.supervisor.run import Supervisor
from config.supervisor.services import Service

_PRELUDE = """
import os, signal, subprocess, sys
say = lambda *words: print(*words, flush=True)
def wait_forever():
    while True: signal.pause()
"""


def main(folder: Path, specifications: list[dict[str, object]]) -> int:
    """Run the services until stopped, and return the supervisor's exit code."""
    services = []
    for specification in specifications:
        fields = dict(specification)
        code = fields.pop("code")
        if "ready_line" in fields:
            fields["ready_line"] = re.compile(str(fields["ready_line"]))
        services.append(Service(command=(sys.executable, "-c", f"{_PRELUDE}\n{code}"), **fields))
    terminal = Terminal(sys.stdout, names=["stepline", *(service.name for service in services)], coloured=False)
    return Supervisor(
        services,
        folder=folder,
        log_folder=folder / "log",
        variables=os.environ,
        terminal=terminal,
        on_ready=lambda: terminal.say("ready:"),
    ).run()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), json.loads(sys.argv[2])))
