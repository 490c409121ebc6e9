"""The data folder: private files, one secret, a socket path that fits."""

import os
import stat
import tempfile
import threading
from pathlib import Path

import pytest

from config.data_folder import (
    SOCKET_PATH_LIMIT_BYTES,
    ensure_private_folder,
    prepare_socket_folder,
    read_or_create_secret,
    socket_path,
    write_private_file,
)
from config.problems import EnvironmentProblem


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_secret_is_made_once_for_its_owner_only(data_folder):
    first = read_or_create_secret(data_folder / "secret-key")
    assert len(first) >= 50
    assert read_or_create_secret(data_folder / "secret-key") == first
    assert mode(data_folder / "secret-key") == 0o600
    assert os.listdir(data_folder) == ["secret-key"]


def test_processes_that_start_together_agree_on_the_secret(data_folder):
    barrier = threading.Barrier(8)
    secrets: list[str] = []

    def start():
        barrier.wait()
        secrets.append(read_or_create_secret(data_folder / "secret-key"))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(secrets) == 8
    assert len(set(secrets)) == 1
    assert os.listdir(data_folder) == ["secret-key"]


def test_a_private_file_replaces_whatever_was_there(data_folder):
    path = data_folder / "file"
    path.write_text("old")
    path.chmod(0o644)
    write_private_file(path, "new")
    assert path.read_text() == "new"
    assert mode(path) == 0o600


def test_a_folder_that_cannot_be_made_is_one_clear_line(data_folder):
    (data_folder / "file").write_text("")
    with pytest.raises(EnvironmentProblem, match=r"can't create the folder .*file/inside .*set STEPLINE_DATA_DIR"):
        ensure_private_folder(data_folder / "file" / "inside")


def test_the_socket_lies_in_a_private_folder_of_the_data_folder(short_folder):
    path = prepare_socket_folder(short_folder)
    assert path == short_folder / "run" / "valkey.sock"
    assert mode(path.parent) == 0o700


def test_a_path_too_long_for_a_socket_moves_to_a_private_temporary_folder(long_folder):
    path = prepare_socket_folder(long_folder)
    try:
        assert len(os.fsencode(path)) <= SOCKET_PATH_LIMIT_BYTES
        assert mode(path.parent) == 0o700
        assert path == socket_path(long_folder)
    finally:
        path.parent.rmdir()


def test_a_process_with_another_temporary_folder_finds_the_same_socket(long_folder, tmp_path, monkeypatch):
    path = prepare_socket_folder(long_folder)
    try:
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        assert socket_path(long_folder) == path
    finally:
        path.parent.rmdir()


def test_a_socket_folder_that_others_may_enter_is_refused(long_folder):
    path = prepare_socket_folder(long_folder)
    try:
        path.parent.chmod(0o755)
        with pytest.raises(EnvironmentProblem, match="isn't private to this user"):
            prepare_socket_folder(long_folder)
    finally:
        path.parent.rmdir()


@pytest.fixture
def short_folder():
    """Return a data folder with a short path, wherever pytest keeps its own."""
    with tempfile.TemporaryDirectory(prefix="s-", dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture
def long_folder(data_folder):
    folder = data_folder / ("d" * 120)
    folder.mkdir(mode=0o700)
    return folder
