"""The embedded Valkey."""

import stat
import subprocess

import pytest
import redis

from config.problems import EnvironmentProblem
from config.supervisor import broker as broker_module
from config.supervisor.broker import EmbeddedBroker, answers, broker_command, stop_leftover


@pytest.fixture
def server(data_folder):
    embedded = EmbeddedBroker(data_folder=data_folder)
    embedded.start()
    yield embedded
    embedded.stop()


def test_it_serves_its_owner_only_and_no_port(server):
    assert answers(server.socket_path)
    assert stat.S_IMODE(server.socket_path.stat().st_mode) == 0o700
    assert stat.S_IMODE(server.socket_path.parent.stat().st_mode) == 0o700
    with redis.Redis.from_url(server.url) as client:
        assert client.config_get("port")["port"] == "0"


def test_what_it_took_survives_a_kill(server):
    with redis.Redis.from_url(server.url) as client:
        client.lpush("default", "hint")
    server.stop(sharply=True)
    server.start()
    with redis.Redis.from_url(server.url) as client:
        assert client.llen("default") == 1


def test_a_server_that_outlived_its_supervisor_is_stopped(server):
    stop_leftover(server.socket_path)
    assert not answers(server.socket_path)


def test_nothing_to_stop_is_fine(data_folder):
    stop_leftover(data_folder / "run" / "valkey.sock")


def test_stopping_twice_is_fine(server):
    server.stop()
    server.stop()
    assert not answers(server.socket_path)


def test_without_the_wheel_a_server_on_the_path_is_used(data_folder, tmp_path, monkeypatch):
    other = tmp_path / "redis-server"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    monkeypatch.setattr(broker_module.metadata, "files", _no_wheel)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert broker_command(data_folder=data_folder)[0] == str(other)


def test_without_any_server_one_line_says_what_to_do(data_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(broker_module.metadata, "files", _no_wheel)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentProblem, match="install valkey-server or redis-server, or set REDIS_URL"):
        broker_command(data_folder=data_folder)


def test_the_wheel_is_found_and_runs():
    version = subprocess.run(
        [broker_module.find_server_binary(), "--version"], capture_output=True, text=True, check=True
    )
    assert "server v=" in version.stdout


def _no_wheel(name):
    raise broker_module.metadata.PackageNotFoundError(name)
