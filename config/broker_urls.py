"""Which broker and which channel layer the environment names."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from config.data_folder import socket_path
from config.problems import EnvironmentProblem
from config.variables import Variables

_REDIS_SCHEMES = ("redis", "rediss", "unix", "valkey", "valkeys")
_BROKER_SCHEMES = (*_REDIS_SCHEMES, "amqp", "amqps")
_POSTGRES_SCHEMES = ("postgres", "postgresql")
_LAYER_SCHEMES = (*_REDIS_SCHEMES, *_POSTGRES_SCHEMES)

#: Stands for a channel layer in the site's own database.
DATABASE_LAYER = "database:"


@dataclass(frozen=True, kw_only=True)
class BrokerUrls:
    """Where broker (in Celery's writing) and channel layer (in redis-py's or libpq's) are, and which variables said so.

    A channel layer in the site's own database is DATABASE_LAYER.
    """

    #: The socket of the Valkey that the supervisor is to run, which is both; None when they are given.
    embedded_socket: Path | None
    url: str
    layer_url: str
    #: Empty for the embedded one.
    variable: str = ""
    layer_variable: str = ""


def read_broker(read: Variables, *, data_folder: Path, on_postgresql: bool) -> BrokerUrls:
    """Read REDIS_URL, BROKER_URL and CHANNEL_LAYER_URL; raise EnvironmentProblem when they don't make a whole.

    A RabbitMQ carries no live updates: without a Redis the database does, where it is a PostgreSQL.
    """
    urls = {
        "REDIS_URL": read.url("REDIS_URL", _REDIS_SCHEMES),
        "BROKER_URL": read.url("BROKER_URL", _BROKER_SCHEMES),
        "CHANNEL_LAYER_URL": read.url("CHANNEL_LAYER_URL", _LAYER_SCHEMES),
    }
    given = [name for name, url in urls.items() if url]
    if not given:
        path = socket_path(data_folder)
        return BrokerUrls(embedded_socket=path, url=celery_url(f"unix://{path}"), layer_url=f"unix://{path}")
    if given == ["CHANNEL_LAYER_URL"]:
        raise EnvironmentProblem("CHANNEL_LAYER_URL is set but no broker is: set BROKER_URL too, or only REDIS_URL")
    variable = next(name for name in ("BROKER_URL", "REDIS_URL") if name in given)
    layer_variable: str = next(name for name in ("CHANNEL_LAYER_URL", "REDIS_URL", "BROKER_URL") if name in given)
    layer_url = _redis_url(urls[layer_variable])
    if layer_url.startswith("amqp"):
        if not on_postgresql:
            raise EnvironmentProblem(
                "BROKER_URL is a RabbitMQ, which can't carry live updates: set CHANNEL_LAYER_URL to a redis:// or"
                " postgres:// URL too, or DATABASE_URL to a PostgreSQL"
            )
        layer_url, layer_variable = DATABASE_LAYER, "DATABASE_URL"
    return BrokerUrls(
        embedded_socket=None,
        url=celery_url(urls[variable]),
        variable=variable,
        layer_url=layer_url,
        layer_variable=layer_variable,
    )


def is_postgres(layer_url: str) -> bool:
    """Tell whether a channel layer is a PostgreSQL of its own."""
    return layer_url.startswith(_POSTGRES_SCHEMES)


def celery_url(url: str) -> str:
    """Write a redis-py URL the way Celery's transport wants it: sockets have a scheme of their own there."""
    if not url.startswith("unix:"):
        return _redis_url(url)
    parts = urlsplit(url)
    query = parts.query.replace("db=", "virtual_host=")
    return f"redis+socket://{parts.path}" + (f"?{query}" if query else "")


def _redis_url(url: str) -> str:
    return url.replace("valkey", "redis", 1) if url.startswith("valkey") else url
