"""`manage.py generate_client`: what is declared and published, in a file that can be held against the site."""

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError

from processes.services.offering import offered_processes
from tasks import job, query
from tasks.registry import CallContext, JobContext, functions
from tests.processes.services.published import action, page, publish_process, save_process

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _site(own_declarations: None) -> None:
    @query("test.count")
    def count(context: CallContext, text: str) -> int:
        """Count."""
        return len(text)

    @job("test.export", access="staff")
    def export(context: JobContext, rows: int = 1) -> dict[str, int]:
        return {"rows": rows}

    @job("test.hidden")
    def hidden(context: JobContext) -> None:
        """Be nobody's."""

    publish_process(
        "test-import",
        [
            action("read", "set_data", config={"values": {"file": "%{param:file}", "note": "%{param:by} at %{now}"}}),
            page("show", "%{param:file} %{data:note}"),
            action("@error", "noop"),
        ],
    )
    save_process("test-draft", [action("a")])
    publish_process("test-abstract", [action("a")], abstract=True)


def generate(*arguments: str, **options: Any) -> str:
    out = StringIO()
    call_command("generate_client", *arguments, stdout=out, **options)
    return out.getvalue()


def test_a_process_is_offered_with_its_parameters_and_steps() -> None:
    offers = {offer.name: offer for offer in offered_processes()}
    assert not offers.keys() & {"test-draft", "test-abstract"}
    found = offers["test-import"]
    assert (found.description, found.arguments, found.steps) == ("Test-import", ("by", "file"), ("read", "show"))


def test_typescript() -> None:
    text = generate("--language", "typescript", "--import-from", "./stepline.js")
    assert 'import { call, createJobStore, createWorkflowStore } from "./stepline.js";' in text
    assert (
        "/** Count. */\nexport const testCount = (args: TestCountInput) =>\n"
        '  call<TestCountInput, TestCountOutput>("test.count", args);'
    ) in text
    assert "export const trackTestExport = (args: TestExportInput = {}) =>" in text
    assert "export type TestImportInput = {\n  by?: unknown;\n  file?: unknown;\n  [key: string]: unknown;\n};" in text
    assert 'export type TestImportStep = "read" | "show";' in text
    assert "estHidden" not in text
    assert "estDraft" not in text


def test_python() -> None:
    text = generate("--language", "python")
    compile(text, "client.py", "exec")
    assert "def test_count(\n    args: TestCountInput," in text
    assert ") -> Task[TestExportOutput]:" in text
    assert "def track_test_import(\n    args: TestImportInput | Mapping[str, Any] | None = None," in text


def test_a_file_is_written_and_held_against_the_site(tmp_path: Path) -> None:
    file = tmp_path / "client.py"
    arguments = ("--language", "python", "--output", str(file))
    with pytest.raises(SystemExit) as ended:
        generate(*arguments, "--check", stderr=StringIO())
    assert ended.value.code == 1
    assert generate(*arguments) == ""
    assert file.read_text() == generate("--language", "python")
    assert generate(*arguments, "--check") == ""

    functions.remove("test.count")
    told, changed = StringIO(), StringIO()
    with pytest.raises(SystemExit):
        call_command("generate_client", *arguments, "--check", stdout=changed, stderr=told)
    assert "out of date" in told.getvalue()
    assert "-def test_count(" in changed.getvalue()
    assert "def test_count(" in file.read_text()


def test_names_may_be_left_out() -> None:
    publish_process("test-export", [action("a")])
    with pytest.raises(CommandError, match=r"'test-export' and 'test\.export' would both be 'trackTestExport'"):
        generate("--language", "typescript")
    assert "trackTestExport" in generate("--language", "typescript", "--except", "test-export")


def test_what_is_in_code_needs_no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_table() -> Any:
        raise DatabaseError("no such table")

    monkeypatch.setattr(functions, "offers", no_table)
    with pytest.raises(CommandError, match="--code-only leaves them out"):
        generate("--language", "python")
    text = generate("--language", "python", "--code-only")
    assert "def test_count(" in text
    assert "test_import" not in text


@pytest.mark.parametrize(
    "arguments",
    [
        ("--language", "cobol"),
        ("--language", "python", "--check"),
        ("--language", "python", "--output", "/nowhere/client.py"),
        ("--language", "python", "--output", "/", "--check"),
    ],
)
def test_a_wrong_command_is_told(arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        generate(*arguments)
