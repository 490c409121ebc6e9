"""Put templates into the database, as an editor would, and describe forms and actions in a line."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from processes.models import Access, ProcessTemplate
from processes.services.authoring.templates import publish, save_draft


def save_process(
    slug: str,
    actions: Sequence[Mapping[str, Any]],
    *,
    bindings: Mapping[str, Any] | None = None,
    extends: Sequence[ProcessTemplate] = (),
    access: Access = Access.PUBLIC,
    abstract: bool = False,
) -> ProcessTemplate:
    template = ProcessTemplate(slug=slug, title=slug.capitalize(), access=access, abstract=abstract)
    return save_draft(
        template=template, definition=json.dumps(actions), bindings=dict(bindings or {}), extends=list(extends)
    )


def publish_process(slug: str, actions: Sequence[Mapping[str, Any]], **options: Any) -> ProcessTemplate:
    template = save_process(slug, actions, **options)
    publish(template=template)
    return template


def change_draft(template: ProcessTemplate, actions: Sequence[Mapping[str, Any]], **bindings: Any) -> None:
    template.refresh_from_db()
    save_draft(
        template=template,
        definition=json.dumps(actions),
        bindings=bindings or {row.reference: row.target for row in template.bindings.all()},
        extends=[extension.base for extension in template.extensions.all()],
    )


def action(name: str, script: str | None = None, **keys: Any) -> dict[str, Any]:
    return {"name": name, "script": script, **keys}


def page(name: str, text: str, **keys: Any) -> dict[str, Any]:
    return {"name": name, "script": "show_page", "config": {"text": text}, "next": False, **keys}


def form(name: str, leads_to: str, *fields: Mapping[str, Any], **keys: Any) -> dict[str, Any]:
    config = {"action": leads_to, "fields": list(fields), **keys.pop("config", {})}
    return {"name": name, "script": "show_form", "safe": True, "config": config, "next": False, **keys}
