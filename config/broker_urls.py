"""Which broker and which channel layer the environment names."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from config.data_folder import socket_path
from config.problems import EnvironmentProblem
from config.variables import Variables

_REDIS_SCHEMES = ("redis", "rediss", "unix", "valkey", "valkeys")
_BROKER_SCHEMES = (*_REDIS_SCHEMES, "amqp", "amqps")


@dataclass(frozen=True, kw_only=True)
class BrokerUrls:
    """Where the broker (in Celery's writing) and the channel layer (in redis-py's) are, and which variables said so."""

    #: The socket of the Valkey that the supervisor is to run, which is both; None when they are given.
    embedded_socket: Path | None
    url: str
    layer_url: str
    #: Empty for the embedded one.
    variable: str = ""
    layer_variable: str = ""


def read_broker(read: Variables, *, data_folder: Path) -> BrokerUrls:
    """Read REDIS_URL, BROKER_URL and CHANNEL_LAYER_URL; raise EnvironmentProblem when they don't make a whole."""
    urls = {
        "REDIS_URL": read.url("REDIS_URL", _REDIS_SCHEMES),
        "BROKER_URL": read.url("BROKER_URL", _BROKER_SCHEMES),
        "CHANNEL_LAYER_URL": read.url("CHANNEL_LAYER_URL", _REDIS_SCHEMES),
    }
    given = [name for name, url in urls.items() if url]
    if not given:
        path = socket_path(data_folder)
        return BrokerUrls(embedded_socket=path, url=celery_url(f"unix://{path}"), layer_url=f"unix://{path}")
    if given == ["CHANNEL_LAYER_URL"]:
        raise EnvironmentProblem("CHANNEL_LAYER_URL is set but no broker is: set BROKER_URL too, or only REDIS_URL")
    if given == ["BROKER_URL"] and urls["BROKER_URL"].startswith("amqp"):
        raise EnvironmentProblem(
            "BROKER_URL is a RabbitMQ, which can't carry live updates: set CHANNEL_LAYER_URL to a redis:// URL too"
        )
    variable = next(name for name in ("BROKER_URL", "REDIS_URL") if name in given)
    layer_variable = next(name for name in ("CHANNEL_LAYER_URL", "REDIS_URL", "BROKER_URL") if name in given)
    return BrokerUrls(
        embedded_socket=None,
        url=celery_url(urls[variable]),
        variable=variable,
        layer_url=_redis_url(urls[layer_variable]),
        layer_variable=layer_variable,
    )


def celery_url(url: str) -> str:
    """Write a redis-py URL the way Celery's transport wants it: sockets have a scheme of their own there."""
    if not url.startswith("unix:"):
        return _redis_url(url)
    parts = urlsplit(url)
    query = parts.query.replace("db=", "virtual_host=")
    return f"redis+socket://{parts.path}" + (f"?{query}" if query else "")


def _redis_url(url: str) -> str:
    return url.replace("valkey", "redis", 1) if url.startswith("valkey") else url
