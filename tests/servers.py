"""Which servers are there to test on, and a place of our own on each.

Where a server holds anybody's data, the tests keep away: databases of their own on PostgreSQL, empty ones on Redis, a
virtual host of their own on RabbitMQ.
"""

import logging
import os
import random
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import psycopg
import redis
from kombu import Connection
from redis.exceptions import RedisError

#: Databases that a Redis has unless it was told otherwise; the first is what people use.
_REDIS_DATABASES = range(1, 16)
_PATIENCE_SECONDS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A kind of server, where it is looked for, and why it can't be used, if so."""

    name: str
    variable: str
    url: str
    obstacle: str | None

    @property
    def complaint(self) -> str:
        """Say what to do about the obstacle."""
        return f"{self.name} NOT USED: {self.obstacle}; set {self.variable} to one that tests may use"


def find_postgres() -> Server:
    """Look for a PostgreSQL where databases may be created."""
    name, variable = "PostgreSQL", "STEPLINE_TEST_POSTGRES_URL"
    url = os.environ.get(variable) or "postgres://postgres@127.0.0.1:5432/stepline"
    obstacle = None
    try:
        # The database itself needn't exist: each run makes its own.
        psycopg.connect(url.rpartition("/")[0] + "/postgres", connect_timeout=2).close()
    except psycopg.Error as error:
        obstacle = _line(error)
    return Server(name=name, variable=variable, url=url, obstacle=obstacle)


def find_redis(*, databases: int) -> Server:
    """Look for a Redis or Valkey with so many empty databases in a row; its URL names the first of them."""
    name, variable = "Redis", "STEPLINE_TEST_REDIS_URL"
    url = os.environ.get(variable) or "redis://127.0.0.1:6379/0"
    try:
        with redis.Redis.from_url(url, db=0, socket_connect_timeout=2) as client:
            taken = {int(key.removeprefix("db")) for key in client.info("keyspace")}
    except (RedisError, OSError) as error:
        return Server(name=name, variable=variable, url=url, obstacle=_line(error))
    free = [
        first for first in _REDIS_DATABASES if set(range(first, first + databases)) <= set(_REDIS_DATABASES) - taken
    ]
    if not free:
        return Server(name=name, variable=variable, url=url, obstacle=f"no {databases} empty databases in a row")
    # Another run may look at this moment too.
    return Server(name=name, variable=variable, url=with_path(url, str(random.choice(free))), obstacle=None)


def find_rabbitmq() -> Server:
    """Look for a RabbitMQ where nobody else's hints are: with a virtual host to be made, or an empty one."""
    name, variable = "RabbitMQ", "STEPLINE_TEST_RABBITMQ_URL"
    url = os.environ.get(variable) or "amqp://guest:guest@127.0.0.1:5672//"
    obstacle = None
    try:
        with Connection(url, connect_timeout=2) as connection:
            connection.connect()
            if shutil.which("rabbitmqctl") is None and _has_queue(connection, "default"):
                obstacle = "its virtual host has a queue `default`, which may be somebody's"
    except Exception as error:  # noqa: BLE001 - the driver's errors have no root of their own
        obstacle = _line(error)
    return Server(name=name, variable=variable, url=url, obstacle=obstacle)


@contextmanager
def own_virtual_host(url: str) -> Iterator[str]:
    """Make a virtual host for the block and give its URL; the given one where none can be made."""
    name = f"stepline-test-{secrets.token_hex(4)}"
    user = urlsplit(url).username or "guest"
    made = _control("add_vhost", name) and _control("set_permissions", "-p", name, user, ".*", ".*", ".*")
    try:
        yield with_path(url, name) if made else url
    finally:
        if made:
            _control("delete_vhost", name)


def with_path(url: str, path: str) -> str:
    """Return `url` with another path, which is a database or a virtual host."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{path}"))


def empty(url: str, *, queues: tuple[str, ...]) -> None:
    """Leave a broker as it was found: without our queues, or, where it is a Redis, without anything."""
    if url.startswith("amqp"):
        with Connection(url, connect_timeout=2) as connection:
            for queue in queues:
                # Deleting a queue that isn't there is no error.
                connection.default_channel.queue_delete(queue)
    else:
        # It tells at length, to whoever listens at that moment, what an older server doesn't know.
        logging.getLogger("redis").setLevel(logging.WARNING)
        with redis.Redis.from_url(url) as client:
            client.flushdb()


def _has_queue(connection: Connection, name: str) -> bool:
    try:
        connection.default_channel.queue_declare(name, passive=True)
    except connection.channel_errors:
        return False
    return True


def _control(*arguments: str) -> bool:
    try:
        ended = subprocess.run(
            ["rabbitmqctl", "-q", *arguments], capture_output=True, timeout=_PATIENCE_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return ended.returncode == 0


def _line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
