"""Every standard script declares itself fully, and docs/scripts.md is what the registry says."""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from processes.domain.authoring.schema_words import config_tables
from processes.domain.scripts import ScriptSpec
from processes.registry import scripts
from processes.services.documents import load_document
from processes.testing import run

PAGE = Path(__file__).parents[3] / "docs" / "scripts.md"
STANDARD = [spec for spec in scripts if spec.module.startswith("processes.scripts.")]
WITH_RESULT = [spec for spec in STANDARD if spec.example is not None and spec.example.gives is not None]
WITHOUT_RESULT = [spec for spec in STANDARD if spec.example is not None and spec.example.gives is None]

#: What can't go wrong in any way of its own. A script whose errors were forgotten doesn't belong here.
ERRORLESS = {
    "check_progress", "copy_response_to_data", "end_progress", "end_progress_with_execute",
    "execute_in_background", "noop", "remove_credentials", "render_progress", "reset_error",
    "set_data", "set_state", "show_progress", "start_progress", "store_credentials",
}  # fmt: skip


def _name(spec: ScriptSpec) -> str:
    return spec.name


def test_the_page_is_current() -> None:
    call_command("document_scripts", output=PAGE, check=True, stdout=StringIO())


@pytest.mark.parametrize("spec", STANDARD, ids=_name)
def test_a_standard_script_declares_itself_fully(spec: ScriptSpec) -> None:
    assert spec.documentation.partition("\n")[0].endswith("."), "one sentence says what it does"
    for table in [] if spec.config is None else config_tables(spec.config):
        nameless = [key.name for key in table.keys if not key.description]
        assert not nameless, f"keys of {table.place or 'the config'} need a description: {nameless}"
    assert spec.example is not None, "it needs a worked example"
    assert bool(spec.errors) != (spec.name in ERRORLESS), "it declares its errors, or is listed as having none"
    assert all(code and when for code, when in spec.errors.items())


@pytest.mark.parametrize(
    ("spoken", "name"),
    [
        ("Save data", "save_data"), ("Load data", "load_data"), ("Delete data node", "delete_data_node"),
        ("Start progress", "start_progress"), ("Show progress", "show_progress"), ("End progress", "end_progress"),
        ("Progress error", "progress_error"), ("Render progress", "render_progress"),
        ("Check for progress indicator", "check_progress"), ("Execute in background", "execute_in_background"),
        ("End progress with execute", "end_progress_with_execute"),
        ("Copy response to data", "copy_response_to_data"), ("Copy data to response", "copy_data_to_response"),
    ],
)  # fmt: skip
def test_scripts_are_known_by_their_spoken_names_too(spoken: str, name: str) -> None:
    words = spoken.split()
    camel_case = words[0].lower() + "".join(word[0].upper() + word[1:] for word in words[1:])
    assert [scripts.get(known).name for known in (name, spoken, camel_case)] == [name] * 3


def test_what_is_listed_without_errors_exists() -> None:
    assert {spec.name for spec in STANDARD} >= ERRORLESS


@pytest.mark.django_db
@pytest.mark.parametrize("spec", WITH_RESULT, ids=_name)
def test_an_example_gives_what_it_says(spec: ScriptSpec) -> None:
    example = spec.example
    assert example is not None
    assert example.gives is not None
    assert example.gives.keys() <= {"state", "value", "data", "response", "error"}
    ran = run(
        {"definition": example.definition, "bindings": dict(example.bindings)},
        data=example.data,
        parameters=example.parameters,
    )
    report = ran.report.to_json()
    report["error"] = None if ran.error is None else ran.error.code
    assert {name: report[name] for name in example.gives} == dict(example.gives)
    assert ran.completed or "error" in example.gives, ran


@pytest.mark.parametrize("spec", WITHOUT_RESULT, ids=_name)
def test_an_example_without_result_can_run(spec: ScriptSpec) -> None:
    example = spec.example
    assert example is not None
    runnable = load_document({"definition": example.definition, "bindings": dict(example.bindings)})
    used = {action.script for plan in (runnable.plan, *runnable.plans) for action in plan.actions}
    assert spec.name in used


@pytest.mark.parametrize("spec", STANDARD, ids=_name)
def test_an_example_shows_its_script(spec: ScriptSpec) -> None:
    assert spec.example is not None
    shown = str([spec.example.definition, dict(spec.example.bindings)])
    assert any(f"'{name}'" in shown for name in (spec.name, *spec.aliases))


def test_the_command_prints_an_apps_scripts() -> None:
    printed = StringIO()
    call_command("document_scripts", app=["csv_import"], stdout=printed)
    page = printed.getvalue()
    assert page.startswith("# Task scripts of CSV import (example)\n")
    assert "### `csv_check`" in page
    assert "### `show_page`" not in page


def test_an_app_without_scripts_says_so() -> None:
    printed = StringIO()
    call_command("document_scripts", app=["humanize"], stdout=printed)
    assert "registers no task scripts" in printed.getvalue()


def test_a_page_that_is_not_current_names_the_command(tmp_path: Path) -> None:
    file = tmp_path / "scripts.md"
    command = rf"run: manage\.py document_scripts --app csv_import --output {file}"
    for content in (None, "old"):
        if content is not None:
            file.write_text(content)
        with pytest.raises(CommandError, match=command):
            call_command("document_scripts", app=["csv_import"], output=file, check=True)
    call_command("document_scripts", app=["csv_import"], output=file, stdout=StringIO())
    told = StringIO()
    call_command("document_scripts", app=["csv_import"], output=file, check=True, stdout=told)
    assert told.getvalue() == f"{file} is current\n"


def test_what_cannot_be_asked_for_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match='Did you mean "csv_import"'):
        call_command("document_scripts", app=["csv_imports"])
    with pytest.raises(CommandError, match="name it with --output"):
        call_command("document_scripts", check=True)
    with pytest.raises(CommandError, match="can't be written"):
        call_command("document_scripts", output=tmp_path / "nowhere" / "scripts.md")
