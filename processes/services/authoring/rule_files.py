"""Status rules that come as files: `{"name", "title", "description", "rules", "enforced"}`."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from processes.domain.definition_text import parse_json_text
from processes.domain.json_values import JSON
from processes.domain.status_rules import parse_status_rules
from processes.errors import DefinitionError, Problem
from processes.models import StatusRules
from processes.services.status_rules import save_status_rules

__all__ = ["RuleFile", "load_rules", "read_rule_files"]


class RuleFile(BaseModel):
    """Hold what a file says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[-a-zA-Z0-9_]{1,50}$")
    title: str = Field(min_length=1, max_length=200)
    description: str = ""
    enforced: bool = True
    rules: list[JSON]

    @property
    def text(self) -> str:
        """Return the rules as an editor would see them."""
        return json.dumps(self.rules, indent=2, ensure_ascii=False)


def read_rule_files(paths: Sequence[Path]) -> list[RuleFile]:
    """Read files; raises DefinitionError, which names the file."""
    return [_read(path) for path in paths]


def load_rules(files: Sequence[RuleFile], *, keep_existing: bool = True) -> list[tuple[str, str]]:
    """Store each file's rules, and return their names with what became of them: `created`, `updated` or `kept`."""
    return [(file.name, _store(file, keep_existing=keep_existing)) for file in files]


def _read(path: Path) -> RuleFile:
    try:
        found = RuleFile.model_validate(parse_json_text(path.read_text(encoding="utf-8")))
        parse_status_rules(found.text)
    except ValidationError as error:
        problems = [
            Problem("/" + "/".join(map(str, one["loc"])), str(one["msg"]), source=path.name) for one in error.errors()
        ]
        raise DefinitionError(problems) from error
    except DefinitionError as error:
        raise DefinitionError([replace(problem, source=path.name) for problem in error.problems]) from error
    return found


def _store(file: RuleFile, *, keep_existing: bool) -> str:
    found = StatusRules.objects.filter(slug=file.name).first()
    if found is not None and keep_existing:
        return "kept"
    rules = found or StatusRules(slug=file.name)
    rules.title, rules.description, rules.enforced, rules.rules = file.title, file.description, file.enforced, file.text
    save_status_rules(rules=rules)
    return "created" if found is None else "updated"
