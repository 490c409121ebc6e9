"""`load_examples` creates what is missing and leaves alone what editors have made."""

import json
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command

from processes.models import Access, ProcessTemplate
from tests.processes.services.published import change_draft, page

pytestmark = pytest.mark.django_db

FILE = {"name": "sample", "title": "Sample", "execute": "public", "definition": [page("a", "from the file")]}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let one app bring along the templates of an empty folder, and no other app any."""
    for config in apps.get_app_configs():
        monkeypatch.setattr(config, "path", str(tmp_path / config.label))
    result = tmp_path / "processes" / "process_templates"
    result.mkdir(parents=True)
    return result


def write(folder: Path, **changes: object) -> None:
    document = FILE | changes
    (folder / f"{document['name']}.json").write_text(json.dumps(document))


def text_of(slug: str) -> str:
    return ProcessTemplate.objects.get(slug=slug).definition


def test_the_examples_load_and_load_again(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("load_examples")
    template = ProcessTemplate.objects.get(slug="csv-import")
    assert template.published_plan is not None
    assert template.access == Access.PUBLIC
    call_command("load_examples")
    assert "csv-import: exists, left as it is" in capsys.readouterr().out


def test_an_editors_work_stays_unless_a_reset_is_asked_for(folder: Path) -> None:
    write(folder)
    call_command("load_examples", verbosity=0)
    change_draft(ProcessTemplate.objects.get(), [page("a", "from an editor")])
    call_command("load_examples", verbosity=0)
    assert "from an editor" in text_of("sample")
    call_command("load_examples", "--reset", verbosity=0)
    assert "from the file" in text_of("sample")


def test_what_others_build_on_comes_first(folder: Path) -> None:
    write(folder, name="a-child", extends=["base"], definition=[])
    write(folder, name="base", bindings={"it": {"process": "called"}})
    write(folder, name="called")
    call_command("load_examples", verbosity=0)
    assert ProcessTemplate.objects.filter(published_plan__isnull=False).count() == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"definition": [{"nmae": "a"}]}, 'sample.json /definition/0/nmae: Unknown key "nmae"'),
        ({"titel": "x"}, "titel"),
        ({"name": "no slug!"}, "name"),
    ],
)
def test_a_bad_file_is_named_and_nothing_of_it_is_loaded(folder: Path, changes: dict, message: str) -> None:
    write(folder, **changes)
    with pytest.raises(CommandError, match=message.replace("[", r"\[")):
        call_command("load_examples", verbosity=0)
    assert not ProcessTemplate.objects.exists()
