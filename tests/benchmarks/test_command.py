import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec

import pytest

from benchmarks.__main__ import main
from benchmarks.catalogue import BENCHMARKS
from benchmarks.surroundings import variables


@pytest.mark.parametrize("arguments", [["nonsense"], ["interpreter", "--runs", "0"], ["--runs", "many"]])
def test_wrong_arguments_are_refused_before_anything_is_measured(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("benchmark", BENCHMARKS.values(), ids=list(BENCHMARKS))
def test_every_benchmark_has_a_module_and_numbers_of_runs(benchmark):
    # Not imported: a module may register jobs, which other tests of this process would see.
    assert find_spec(benchmark.module) is not None
    assert 1 <= benchmark.quick_runs <= benchmark.runs


def test_a_benchmark_never_sees_the_databases_and_brokers_of_the_shell(monkeypatch, tmp_path):
    for name in ("DATABASE_URL", "REDIS_URL", "BROKER_URL", "CHANNEL_LAYER_URL", "STEPLINE_WORKERS"):
        monkeypatch.setenv(name, "postgres://somebody.example/data")
    found = variables(data_folder=tmp_path, database_url=None)
    assert not [name for name, value in found.items() if "somebody" in value]
    assert found["STEPLINE_DATA_DIR"] == str(tmp_path)
    assert variables(data_folder=tmp_path, database_url="postgres://ours")["DATABASE_URL"] == "postgres://ours"


@pytest.mark.acceptance
def test_the_command_prints_json_lines_and_ends_its_other_output_with_a_summary(tmp_path):
    completed = subprocess.run(
        [sys.executable, "-m", "benchmarks", "interpreter", "--quick", "--runs", "1"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "TMPDIR": str(tmp_path)},
        timeout=120,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr
    figures = [json.loads(line) for line in completed.stdout.splitlines()]
    assert len(figures) == 5
    assert all(figure["runs"] == 1 and figure["value"] > 0 for figure in figures)
    assert "of 5 goals reached" in completed.stderr.splitlines()[-2]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.acceptance
def test_peers_that_are_not_installed_are_left_out_and_the_rest_is_measured(tmp_path):
    completed = subprocess.run(
        [sys.executable, "-m", "benchmarks.child", "benchmarks.runner", "durable", "1", "quick"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=variables(data_folder=tmp_path, database_url=None),
        timeout=150,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr
    figures = [json.loads(line) for line in completed.stdout.splitlines()]
    assert figures
    assert all(figure["value"] > 0 for figure in figures)
    assert not [figure for figure in figures if re.search("DBOS|viewflow|Prefect", figure["peer"] or "")]
