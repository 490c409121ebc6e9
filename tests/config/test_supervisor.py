"""The supervisor with small programs: order, restarts, stopping, and dying without a chance to stop."""

import os
import signal
import sys

import pytest

from tests.config.conftest import watched

needs_pidfd = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="follows foreign processes by pidfd")


def service(name: str, code: str = "say('up'); wait_forever()", **fields: object) -> dict[str, object]:
    return {"name": name, "code": code, "ready_line": "up", **fields}


def test_services_start_in_order_and_stop_in_reverse(supervise):
    goodbye = """
def stop(*_):
    say('down')
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
say('up')
wait_forever()
"""
    program = supervise(
        service("first", goodbye, gate=True), service("second", goodbye, gate=True), service("third", goodbye)
    )
    program.wait_for("^ready:")
    program.signal(signal.SIGINT)
    assert program.wait() == 0
    order = [line for line in program.lines if line.endswith(("up", "down"))]
    assert [line.replace(" ", "") for line in order] == [
        "first|up",
        "second|up",
        "third|up",
        "third|down",
        "second|down",
        "first|down",
    ]


def test_a_step_runs_to_its_end_before_what_follows(supervise):
    program = supervise(
        {"name": "step", "code": "say('done')", "gate": True, "once": True},
        service("after"),
    )
    program.wait_for("^ready:")
    assert program.lines.index("step     | done") < program.lines.index("after    | up")


def test_a_failing_step_stops_all_with_one_line(supervise, data_folder):
    program = supervise(
        service("first", gate=True),
        {"name": "step", "code": "say('no such table'); sys.exit(3)", "gate": True, "once": True},
        service("never"),
    )
    assert program.wait() == 1
    expected = (
        f"step stopped while starting (exit code 3): no such table; all it printed is in {data_folder}/log/step.log"
    )
    assert f"stepline | {expected}" in program.lines
    assert "never" not in program.output


def test_a_service_that_dies_while_starting_stops_all_with_one_line(supervise):
    program = supervise(service("first"), service("broken", "sys.exit('port is taken')"))
    assert program.wait() == 1
    assert "broken stopped while starting (exit code 1): port is taken" in program.output


def test_a_command_that_does_not_exist_is_one_line(start, data_folder):
    code = f"""
import re
import sys
from pathlib import Path
from config.supervisor.output import Terminal
from config.supervisor.run import Supervisor
from config.supervisor.services import Service
service = Service(name="missing", command=("/no/such/program",), ready_line=re.compile("up"))
folder = Path({str(data_folder)!r})
sys.exit(Supervisor([service], folder=folder, log_folder=folder, variables={{}},
    terminal=Terminal(sys.stdout, names=[], coloured=False), on_ready=print).run())
"""
    program = start([sys.executable, "-c", code])
    assert program.wait() == 1
    assert "missing stopped while starting (exit code 1): can't run /no/such/program: No such file" in program.output


def test_a_service_that_is_never_ready_stops_all_with_one_line(supervise):
    program = supervise(service("slow", "say('thinking'); wait_forever()", start_timeout_seconds=0.5))
    assert program.wait() == 1
    assert "slow isn't ready after 0 s: thinking" in program.output or "slow isn't ready after 1 s" in program.output


def test_a_dead_service_is_started_again_and_what_it_printed_is_kept(supervise, data_folder):
    program = supervise(service("steady"), service("shaky", "say('up', os.getpid()); wait_forever()"))
    program.wait_for("^ready:")
    pids = []
    for turn in (1, 2):
        pids.append(int(program.wait_for(r"shaky\s+\| up (\d+)", times=turn)[1]))
        os.kill(pids[-1], signal.SIGKILL)
        program.wait_for("shaky died .killed by SIGKILL.: starting it again in", times=turn)
    pids.append(int(program.wait_for(r"shaky\s+\| up (\d+)", times=3)[1]))
    assert len(set(pids)) == 3
    assert "starting it again in 0.5 s" in program.output
    assert "starting it again in 1 s" in program.output
    assert (data_folder / "log" / "shaky.log").read_text().splitlines() == [f"up {pid}" for pid in pids]
    assert sum(line.endswith("steady   | up") for line in program.lines) == 1


@needs_pidfd
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stopping_leaves_no_process_behind(supervise, number):
    program = supervise(
        service(
            "parent", "child = subprocess.Popen(['sleep', '1000']); say('up', os.getpid(), child.pid); wait_forever()"
        )
    )
    pids = [int(pid) for pid in program.wait_for(r"up (\d+) (\d+)").groups()]
    program.wait_for("^ready:")
    with watched(pids) as all_end:
        program.signal(number)
        assert program.wait() == 0
        assert all_end()


@needs_pidfd
def test_a_service_that_ignores_the_signal_is_killed_after_its_grace(supervise):
    program = supervise(
        service(
            "deaf",
            "signal.signal(signal.SIGTERM, signal.SIG_IGN); say('up', os.getpid()); wait_forever()",
            stop_grace_seconds=0.2,
        )
    )
    pid = int(program.wait_for(r"up (\d+)")[1])
    program.wait_for("^ready:")
    with watched([pid]) as all_end:
        program.signal(signal.SIGINT)
        assert program.wait() == 0
        assert all_end()


@needs_pidfd
def test_a_second_ctrl_c_does_not_wait(supervise):
    program = supervise(
        service(
            "deaf",
            "signal.signal(signal.SIGTERM, lambda *_: say('not yet')); say('up', os.getpid()); wait_forever()",
            stop_grace_seconds=1000,
        )
    )
    pid = int(program.wait_for(r"up (\d+)")[1])
    program.wait_for("^ready:")
    with watched([pid]) as all_end:
        program.signal(signal.SIGINT)
        program.wait_for("not yet")
        program.signal(signal.SIGINT)
        assert program.wait() == 0
        assert all_end()


@needs_pidfd
def test_ctrl_c_while_starting_stops_what_has_started(supervise):
    program = supervise(
        service("first", "say('up', os.getpid()); wait_forever()", gate=True),
        service("slow", "say('thinking'); wait_forever()", ready_line="never"),
    )
    pid = int(program.wait_for(r"up (\d+)")[1])
    program.wait_for("thinking")
    with watched([pid]) as all_end:
        program.signal(signal.SIGINT)
        assert program.wait() == 0
        assert all_end()


@needs_pidfd
def test_killing_the_supervisor_kills_its_services_and_their_children(supervise):
    program = supervise(
        service(
            "parent", "child = subprocess.Popen(['sleep', '1000']); say('up', os.getpid(), child.pid); wait_forever()"
        ),
        service(
            "deaf", "signal.signal(signal.SIGTERM, signal.SIG_IGN); say('up', os.getpid(), os.getpid()); wait_forever()"
        ),
    )
    pids = [int(program.wait_for(r"up (\d+) (\d+)", times=turn)[group]) for turn in (1, 2) for group in (1, 2)]
    program.wait_for("^ready:")
    with watched(pids) as all_end:
        program.signal(signal.SIGKILL)
        program.wait()
        assert all_end()


@needs_pidfd
def test_killing_the_watchdog_first_changes_nothing(supervise):
    program = supervise(
        service(
            "parent", "child = subprocess.Popen(['sleep', '1000']); say('up', os.getpid(), child.pid); wait_forever()"
        ),
        service("shaky", "say('here', os.getpid()); say('up'); wait_forever()"),
    )
    pids = [int(pid) for pid in program.wait_for(r"up (\d+) (\d+)").groups()]
    program.wait_for("^ready:")
    with watched([find_watchdog(program.process.pid)]) as watchdog_ends:
        os.kill(find_watchdog(program.process.pid), signal.SIGKILL)
        assert watchdog_ends()
    # The next start of a service brings a new watchdog, which hears of all groups.
    os.kill(int(program.wait_for(r"here (\d+)")[1]), signal.SIGKILL)
    pids.append(int(program.wait_for(r"here (\d+)", times=2)[1]))
    with watched(pids) as all_end:
        program.signal(signal.SIGKILL)
        program.wait()
        assert all_end()


def find_watchdog(supervisor_pid: int) -> int:
    """Return the pid of the supervisor's watchdog, from the kernel's list of its children."""
    with open(f"/proc/{supervisor_pid}/task/{supervisor_pid}/children") as file:
        for pid in file.read().split():
            with open(f"/proc/{pid}/cmdline", "rb") as command:
                if b"watchdog.py" in command.read():
                    return int(pid)
    raise AssertionError("there is no watchdog")
