"""A channel layer over PostgreSQL's LISTEN and NOTIFY, for those who run no Redis.

    CHANNEL_LAYERS = {"default": {"BACKEND": "tasks.postgres_layer.PostgresChannelLayer"}}

Messages are JSON, pass through no table, and leave nothing behind. Delivery is at most once, as with every channel
layer: what is sent while a connection is down is lost, and so is the oldest where a reader falls behind.
"""

import asyncio
import logging
import os
import random
import secrets
from collections import deque
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from types import MethodType
from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from tasks.domain.jsonvalue import dumps
from tasks.domain.notifications import Joiner, split

__all__ = ["PostgresChannelLayer"]

logger = logging.getLogger(__name__)

#: Messages that wait for a reader; beyond it the oldest go.
CAPACITY = 1_000
FIRST_WAIT_SECONDS = 0.2
LONGEST_WAIT_SECONDS = 5.0
#: A server that vanishes without a word is noticed within half a minute.
_PARAMETERS = {
    "client_encoding": "UTF8",
    "connect_timeout": 5,
    "fallback_application_name": "stepline live updates",
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
_NOT_PSYCOPG = ("context", "cursor_factory", "prepare_threshold")


class PostgresChannelLayer:
    """Be a channel layer whose connections are one per process and event loop, for sending and listening alike.

    `url` names the server (past a pooler like PgBouncer, whose transactions know no LISTEN); without it, the database
    `alias` of the settings. `prefix` keeps two sites on one database apart.
    """

    extensions = ("groups",)

    def __init__(
        self, *, url: str = "", alias: str = DEFAULT_DB_ALIAS, prefix: str = "stepline", capacity: int = CAPACITY
    ) -> None:
        self._url = url
        self._alias = alias
        self._prefix = prefix
        self._capacity = capacity
        self._ends: dict[asyncio.AbstractEventLoop, _End] = {}
        self._pid = os.getpid()

    async def new_channel(self, prefix: str = "specific") -> str:
        """Return the name of a new channel of this process."""
        channel = f"{prefix}.{secrets.token_hex(16)}"
        await self._end().open(channel)
        return channel

    async def send(self, channel: str, message: Mapping[str, Any]) -> None:
        """Send `message` to every process that receives on `channel`."""
        await self._end().send(self._name("channel", channel), message)

    async def receive(self, channel: str) -> dict[str, Any]:
        """Return the next message on `channel`; a wait that is cancelled gives the channel up."""
        return await self._end().receive(channel)

    async def group_add(self, group: str, channel: str) -> None:
        """Let `channel` receive what is sent to `group` from now on."""
        await self._end().add(self._name("group", group), channel)

    async def group_discard(self, group: str, channel: str) -> None:
        """Undo `group_add`."""
        await self._end().discard(self._name("group", group), channel)

    async def group_send(self, group: str, message: Mapping[str, Any]) -> None:
        """Send `message` to every channel in `group`."""
        await self._end().send(self._name("group", group), message)

    def parameters(self) -> dict[str, Any]:
        """Return how to connect. Read each time: a test's database has another name than the settings'."""
        if self._url:
            return {**_PARAMETERS, **conninfo_to_dict(self._url)}
        given = connections[self._alias].get_connection_params()
        return {**_PARAMETERS, **{key: value for key, value in given.items() if key not in _NOT_PSYCOPG}}

    def _end(self) -> "_End":
        loop = asyncio.get_running_loop()
        if self._pid != os.getpid():
            # A forked child has its parent's sockets, which aren't its to use.
            self._ends, self._pid = {}, os.getpid()
        end = self._ends.get(loop)
        if end is None:
            end = self._ends[loop] = _End(self)
            self._close_with(loop, end)
        return end

    def _close_with(self, loop: asyncio.AbstractEventLoop, end: "_End") -> None:
        """Close the connection with its loop: nobody tells a channel layer that it is needed no more."""
        close = loop.close

        def close_both(_loop: asyncio.AbstractEventLoop) -> None:
            self._ends.pop(loop, None)
            end.close()
            close()

        loop.close = MethodType(close_both, loop)  # type: ignore[method-assign]

    def _name(self, kind: str, name: str) -> str:
        # PostgreSQL's names have 63 bytes at most, ours 100 characters.
        return f"{self._prefix}_{blake2b(f'{kind}:{name}'.encode(), digest_size=16).hexdigest()}"

    def channel_name(self, channel: str) -> str:
        """Return PostgreSQL's name of a channel."""
        return self._name("channel", channel)

    @property
    def capacity(self) -> int:
        """How many messages wait for a reader."""
        return self._capacity


class _Queue:
    """Keep messages until they are read; beyond `capacity` the oldest go."""

    def __init__(self, capacity: int) -> None:
        self._messages: deque[dict[str, Any]] = deque(maxlen=capacity)
        self._filled = asyncio.Event()

    def put(self, message: dict[str, Any]) -> None:
        self._messages.append(message)
        self._filled.set()

    async def get(self) -> dict[str, Any]:
        while not self._messages:
            self._filled.clear()
            await self._filled.wait()
        return self._messages.popleft()


class _End:
    """Be one loop's end of the layer: its connection, its channels, and the names that it listens to."""

    def __init__(self, layer: PostgresChannelLayer) -> None:
        self._layer = layer
        self._loop = asyncio.get_running_loop()
        self._queues: dict[str, _Queue] = {}
        #: PostgreSQL's name -> the channels that get what comes under it.
        self._listeners: dict[str, set[str]] = {}
        self._joiners: dict[str, Joiner] = {}
        self._connection: psycopg.AsyncConnection | None = None
        #: Held while a statement runs; between two, the connection is only listened to.
        self._busy = asyncio.Lock()
        self._socket = -1
        self._keeper: asyncio.Task[None] | None = None
        self._tidying: set[asyncio.Task[None]] = set()

    # What the layer does.

    async def open(self, channel: str) -> None:
        self._queues.setdefault(channel, _Queue(self._layer.capacity))
        await self.add(self._layer.channel_name(channel), channel)

    async def receive(self, channel: str) -> dict[str, Any]:
        if channel not in self._queues:
            await self.open(channel)
        try:
            return await self._queues[channel].get()
        except asyncio.CancelledError:
            self._give_up(channel)
            raise

    async def add(self, name: str, channel: str) -> None:
        listeners = self._listeners.setdefault(name, set())
        listeners.add(channel)
        try:
            # Always, not only for the first: whoever comes second must know too that it is in force.
            await self._execute(sql.SQL("LISTEN {}").format(sql.Identifier(name)))
        except BaseException:
            self._remove(name, channel)
            raise

    async def discard(self, name: str, channel: str) -> None:
        if self._remove(name, channel) and self._connection is not None:
            await self._unlisten(name)

    async def send(self, name: str, message: Mapping[str, Any]) -> None:
        parts = list(split(dumps(message)))
        # One statement, hence one transaction: its notifications arrive together and in order.
        calls = sql.SQL(", ").join([sql.SQL("pg_notify(%s, %s)")] * len(parts))
        statement = sql.SQL("SELECT {}").format(calls)
        values = [value for part in parts for value in (name, part)]
        was_connected = self._connection is not None
        try:
            await self._execute(statement, values)
        except psycopg.OperationalError:
            if not was_connected:
                raise
            # The connection had been cut meanwhile, which only shows when it is used.
            await self._execute(statement, values)

    def close(self) -> None:
        if self._keeper is not None and not self._loop.is_closed():
            self._keeper.cancel()
        self._drop()

    # The connection.

    async def _execute(self, statement: sql.SQL | sql.Composed, values: list[str] | None = None) -> None:
        async with self._busy:
            connection = self._connection or await self._connect()
            # Running a statement, the driver watches the socket itself, and hands over what is notified meanwhile.
            self._ignore()
            try:
                await connection.execute(statement, values)
            except BaseException as error:
                # Also where it was cancelled: nobody knows what the server still has to say.
                if isinstance(error, psycopg.OperationalError) or not isinstance(error, Exception):
                    self._drop()
                    self._keep()
                else:
                    # The statement was refused; what is listened to arrives all the same.
                    self._watch(connection)
                raise
            self._watch(connection)

    async def _connect(self) -> psycopg.AsyncConnection:
        connection = await psycopg.AsyncConnection.connect(**self._layer.parameters(), autocommit=True)
        try:
            connection.add_notify_handler(lambda notify: self._take(notify.channel, notify.payload))
            self._joiners.clear()
            if self._listeners:
                names = [sql.SQL("LISTEN {}").format(sql.Identifier(name)) for name in self._listeners]
                await connection.execute(sql.SQL("; ").join(names))
        except BaseException:
            connection.pgconn.finish()
            raise
        self._connection = connection
        return connection

    def _watch(self, connection: psycopg.AsyncConnection) -> None:
        self._socket = connection.fileno()
        self._loop.add_reader(self._socket, self._read, connection)

    def _ignore(self) -> None:
        if self._socket >= 0 and not self._loop.is_closed():
            self._loop.remove_reader(self._socket)
        self._socket = -1

    def _read(self, connection: psycopg.AsyncConnection) -> None:
        """Take what has been notified; called by the loop when there is something to read."""
        pgconn = connection.pgconn
        try:
            pgconn.consume_input()
        except psycopg.OperationalError as error:
            logger.warning("The channel layer's connection was lost: %s", " ".join(str(error).split()))
            self._drop()
            self._keep()
            return
        while (notify := pgconn.notifies()) is not None:
            self._take(notify.relname.decode(), notify.extra.decode())

    def _drop(self) -> None:
        self._ignore()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.pgconn.finish()

    def _keep(self) -> None:
        """Connect again by itself where somebody listens."""
        if self._listeners and (self._keeper is None or self._keeper.done()):
            self._keeper = self._loop.create_task(self._reconnect(), name="postgres-layer")

    async def _reconnect(self) -> None:
        wait = FIRST_WAIT_SECONDS
        while self._listeners and self._connection is None:
            # At different times: a server that comes back is asked by everybody.
            await asyncio.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311
            try:
                # Any statement connects, and so listens again to all names.
                await self._execute(sql.SQL("SELECT 1"))
            except psycopg.Error as error:
                logger.debug("The channel layer isn't back yet: %s", error)
            wait = min(2 * wait, LONGEST_WAIT_SECONDS)

    # Who gets what.

    def _take(self, name: str, payload: str) -> None:
        listeners = self._listeners.get(name)
        message = None if listeners is None else self._joiners.setdefault(name, Joiner()).take(payload)
        if message is None or listeners is None:
            return
        for channel in listeners:
            queue = self._queues.get(channel)
            if queue is not None:
                queue.put(dict(message))

    def _remove(self, name: str, channel: str) -> bool:
        """Let a channel get no more of a name, and tell whether nobody is left who does."""
        listeners = self._listeners.get(name)
        if listeners is None:
            return False
        listeners.discard(channel)
        if listeners:
            return False
        del self._listeners[name]
        self._joiners.pop(name, None)
        return True

    def _give_up(self, channel: str) -> None:
        self._queues.pop(channel, None)
        for name in list(self._names_of(channel)):
            if self._remove(name, channel) and self._connection is not None:
                task = self._loop.create_task(self._tidy(name))
                self._tidying.add(task)
                task.add_done_callback(self._tidying.discard)

    def _names_of(self, channel: str) -> Iterator[str]:
        return (name for name, listeners in self._listeners.items() if channel in listeners)

    async def _unlisten(self, name: str) -> None:
        await self._execute(sql.SQL("UNLISTEN {}").format(sql.Identifier(name)))
        if name in self._listeners:
            # Somebody has come back while that was under way.
            await self._execute(sql.SQL("LISTEN {}").format(sql.Identifier(name)))

    async def _tidy(self, name: str) -> None:
        try:
            await self._unlisten(name)
        except psycopg.Error as error:
            # A connection that is gone listens to nothing.
            logger.debug("%s is still listened to: %s", name, error)
