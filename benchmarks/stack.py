"""The parts of a running Stepline that benchmarks need, with the commands that the supervisor gives them."""

import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from django.conf import settings
from django.core.management import call_command

from benchmarks.programs import Program, ProgramFailure, Programs
from config.environment import Environment
from config.supervisor.broker import EmbeddedBroker
from config.supervisor.services import Service, plan_services

HOST = "127.0.0.1"
#: Processes of each worker, ours and a peer's.
WORKER_PROCESSES = 2
_START_SECONDS = 60.0
_POLL_SECONDS = 0.02


@contextmanager
def running_base() -> Iterator[Programs]:
    """Run the embedded broker over a migrated database, and give what starts further programs."""
    environment = _environment()
    broker = EmbeddedBroker(data_folder=environment.data_dir)
    broker.start()
    try:
        call_command("migrate", verbosity=0, interactive=False)
        with Programs(log_folder=environment.data_dir / "log") as programs:
            yield programs
    finally:
        broker.stop()


def broker_url() -> str:
    """Return the broker's address as Celery writes it."""
    return _environment().broker_url


def start_service(programs: Programs, name: str) -> Program:
    """Start a service as the supervisor would, and return once it has said that it is ready."""
    service = _service(name)
    program = programs.start(name, service.command)
    assert service.ready_line is not None
    program.wait_for_line(service.ready_line)
    return program


def start_bare_worker(
    programs: Programs, *, app: str, queue: str, variables: Mapping[str, str] | None = None
) -> Program:
    """Start a worker of another Celery app with the options of ours."""
    ours = _service("worker")
    replaced = {"config.celery": app, ",".join(_environment().queues): queue}
    command = [replaced.get(word, word).replace("worker-", f"{queue}-") for word in ours.command]
    program = programs.start(f"worker-{queue}", command, variables=variables)
    assert ours.ready_line is not None
    program.wait_for_line(ours.ready_line)
    return program


def start_web(programs: Programs, *, port: int, application: str, name: str = "web") -> Program:
    """Start our ASGI server with another application, and return once it accepts connections."""
    program = programs.start(name, [*_service("web", port=port).command[:-1], application])
    return _accepting(program, port=port)


def start_daphne(programs: Programs, *, port: int, application: str, name: str = "daphne") -> Program:
    """Start Daphne, and return once it accepts connections."""
    command = [sys.executable, "-m", "daphne", "-b", HOST, "-p", str(port), "-v", "0", "--no-server-name", application]
    return _accepting(programs.start(name, command), port=port)


def wait_until(condition: Callable[[], bool], *, what: str, timeout_seconds: float = _START_SECONDS) -> None:
    """Ask until `condition()` is true; raises ProgramFailure that names `what` where it never is."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            raise ProgramFailure(f"{what}: not within {timeout_seconds:g} s")
        time.sleep(_POLL_SECONDS)


def _accepting(program: Program, *, port: int) -> Program:
    def accepts() -> bool:
        if program.process.poll() is not None:
            raise program.failure("doesn't start")
        try:
            socket.create_connection((HOST, port), timeout=1).close()
        except OSError:
            return False
        return True

    wait_until(accepts, what="the web server")
    return program


def _service(name: str, *, port: int = 0) -> Service:
    services = plan_services(_environment(), host=HOST, port=port, worker_processes=WORKER_PROCESSES)
    return next(service for service in services if service.name == name)


def _environment() -> Environment:
    environment = settings.ENVIRONMENT
    assert isinstance(environment, Environment)
    return environment
