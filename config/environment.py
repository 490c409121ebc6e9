"""The only place that reads environment variables; docs/operations.md lists them.

Without any variable Stepline is *embedded*: SQLite and a private Valkey in one data folder. With DATABASE_URL,
REDIS_URL and so on it is *scaled out*. The code that runs is the same.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from config.broker_urls import read_broker
from config.data_folder import read_or_create_secret
from config.encryption import VARIABLE as ENCRYPTION_KEYS
from config.encryption import read_encryption_keys
from config.outbound import read_hosts, read_mail, read_private, read_sender
from config.problems import EnvironmentProblem
from config.variables import Variables

BASE_DIR = Path(__file__).resolve().parent.parent

LOCAL_HOSTS = ("localhost", "127.0.0.1", "[::1]")

_LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Everything the surroundings decide, checked and typed."""

    data_dir: Path
    debug: bool
    secret_key: str = field(repr=False)
    #: What secrets in the database are encrypted with: the first encrypts, all decrypt.
    encryption_keys: tuple[str, ...] = field(repr=False)
    #: Whether the keys were given, rather than generated in this host's data folder.
    encryption_keys_given: bool
    allowed_hosts: tuple[str, ...]
    csrf_trusted_origins: tuple[str, ...]
    #: Pages of these other origins may use the API, with tokens.
    cors_origins: tuple[str, ...]
    #: How often an API token may be used that says nothing of it.
    api_rate: str
    https: bool
    hsts_seconds: int
    #: The request header in which a TLS proxy tells the original scheme, or None; for example `X-Forwarded-Proto`.
    proxy_scheme_header: str | None
    #: Django's own form of a database's settings, without our options for its engine.
    database: Mapping[str, object] = field(repr=False)
    #: The socket of the Valkey that the supervisor is to run; None when a broker is given.
    embedded_broker_socket: Path | None
    broker_url: str = field(repr=False)
    #: DATABASE_LAYER where it is in the database.
    channel_layer_url: str = field(repr=False)
    #: The variables that named the two; empty for the embedded broker.
    broker_variable: str
    channel_layer_variable: str
    queues: tuple[str, ...]
    worker_processes: int
    #: How long a worker may be silent before its work is taken over.
    lease_seconds: int
    #: How long work that was asked to stop may take to do so, before it is interrupted.
    cancel_grace_seconds: int
    #: How many days finished work is kept, and that which was set aside for an operator.
    kept_days: int
    dead_letters_kept_days: int
    #: Whether runs keep what other systems answer, so that they can be saved as tests.
    keep_answers: bool
    #: Threads of a server process for functions that clients call.
    call_threads: int
    #: After how long a page says that no worker is free, or that there is no news.
    stall_no_worker_seconds: int
    stall_silent_seconds: int
    time_zone: str
    log_level: str
    #: What the pages call this site, and the static file with which it themes them; empty for what Stepline brings.
    site_name: str
    theme: str
    static_root: Path
    media_root: Path
    #: The largest request that is taken.
    upload_max_bytes: int
    #: How long a saved draft is kept.
    draft_days: int
    #: The largest delivery to a webhook that is taken.
    hook_max_bytes: int
    #: How many days a published message is kept, and how large its payload may be.
    message_days: int
    message_max_bytes: int
    #: Where processes may send requests, and which addresses of private networks they may reach.
    outbound_hosts: tuple[str, ...]
    outbound_private: tuple[str, ...]
    #: Where requests may bear the caller's own credentials.
    caller_hosts: tuple[str, ...]
    #: Django's own form of the mail settings; empty without a mail server.
    mail: Mapping[str, object] = field(repr=False)
    mail_sender: str

    @property
    def uses_sqlite(self) -> bool:
        """Tell whether the database is a file on this host."""
        return self.database["ENGINE"] == "django.db.backends.sqlite3"

    @property
    def database_options(self) -> Mapping[str, object]:
        """Return what the URL of the database says behind its question mark."""
        options = self.database.get("OPTIONS", {})
        assert isinstance(options, Mapping)
        return {name: None if value == "None" else value for name, value in options.items()}


def load_environment(variables: Mapping[str, str] | None = None) -> Environment:
    """Read the variables (those of this process, unless given) and create what the embedded default needs.

    Raises EnvironmentProblem, whose message names the variable and the cure.
    """
    read = Variables(os.environ if variables is None else variables)
    data_dir = read.path("STEPLINE_DATA_DIR", BASE_DIR / "var")
    debug = read.flag("DEBUG", False)
    database = read.database("DATABASE_URL", data_dir / "db.sqlite3")
    on_postgresql = database["ENGINE"] == "django.db.backends.postgresql"
    broker = read_broker(read, data_folder=data_dir, on_postgresql=on_postgresql)
    return Environment(
        data_dir=data_dir,
        debug=debug,
        secret_key=_read_secret_key(read, data_dir),
        encryption_keys=read_encryption_keys(read, data_dir),
        encryption_keys_given=bool(read.text(ENCRYPTION_KEYS, "")),
        allowed_hosts=read.words("ALLOWED_HOSTS", LOCAL_HOSTS),
        csrf_trusted_origins=_read_origins(read, "CSRF_TRUSTED_ORIGINS"),
        cors_origins=_read_origins(read, "CORS_ALLOWED_ORIGINS"),
        api_rate=_read_rate(read),
        https=read.flag("STEPLINE_HTTPS", not debug),
        hsts_seconds=read.number("STEPLINE_HSTS_SECONDS", 3600, minimum=0),
        proxy_scheme_header=read.text("STEPLINE_PROXY_SCHEME_HEADER", "") or None,
        database=database,
        embedded_broker_socket=broker.embedded_socket,
        broker_url=broker.url,
        broker_variable=broker.variable,
        channel_layer_url=broker.layer_url,
        channel_layer_variable=broker.layer_variable,
        queues=_read_queues(read),
        worker_processes=read.number("STEPLINE_WORKERS", default_worker_processes(), minimum=1),
        lease_seconds=read.number("STEPLINE_LEASE_SECONDS", 15, minimum=2),
        cancel_grace_seconds=read.number("STEPLINE_CANCEL_GRACE_SECONDS", 10, minimum=1),
        kept_days=read.number("STEPLINE_KEPT_DAYS", 30, minimum=1),
        dead_letters_kept_days=read.number("STEPLINE_DEAD_LETTERS_KEPT_DAYS", 90, minimum=1),
        keep_answers=read.flag("STEPLINE_KEEP_ANSWERS", True),
        call_threads=read.number("STEPLINE_CALL_THREADS", 32, minimum=1),
        stall_no_worker_seconds=read.number("STEPLINE_STALL_NO_WORKER_SECONDS", 10, minimum=1),
        stall_silent_seconds=read.number("STEPLINE_STALL_SILENT_SECONDS", 60, minimum=1),
        time_zone=read.time_zone("TIME_ZONE", "UTC"),
        log_level=read.choice("LOG_LEVEL", "INFO", _LOG_LEVELS),
        site_name=read.text("STEPLINE_SITE_NAME", ""),
        theme=read.text("STEPLINE_THEME", ""),
        static_root=read.path("STATIC_ROOT", data_dir / "static"),
        media_root=read.path("MEDIA_ROOT", data_dir / "media"),
        upload_max_bytes=read.number("STEPLINE_UPLOAD_MAX_BYTES", 2 * 1024**3, minimum=1024**2),
        draft_days=read.number("STEPLINE_DRAFT_DAYS", 30, minimum=1),
        hook_max_bytes=read.number("STEPLINE_HOOK_MAX_BYTES", 1024**2, minimum=1024),
        message_days=read.number("STEPLINE_MESSAGE_DAYS", 30, minimum=1),
        message_max_bytes=read.number("STEPLINE_MESSAGE_MAX_BYTES", 1024**2, minimum=1024),
        outbound_hosts=read_hosts(read, "STEPLINE_OUTBOUND_HOSTS"),
        outbound_private=read_private(read, "STEPLINE_OUTBOUND_PRIVATE"),
        caller_hosts=read_hosts(read, "STEPLINE_CALLER_HOSTS"),
        mail=read_mail(read, "EMAIL_URL"),
        mail_sender=read_sender(read, "DEFAULT_FROM_EMAIL"),
    )


def default_worker_processes() -> int:
    """Return one worker process per usable processor, and two at least: one long job must not hold up the rest."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(2, usable)


def _read_secret_key(read: Variables, data_dir: Path) -> str:
    given = read.text("SECRET_KEY", "")
    if not given:
        return read_or_create_secret(data_dir / "secret-key")
    if len(given) < 50:
        raise EnvironmentProblem(
            "SECRET_KEY is too short: give 50 random characters or more, or leave it out and one is generated"
        )
    return given


def _read_origins(read: Variables, name: str) -> tuple[str, ...]:
    origins = read.words(name, ())
    for origin in origins:
        if "://" not in origin:
            raise EnvironmentProblem(f"{name}: {origin!r} has no scheme: write it like https://{origin.lstrip('/')}")
    return origins


def _read_rate(read: Variables) -> str:
    rate = read.text("STEPLINE_API_RATE", "1200/min")
    if not re.fullmatch(r"[1-9][0-9]{0,8}/(s|sec|m|min|h|hour|d|day)", rate):
        raise EnvironmentProblem(f"STEPLINE_API_RATE={rate!r} can't be read: write a number and a time, like 1200/min")
    return rate


def _read_queues(read: Variables) -> tuple[str, ...]:
    queues = read.words("STEPLINE_QUEUES", ("default",))
    if not queues:
        raise EnvironmentProblem("STEPLINE_QUEUES names no queue: leave it out or write, for example, default,slow")
    return queues


__all__ = [
    "BASE_DIR",
    "LOCAL_HOSTS",
    "Environment",
    "EnvironmentProblem",
    "default_worker_processes",
    "load_environment",
]
