"""Servers that the environment names: asked before the start, and not for long."""

import socket

import pytest

from config.environment import EnvironmentProblem, load_environment
from config.servers import check_servers


@pytest.fixture
def silent_port():
    """Return a port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("variables", "complaint"),
    [
        ({"REDIS_URL": "redis://127.0.0.1:{port}/0"}, "REDIS_URL: the broker"),
        (
            {"BROKER_URL": "amqp://127.0.0.1:{port}//", "CHANNEL_LAYER_URL": "{answering}"},
            "BROKER_URL: the broker",
        ),
        (
            {"BROKER_URL": "{answering}", "CHANNEL_LAYER_URL": "redis://127.0.0.1:{port}/0"},
            "CHANNEL_LAYER_URL: the channel layer",
        ),
        (
            {"BROKER_URL": "{answering}", "CHANNEL_LAYER_URL": "postgres://127.0.0.1:{port}/layer"},
            "CHANNEL_LAYER_URL: the channel layer",
        ),
    ],
)
@pytest.mark.timeout(20)
def test_a_silent_server_is_given_up(data_folder, broker, silent_port, variables, complaint):
    given = {name: url.format(port=silent_port, answering=broker.url) for name, url in variables.items()}
    environment = load_environment({"STEPLINE_DATA_DIR": str(data_folder), **given})
    with pytest.raises(EnvironmentProblem, match=f"^{complaint} can't be reached: "):
        check_servers(environment, timeout_seconds=0.1)


@pytest.mark.django_db
def test_servers_that_answer_are_left_in_peace(data_folder, broker):
    environment = load_environment({"STEPLINE_DATA_DIR": str(data_folder), "REDIS_URL": broker.url})
    check_servers(environment)
