"""Do the database and the broker that the environment names answer? Asked once, before anything is started."""

from django.db import DatabaseError, connections
from kombu import Connection

from config.broker_urls import celery_url
from config.environment import Environment
from config.problems import EnvironmentProblem

#: How long each server may take to answer.
TIMEOUT_SECONDS = 5


def check_servers(environment: Environment) -> None:
    """Connect to the database and to the given broker and channel layer, and leave them again.

    The embedded broker isn't asked: it is yet to be started. Raises EnvironmentProblem, which names the variable.
    """
    _check_database(environment)
    if environment.embedded_broker_socket is not None:
        return
    _check_broker(environment.broker_url, variable=environment.broker_variable, what="broker")
    layer_url = celery_url(environment.channel_layer_url)
    if layer_url != environment.broker_url:
        _check_broker(layer_url, variable=environment.channel_layer_variable, what="channel layer")


def _check_database(environment: Environment) -> None:
    connection = connections["default"]
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


def _check_broker(url: str, *, variable: str, what: str) -> None:
    # Celery's own client asks, since it is the one that must get through; it speaks to Redis and RabbitMQ alike.
    options = {} if url.startswith("amqp") else {"socket_connect_timeout": TIMEOUT_SECONDS}
    with Connection(url, connect_timeout=TIMEOUT_SECONDS, transport_options=options) as connection:
        try:
            connection.connect()
            connection.channel()
        except (*connection.connection_errors, *connection.channel_errors) as error:
            raise EnvironmentProblem(f"{variable}: the {what} can't be reached: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    """Return the error's message as one line; drivers like to write paragraphs."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
