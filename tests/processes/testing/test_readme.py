"""The examples in README.md work as they stand."""

import json
import re
from pathlib import Path

from processes.registry import ScriptRegistry
from processes.testing import run, run_script

TEXT = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
    return str(found)


def test_the_process_runs_with_the_data_of_the_command() -> None:
    command = re.search(r"run_process order\.json --action (\w+) --data '([^']+)'", TEXT)
    assert command is not None
    ran = run(json.loads(block("json")), action=command[1], data=json.loads(command[2]))
    assert ran.or_raise().actions == ["check", "thank"]
    assert ran.response.content == "<p>We send you: a cup.</p>"


def test_its_form_comes_first(db: None) -> None:
    assert run(json.loads(block("json"))).or_raise().response.title == "Order"


def test_the_script_counts_what_it_packs() -> None:
    source = block("python").replace("from processes.registry import task_script", "")
    names = {"task_script": ScriptRegistry().task_script}
    exec(compile(source, "README.md", "exec"), names)
    ran = run_script(names["pack_items"], data={"items": ["cup", "pot"]})
    assert ran.or_raise().data["packed"] == 2
    assert ran.output == "2 items packed\n"
