import re
import subprocess
from pathlib import Path

import pytest

from benchmarks.__main__ import Peers
from benchmarks.peers_environment import LOCK_FILE, PeersMissing, make_peers_environment, peers_python
from benchmarks.surroundings import variables

PINS = re.compile(r"^([a-z0-9-]+)(?:\[[a-z0-9,-]+\])?==\S+", re.MULTILINE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "peers"


@pytest.fixture
def lock_file(tmp_path: Path) -> Path:
    # Of nothing, so that nothing is fetched.
    file = tmp_path / "peers.txt"
    file.write_text("# nothing\n")
    return file


def test_an_environment_is_made_that_sees_nothing_of_ours(folder: Path, lock_file: Path) -> None:
    python = make_peers_environment(folder=folder, lock_file=lock_file)
    found = subprocess.run([python, "-c", "import django"], capture_output=True, text=True, check=False)
    assert "ModuleNotFoundError" in found.stderr


def test_what_is_up_to_date_is_left_alone(folder: Path, lock_file: Path) -> None:
    make_peers_environment(folder=folder, lock_file=lock_file)
    (folder / "still-there").touch()
    make_peers_environment(folder=folder, lock_file=lock_file)
    assert (folder / "still-there").exists()


def test_another_lock_makes_it_anew(folder: Path, lock_file: Path) -> None:
    make_peers_environment(folder=folder, lock_file=lock_file)
    (folder / "still-there").touch()
    lock_file.write_text("# something else\n")
    make_peers_environment(folder=folder, lock_file=lock_file)
    assert not (folder / "still-there").exists()


def test_one_that_could_not_be_made_says_why_and_is_made_the_next_time(folder: Path, lock_file: Path) -> None:
    lock_file.write_text("package==1.0\n")  # without a hash
    with pytest.raises(PeersMissing, match=r"uv pip failed: .*hash"):
        make_peers_environment(folder=folder, lock_file=lock_file)
    lock_file.write_text("# nothing\n")
    assert make_peers_environment(folder=folder, lock_file=lock_file).exists()


def test_nobody_else_looks_into_a_data_folder_that_comes_into_being_with_it(folder: Path, lock_file: Path) -> None:
    make_peers_environment(folder=folder, lock_file=lock_file)
    assert folder.parent.stat().st_mode & 0o077 == 0


def test_what_cannot_be_made_is_tried_once_and_remembered() -> None:
    tries = []

    def make() -> Path:
        tries.append("try")
        raise PeersMissing("no way out")

    peers = Peers(make)
    assert [peers.python(), peers.python()] == [None, None]
    assert (tries, peers.obstacle) == (["try"], "no way out")


def test_a_benchmark_is_told_of_the_environment_or_knows_of_none(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    for python in (None, tmp_path / "python"):
        given = variables(data_folder=tmp_path, database_url=None, peers_python=python)
        with monkeypatch.context() as patch:
            patch.delenv("STEPLINE_BENCH_PEERS_PYTHON", raising=False)
            for name, value in given.items():
                patch.setenv(name, value)
            assert peers_python() == (None if python is None else str(python))


def pins(file: Path) -> set[str]:
    return set(PINS.findall(file.read_text()))


def test_these_peers_are_in_no_environment_of_ours() -> None:
    peers = {"dbos", "django-viewflow", "prefect"}
    assert peers <= pins(LOCK_FILE)
    for name in ("runtime", "dev"):
        assert not peers & pins(LOCK_FILE.with_name(f"{name}.txt"))


def test_every_pin_of_theirs_has_its_hash_and_none_names_where_it_comes_from() -> None:
    text = LOCK_FILE.read_text()
    entries = [entry for entry in re.split(r"\n(?=[a-z0-9])", text) if PINS.match(entry)]
    assert len(entries) > 50
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in text
