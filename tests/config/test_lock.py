"""One supervisor per data folder; ports."""

import os
import socket

import pytest

from config.problems import EnvironmentProblem
from config.supervisor.lock import FolderLock
from config.supervisor.ports import claim_port, is_loopback


def test_a_second_one_is_told_who_holds_the_folder(data_folder):
    with FolderLock(data_folder=data_folder, address="http://127.0.0.1:8000/"):
        with pytest.raises(EnvironmentProblem) as caught, FolderLock(data_folder=data_folder, address="http://x/"):
            pass
        message = str(caught.value)
    assert message == (
        f"already running: process {os.getpid()} (http://127.0.0.1:8000/) uses {data_folder}:"
        " stop it first, or set STEPLINE_DATA_DIR to another folder"
    )


def test_the_folder_is_free_again_afterwards(data_folder):
    for _ in range(2):
        with FolderLock(data_folder=data_folder, address="http://127.0.0.1:8000/"):
            pass


def test_two_folders_do_not_meet(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    with FolderLock(data_folder=tmp_path / "a", address="x"), FolderLock(data_folder=tmp_path / "b", address="y"):
        pass


def test_a_free_port_is_found():
    port = claim_port("127.0.0.1", 0)
    assert port > 0
    assert claim_port("127.0.0.1", port) == port


def test_a_taken_port_is_one_line_with_the_cure():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(EnvironmentProblem, match=f"port {port} on 127.0.0.1 is taken: .*PORT="):
            claim_port("127.0.0.1", port)


@pytest.mark.parametrize(("host", "port"), [("203.0.113.1", 8000), ("no such host", 8000), ("127.0.0.1", 70_000)])
def test_an_address_that_cannot_be_listened_on_is_one_line(host, port):
    with pytest.raises(EnvironmentProblem, match="can't listen on"):
        claim_port(host, port)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("192.168.1.1", False),
        ("example.com", False),
        ("", False),
    ],
)
def test_loopback_is_this_machine_alone(host, expected):
    assert is_loopback(host) is expected
