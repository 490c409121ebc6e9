"""Fixtures for all tests: the database, the embedded broker, the browser."""

import logging
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import hypothesis
import pytest
import pytest_django
from django.conf import settings
from django.db import connection
from django.utils import timezone, translation

from config.supervisor.broker import EmbeddedBroker
from tasks.services.flusher import stop_flusher
from tasks.services.heartbeat import stop_heart
from tasks.services.publish import close_publisher
from tests import servers
from tests.environment import DATA_FOLDER

if TYPE_CHECKING:
    from playwright.sync_api import Page

# Enough examples for each run; HYPOTHESIS_PROFILE=thorough searches long. No deadline: the machine may be busy.
hypothesis.settings.register_profile("usual", max_examples=15, deadline=None)
hypothesis.settings.register_profile("thorough", max_examples=2_000, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "usual"))

_DATABASE_FIXTURES = frozenset({"db", "transactional_db", "django_db_reset_sequences", "live_server"})


def pytest_configure() -> None:
    """Spare what costs much and isn't what most tests are about; those that are put it back."""
    # Otherwise each test client looks through all static files when it begins, as a server does once.
    settings.WHITENOISE_AUTOREFRESH = True
    # Slow on purpose, where passwords are worth something.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher", *settings.PASSWORD_HASHERS]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what touches the database or the broker, so that exactly this runs again on other servers.

    What starts a whole stack comes first.
    """
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if _DATABASE_FIXTURES.intersection(fixtures) or item.get_closest_marker("django_db"):
            item.add_marker(pytest.mark.database)
        # Those of the wiring name the servers themselves.
        if "broker" in fixtures and not item.nodeid.startswith("tests/config/"):
            item.add_marker(pytest.mark.servers)
    # Few tests, but long ones: begun last, they would keep one process busy while the others have nothing left to do.
    items.sort(key=lambda item: item.get_closest_marker("acceptance") is None)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Let tests use the database beside a browser: Playwright keeps an event loop running in their thread.

    For the whole run, since it goes on when the browser's own tests are over. Programs that tests start don't get it.
    """
    if any(item.get_closest_marker("browser") for item in session.items):
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"


def pytest_runtest_setup() -> None:
    """Begin each test in the site's own language and time zone: a visitor's stay in force after their request."""
    translation.deactivate()
    timezone.deactivate()


def pytest_sessionfinish() -> None:
    """Leave nothing on a broker that isn't ours."""
    if os.environ.get("TEST_BROKER_URL") and hasattr(settings, "STEPLINE_QUEUES"):
        servers.empty(os.environ["BROKER_URL"], queues=(*settings.STEPLINE_QUEUES, "arrivals", "nobody"))


def pytest_report_header() -> str:
    """Say which servers the run uses."""
    database = settings.DATABASES["default"]["ENGINE"].rpartition(".")[2]
    layer = settings.CHANNEL_LAYERS["default"]["BACKEND"].rpartition(".")[2]
    return f"database: {database}, broker: {settings.CELERY_BROKER_URL.partition(':')[0]}, channel layer: {layer}"


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """Give this process a test database of its own.

    SQLite's is a file in WAL mode: one in memory would be private to each thread. On PostgreSQL its name holds the
    run's, so that two runs on one server don't meet.
    """
    database = settings.DATABASES["default"]
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    if database["ENGINE"].endswith("sqlite3"):
        name = str(DATA_FOLDER / "test.sqlite3")
    else:
        run = DATA_FOLDER.parent.name.rpartition("-")[2].lower()
        name = f"test_{database['NAME']}_{run}_{worker}"
    database.setdefault("TEST", {})["NAME"] = name


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: pytest_django.DjangoDbBlocker) -> Iterator[None]:
    """Let go of the test's database before it is dropped: live updates may go through it, and threads that report."""
    # Imported here, since it needs Django's models.
    from tests import quick_flush

    quick_flush.install()
    with django_db_blocker.unblock():
        quick_flush.remember()
    yield
    close_publisher()
    stop_flusher()
    stop_heart()
    if connection.vendor == "postgresql":
        # A thread or a program that a test has left must not keep it from going. Of the class, since it is another
        # connection that drops it where an event loop runs in this thread by now.
        type(connection.creation)._destroy_test_db = _drop_with_force


def _drop_with_force(creation: Any, test_database_name: str, verbosity: int) -> None:
    """Drop the test's database on PostgreSQL, whoever is still connected to it."""
    with creation._nodb_cursor() as cursor:
        name = creation.connection.ops.quote_name(test_database_name)
        cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def unlogged() -> Iterator[None]:
    """Log nothing: half of a surrogate pair in a captured log can't be sent from one test process to another."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


class Broker(Protocol):
    """What tests know of the broker."""

    @property
    def url(self) -> str:
        """Where it is, in the writing of the environment's variables."""


@dataclass(frozen=True)
class GivenBroker:
    """A server that was there before."""

    url: str


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    """Have a broker and a channel layer where the settings expect them: given ones, else an embedded Valkey."""
    if "TEST_BROKER_URL" in os.environ:
        yield GivenBroker(os.environ["BROKER_URL"])
        return
    embedded = EmbeddedBroker(data_folder=DATA_FOLDER)
    embedded.start()
    try:
        yield embedded
    finally:
        embedded.stop()


@pytest.fixture
def data_folder(tmp_path: Path) -> Path:
    """Return an empty data folder for a test that starts processes of its own."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture(scope="session")
def whole_browser() -> dict[str, object]:
    """Return how to launch the system's Chromium, where there is one: Playwright's own would have to be downloaded."""
    return _launched_by("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def browser_type_launch_args(
    browser_type_launch_args: dict[str, object], whole_browser: dict[str, object]
) -> dict[str, object]:
    """Use Chromium without what is around its pages, where it is there: the same engine, for a third of the work."""
    return {**browser_type_launch_args, **whole_browser, **_launched_by("chromium-headless-shell")}


def _launched_by(*names: str) -> dict[str, object]:
    found = next((path for name in names if (path := shutil.which(name))), None)
    return {} if found is None else {"executable_path": found}


@pytest.fixture
def complaints(page: "Page") -> list[str]:
    """Return what the browser complains about: errors of scripts, what the policy blocks, missing files."""
    found: list[str] = []
    page.on("console", lambda message: found.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: found.append(str(error)))
    return found
