"""Start everything: `manage.py up`."""

import os
import sys
import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from config.data_folder import ensure_private_folder
from config.environment import BASE_DIR, Environment
from config.local_account import account_path, read_account
from config.problems import EnvironmentProblem
from config.servers import check_servers
from config.supervisor.broker import stop_leftover
from config.supervisor.lock import FolderLock
from config.supervisor.output import Terminal, is_coloured
from config.supervisor.ports import claim_port, is_loopback
from config.supervisor.run import Supervisor
from config.supervisor.services import plan_services


class Command(BaseCommand):
    """Run the broker, the dispatcher, the worker, beat and the web server under one supervisor."""

    help = "Start everything under one supervisor and stop it all on Ctrl-C."
    # Each service checks what it needs; the checks here would double the time to start.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--host", default="127.0.0.1", help="Address to listen on (default: %(default)s).")
        parser.add_argument(
            "--port", default=8000, help="Port to listen on; 0 takes a free one (default: %(default)s)."
        )
        parser.add_argument("--workers", type=int, help="Worker processes (default: one per processor, at least two).")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until Ctrl-C; end with exit code 1 and one line when that isn't possible."""
        try:
            exit_code = _run(
                settings.ENVIRONMENT, host=options["host"], port=_port(options["port"]), workers=options["workers"]
            )
        except EnvironmentProblem as problem:
            sys.exit(f"stepline: {problem}")
        sys.exit(exit_code)


def _run(environment: Environment, *, host: str, port: int, workers: int | None) -> int:
    started_monotonic_seconds = time.monotonic()
    if environment.debug and not is_loopback(host):
        raise EnvironmentProblem(
            f"DEBUG shows secrets to whoever can connect, and {host} isn't this machine alone:"
            " use HOST=127.0.0.1, or start without DEBUG"
        )
    if workers is not None and workers < 1:
        raise EnvironmentProblem(f"--workers {workers} is too small: give 1 or more")
    data_folder = ensure_private_folder(environment.data_dir)
    with FolderLock(data_folder=data_folder, address=_address(host, port)) as lock:
        port = claim_port(host, port)
        lock.rename(_address(host, port))
        check_servers(environment)
        if environment.embedded_broker_socket is not None:
            stop_leftover(environment.embedded_broker_socket)
        services = plan_services(
            environment, host=host, port=port, worker_processes=workers or environment.worker_processes
        )
        terminal = Terminal(
            sys.stdout,
            names=["stepline", *(service.name for service in services)],
            coloured=is_coloured(sys.stdout, dict(os.environ)),
        )

        def announce() -> None:
            seconds = time.monotonic() - started_monotonic_seconds
            for line in _welcome(environment, address=_address(host, port), seconds=seconds):
                terminal.say(line)

        return Supervisor(
            services,
            folder=BASE_DIR,
            log_folder=data_folder / "log",
            # Lines are to be seen when they are printed, not when a buffer is full.
            variables={**os.environ, "PYTHONUNBUFFERED": "1"},
            terminal=terminal,
            on_ready=announce,
        ).run()


def _port(value: str | int) -> int:
    try:
        return int(value)
    except ValueError:
        raise EnvironmentProblem(f"can't listen on port {value!r}: a port is a number up to 65535") from None


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def _welcome(environment: Environment, *, address: str, seconds: float) -> list[str]:
    """Return what the operator needs to know; programs wait for the line that begins with `ready:`."""
    lines = [
        "",
        f"ready: {address} after {seconds:.1f} s",
        f"  admin       {address}admin/",
        f"  examples    {address}p/csv-import/  {address}p/expense-claim/",
    ]
    account = read_account(account_path(environment.data_dir)) if environment.debug else None
    if account is not None:
        lines.append(f"  sign in     {account.username} / {account.password}")
    else:
        lines.append("  sign in     with your account (`manage.py createsuperuser` makes one)")
    if environment.https:
        lines.append("  note        pages redirect to HTTPS; to serve plain HTTP set STEPLINE_HTTPS=0")
    return [*lines, f"  data, logs  {environment.data_dir}", "  stop        Ctrl-C", ""]
