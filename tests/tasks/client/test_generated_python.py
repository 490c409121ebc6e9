"""Clients in Python: the strictest checker takes them, and holds whoever uses them to their types."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.domain.client_code import Surface, write_python
from tests.tasks.domain.client_code.surface_kit import SITE

ROOT = Path(__file__).parents[3]

USE = """
from typing import Any, assert_type

from client import (
    Address, ExportUsersInput, ExportUsersOutput, LongStep, Meta, call, count_lines, health, import_, shop_get_order,
    track_2024_report, track_csv_import, track_export_users, track_send_mail, track_unchecked,
)
from tasks.client import Client, Update

address: Address = {"street": "Main Street 1"}
given: ExportUsersInput = {
    "user_id": 7, "colour": "red", "when": "2026-11-20T12:00:00Z", "address": address, "tags": ["a", 1],
    "pair": [1, "a"], "shape": {"kind": "circle", "radius": 1.0}, "by_city": {"Bonn": [address]}, "level": None,
    "price": "1.5", "from": "x", "odd": {"a": 1}, "more": {"any": ["thing"]},
    "tree": {"name": "a", "children": [{"name": "b"}]},
}
step: LongStep = "step_number_19"
meta: Meta = {"file": "a.csv"}


def tell(update: Update) -> None:
    print(update["type"])


async def use(client: Client) -> None:
    assert_type(await count_lines({"text": "a", "class": True}, client=client), int)
    assert_type(count_lines({"text": "a"}, key="k").sync(), int)
    assert_type(await shop_get_order(), dict[str, str])
    assert_type(await track_export_users(given, client=client, on_update=tell).result, ExportUsersOutput)
    print((await track_send_mail({"to": {"line": 1}}).result)["line"] + 1)
    print(track_unchecked({"whatever": 1}), track_csv_import({"file": 1, "other": 2}), track_csv_import())
    print(track_2024_report(), await health(), await import_(), await call(), step, meta)


count_lines({})  # type: ignore[typeddict-item]
count_lines({"text": 1})  # type: ignore[typeddict-item]
count_lines({"text": "a", "lines": 1})  # type: ignore[typeddict-unknown-key]
health({"a": 1})  # type: ignore[arg-type, call-arg]
track_export_users()  # type: ignore[call-arg]
wrong: LongStep = "step_number_20"  # type: ignore[assignment]
"""


@pytest.fixture
def checked(tmp_path: Path) -> str:
    """Return what the checker says of the client and its use."""
    (tmp_path / "client.py").write_text(write_python(SITE), encoding="utf-8")
    (tmp_path / "use.py").write_text(USE)
    (tmp_path / "mypy.ini").write_text("[mypy]\n")
    ended = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "client.py", "use.py"],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    return ended.stdout + ended.stderr


def test_it_passes_and_holds_its_users_to_its_types(checked: str) -> None:
    assert checked == "Success: no issues found in 2 source files\n"


def test_it_runs() -> None:
    space: dict[str, object] = {"__name__": "client"}
    exec(compile(write_python(SITE), "client.py", "exec"), space)
    assert "as \"\"\" ''' `${x}` are" in str(space["track_export_users"].__doc__)


def test_the_same_site_gives_the_same_text() -> None:
    turned = Surface(offered=list(SITE.offered)[::-1], meta=SITE.meta)
    assert write_python(turned) == write_python(SITE)


def test_a_site_that_offers_nothing_is_a_module_all_the_same() -> None:
    exec(compile(write_python(Surface(offered=[])), "client.py", "exec"), {})


def test_models_of_one_name_are_one_type_only_where_they_say_the_same() -> None:
    text = write_python(SITE)
    assert text.count("class Address(TypedDict):") == 1
    assert "    to: SendMailInputAddress\n" in text
    assert '"by_city": "NotRequired[dict[str, list[Address]] | None]"' in text
