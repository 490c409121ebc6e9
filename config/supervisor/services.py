"""Which processes make up Stepline, in their start order."""

import os
import re
import sys
from dataclasses import dataclass

from config.environment import BASE_DIR, Environment
from config.supervisor.broker import broker_command
from config.supervisor.readiness import PortAccepts, Probe, SocketAnswers

_MANAGE = (sys.executable, str(BASE_DIR / "manage.py"))
_CELERY = (sys.executable, "-m", "celery", "--quiet", "-A", "config.celery")


@dataclass(frozen=True, kw_only=True)
class Service:
    """One process to run, and what is known about it."""

    name: str
    command: tuple[str, ...]
    #: Those behind it start only when it is ready.
    gate: bool = False
    #: Its lines go to its log file only.
    quiet: bool = False
    #: A step: it is ready when it has ended well, and is never restarted.
    once: bool = False
    #: Ready when it has printed a line in which this is found …
    ready_line: re.Pattern[str] | None = None
    #: … and this says so too.
    probe: Probe | None = None
    #: How long it may take to be ready; None = as long as it likes.
    start_timeout_seconds: float | None = 60.0
    #: How long it may take to stop before it is killed with all its children.
    stop_grace_seconds: float = 4.0


def plan_services(environment: Environment, *, host: str, port: int, worker_processes: int) -> list[Service]:
    """Return the services in start order; stopping goes the other way round.

    The embedded broker is among them only when no broker is given.
    """
    services = []
    if environment.embedded_broker_socket is not None:
        services.append(
            Service(
                name="broker",
                command=tuple(broker_command(data_folder=environment.data_dir)),
                gate=True,
                quiet=True,
                probe=SocketAnswers(environment.embedded_broker_socket),
            )
        )
    return [
        *services,
        Service(
            name="prepare",
            command=(*_MANAGE, "prepare"),
            gate=True,
            once=True,
            # A migration of a large database may take its time.
            start_timeout_seconds=None,
        ),
        Service(
            name="dispatcher",
            command=(*_MANAGE, "dispatcher"),
            ready_line=re.compile(r"looking for work"),
        ),
        Service(
            name="worker",
            command=(
                *(*_CELERY, "worker", "--pool", "prefork", "--concurrency", str(worker_processes)),
                *("--queues", ",".join(environment.queues), "--hostname", f"worker-{os.getpid()}@%h"),
                # What workers tell each other costs seconds at the start and serves nobody here.
                *("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "INFO"),
            ),
            ready_line=re.compile(r"@\S+ ready\."),
            stop_grace_seconds=6.0,
        ),
        Service(
            name="beat",
            # No pid file: one left by a killed beat would keep the next one from starting.
            command=(*_CELERY, "beat", "--pidfile", "", "--loglevel", "INFO"),
            ready_line=re.compile(r"beat: Starting"),
        ),
        Service(
            name="web",
            command=(
                *(sys.executable, "-m", "uvicorn", "--host", host, "--port", str(port), "--log-level", "warning"),
                *("--no-access-log", "--no-server-header", "--lifespan", "off", "--http", "httptools"),
                # Behind a proxy, Django's own setting says which header tells the scheme.
                "--no-proxy-headers",
                # A call has up to 256 Ki characters of up to 4 bytes; what clients get is too short to be compressed.
                *("--ws", "websockets-sansio", "--ws-max-size", "1048576", "--ws-per-message-deflate", "false"),
                # Open streams never end by themselves, and their clients come back by themselves.
                *("--timeout-graceful-shutdown", "1", "config.server:application"),
            ),
            probe=PortAccepts(host, port),
        ),
    ]
