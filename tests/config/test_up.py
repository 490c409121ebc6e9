"""`manage.py up`: refusals of one line."""

import os
import re
import socket
import sys
from dataclasses import replace

import pytest

from config.supervisor.lock import FolderLock
from config.supervisor.services import plan_services


@pytest.fixture
def up(start):
    """Start `manage.py up` with these options."""

    def start_up(*options: str, **variables: str):
        return start([sys.executable, "manage.py", "up", "--no-color", *options], **variables)

    return start_up


@pytest.fixture
def closed_port():
    """Return a port of this machine that is taken and refuses connections."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def test_a_taken_port_is_one_line(up):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        program = up("--port", str(port))
        assert program.wait() == 1
    assert program.lines == [
        f"stepline: port {port} on 127.0.0.1 is taken: stop what listens there, or choose another,"
        f" for example PORT={port + 1}"
    ]


def test_a_second_one_on_the_same_data_is_one_line(up, data_folder):
    with FolderLock(data_folder=data_folder, address="http://127.0.0.1:8000/"):
        program = up("--port", "0")
        assert program.wait() == 1
    assert len(program.lines) == 1
    assert f"already running: process {os.getpid()} (http://127.0.0.1:8000/)" in program.output


def test_debug_is_for_this_machine_only(up):
    program = up("--host", "0.0.0.0", "--port", "0", DEBUG="1")
    assert program.wait() == 1
    assert len(program.lines) == 1
    assert "DEBUG shows secrets to whoever can connect" in program.output


def test_a_data_folder_that_cannot_be_written_is_one_line(up, data_folder):
    (data_folder / "file").write_text("")
    program = up("--port", "0", STEPLINE_DATA_DIR=str(data_folder / "file"))
    assert program.wait() == 1
    assert len(program.lines) == 1
    assert "STEPLINE_DATA_DIR" in program.output


def test_no_workers_is_one_line(up):
    program = up("--port", "0", "--workers", "0")
    assert program.wait() == 1
    assert program.lines == ["stepline: --workers 0 is too small: give 1 or more"]


def test_a_port_that_is_no_number_is_one_line(up):
    program = up("--port", "http")
    assert program.wait() == 1
    assert program.lines == ["stepline: can't listen on port 'http': a port is a number up to 65535"]


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        (
            {"DATABASE_URL": "postgres://me:secret@127.0.0.1:{port}/engine"},
            "stepline: DATABASE_URL: the database can't be reached: .*Connection refused.*",
        ),
        (
            {"DATABASE_URL": "sqlite:////no/such/folder/db.sqlite3"},
            "stepline: can't use the database /no/such/folder/db.sqlite3 .unable to open database file.: .*",
        ),
        (
            {"REDIS_URL": "redis://:secret@127.0.0.1:{port}/0"},
            "stepline: REDIS_URL: the broker can't be reached: .*Connection refused",
        ),
        (
            {"REDIS_URL": "redis://127.0.0.1:{port}/0", "BROKER_URL": "amqp://me:secret@127.0.0.1:{port}//"},
            "stepline: BROKER_URL: the broker can't be reached: .*Connection refused",
        ),
        (
            {"CHANNEL_LAYER_URL": "redis://127.0.0.1:{port}/0", "BROKER_URL": "{broker}"},
            "stepline: CHANNEL_LAYER_URL: the channel layer can't be reached: .*Connection refused",
        ),
    ],
)
def test_a_server_that_cannot_be_reached_is_one_line_that_names_the_variable(up, broker, closed_port, variables, line):
    given = {name: value.format(port=closed_port, broker=broker.url) for name, value in variables.items()}
    program = up("--port", "0", **given)
    assert program.wait() == 1
    assert len(program.lines) == 1
    assert re.fullmatch(line, program.lines[0])
    assert "secret" not in program.output


def test_the_start_order(settings):
    services = plan_services(settings.ENVIRONMENT, host="127.0.0.1", port=8000, worker_processes=3)
    assert [service.name for service in services] == ["broker", "prepare", "dispatcher", "worker", "beat", "web"]
    assert [service.name for service in services if service.gate] == ["broker", "prepare"]


def test_a_given_broker_is_not_started(settings):
    environment = replace(settings.ENVIRONMENT, embedded_broker_socket=None, broker_url="redis://h/0")
    services = plan_services(environment, host="127.0.0.1", port=8000, worker_processes=3)
    assert [service.name for service in services] == ["prepare", "dispatcher", "worker", "beat", "web"]
