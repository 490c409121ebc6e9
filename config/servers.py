"""Do the database and the broker that the environment names answer? Asked once, before anything is started."""

from math import ceil

import psycopg
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections
from kombu import Connection

from config.broker_urls import DATABASE_LAYER, celery_url, is_postgres
from config.environment import Environment
from config.problems import EnvironmentProblem

#: How long a server may be silent; the clients try twice. For the database see the settings.
TIMEOUT_SECONDS = 5.0


def check_servers(environment: Environment, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
    """Connect to the database and to the given broker and channel layer, and leave them again.

    The embedded broker isn't asked: it is yet to be started. Raises EnvironmentProblem, which names the variable.
    """
    _check_database(environment)
    if environment.embedded_broker_socket is not None:
        return
    broker_url, layer_url = environment.broker_url, environment.channel_layer_url
    _check_broker(broker_url, what=f"{environment.broker_variable}: the broker", timeout_seconds=timeout_seconds)
    what = f"{environment.channel_layer_variable}: the channel layer"
    if is_postgres(layer_url):
        _check_postgres(layer_url, what=what, timeout_seconds=timeout_seconds)
    elif layer_url != DATABASE_LAYER and celery_url(layer_url) != broker_url:
        _check_broker(celery_url(layer_url), what=what, timeout_seconds=timeout_seconds)


def _check_database(environment: Environment) -> None:
    # A connection of its own: the calling thread's may be in use.
    connection = connections.create_connection(DEFAULT_DB_ALIAS)
    try:
        connection.ensure_connection()
    except DatabaseError as error:
        if environment.uses_sqlite:
            raise EnvironmentProblem(
                f"can't use the database {environment.database['NAME']} ({_reason(error)}):"
                " check DATABASE_URL, STEPLINE_DATA_DIR and the file's permissions"
            ) from error
        raise EnvironmentProblem(f"DATABASE_URL: the database can't be reached: {_reason(error)}") from error
    finally:
        connection.close()


def _check_broker(url: str, *, what: str, timeout_seconds: float) -> None:
    # Celery's own client asks, since it is the one that must get through; it speaks to Redis and RabbitMQ alike.
    # Whoever accepts the connection may still never say a word.
    limits = {"socket_connect_timeout": timeout_seconds, "socket_timeout": timeout_seconds}
    options = {} if url.startswith("amqp") else limits
    with Connection(url, connect_timeout=timeout_seconds, transport_options=options) as connection:
        try:
            connection.connect()
            connection.channel()
        except (*connection.connection_errors, *connection.channel_errors) as error:
            raise EnvironmentProblem(f"{what} can't be reached: {_reason(error)}") from error


def _check_postgres(url: str, *, what: str, timeout_seconds: float) -> None:
    try:
        # Whole seconds, and two at least, whatever is said.
        psycopg.connect(url, connect_timeout=ceil(timeout_seconds)).close()
    except psycopg.Error as error:
        raise EnvironmentProblem(f"{what} can't be reached: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    """Return the error's message as one line; drivers like to write paragraphs."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
