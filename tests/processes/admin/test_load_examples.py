"""`load_examples` creates what is missing and leaves alone what editors have made."""

import json
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command

from processes.models import Access, AuditEntry, InstanceType, ProcessTemplate, StatusRules
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
    told = capsys.readouterr().out
    for name in ("csv-import", "status_rules/expense-claim", "instance_types/expense-claim"):
        assert f"{name}: exists, left as it is" in told


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


RULES = {
    "name": "sample",
    "title": "Sample rules",
    "groups": ["clerks"],
    "rules": [{"role": "clerks", "status": "new", "action": "a"}],
}
TYPE = {
    "name": "sample",
    "title": "Sample",
    "process": "sample",
    "status_rules": "sample",
    "status": "new",
    "create": "groups",
    "groups": ["clerks"],
}


def write_type(folder: Path, *, rules: object = RULES, type: object = TYPE) -> None:
    write(folder)
    for name, document in (("status_rules", rules), ("instance_types", type)):
        (folder.parent / name).mkdir(exist_ok=True)
        text = document if isinstance(document, str) else json.dumps(document)
        (folder.parent / name / "sample.json").write_text(text)


def test_status_rules_and_types_are_loaded_with_the_groups_that_they_name(folder: Path) -> None:
    write_type(folder)
    call_command("load_examples", verbosity=0)
    type = InstanceType.objects.get()
    rules = StatusRules.objects.get()
    assert (type.template.slug, type.status_rules, type.status, type.access) == ("sample", rules, "new", Access.GROUPS)
    assert list(type.groups.all()) == list(Group.objects.filter(name="clerks"))
    assert json.loads(rules.rules) == RULES["rules"]
    told = AuditEntry.objects.filter(action__in=("status_rules.created", "instance_type.created"))
    assert told.count() == 2


def test_rules_and_types_of_an_editor_stay_unless_a_reset_is_asked_for(folder: Path) -> None:
    write_type(folder)
    call_command("load_examples", verbosity=0)
    StatusRules.objects.update(title="Mine")
    InstanceType.objects.update(title="Mine")
    call_command("load_examples", verbosity=0)
    assert [StatusRules.objects.get().title, InstanceType.objects.get().title] == ["Mine", "Mine"]
    call_command("load_examples", "--reset", verbosity=0)
    assert [StatusRules.objects.get().title, InstanceType.objects.get().title] == ["Sample rules", "Sample"]


def test_rules_that_do_not_fit_an_editor_s_process_keep_nothing_from_starting(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder)
    call_command("load_examples", verbosity=0)
    write_type(folder, rules={**RULES, "rules": [{"role": "clerks", "action": "b"}]})
    write(folder, definition=[page("b", "of a newer release")])
    call_command("load_examples", verbosity=0)
    assert "doesn't fit what was left as it is: /rules/0/action" in capsys.readouterr().err
    assert StatusRules.objects.exists()
    call_command("load_examples", verbosity=0)
    assert "from the file" in text_of("sample")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rules": {**RULES, "rules": [{"role": "clarks", "action": "a"}]}}, r"sample.json /rules/0/role"),
        ({"rules": {**RULES, "rules": [{"role": "clerks", "action": "b"}]}}, r"sample.json /rules/0/action"),
        ({"rules": {**RULES, "rule": []}}, r"sample.json /rule: Unknown key.*rules"),
        ({"rules": "no JSON"}, "sample.json"),
        ({"type": {**TYPE, "process": "simple"}}, r"sample.json /process: There is nothing of that name.*sample"),
        ({"type": {**TYPE, "status_rules": "simple"}}, r"sample.json /status_rules"),
        ({"type": {**TYPE, "create": "anybody"}}, r"sample.json /create"),
        ({"type": {**TYPE, "topics": ["No Topic"]}}, r"sample.json /topics/0"),
        ({"type": {**TYPE, "name": "no slug!"}}, r"sample.json /name"),
    ],
)
def test_bad_rules_and_types_are_told_with_file_and_place_and_none_is_loaded(
    folder: Path, changes: dict, message: str
) -> None:
    write_type(folder, **changes)
    with pytest.raises(CommandError, match=message):
        call_command("load_examples", verbosity=0)
    assert not StatusRules.objects.exists()
    assert not InstanceType.objects.exists()
    assert not Group.objects.exists()
