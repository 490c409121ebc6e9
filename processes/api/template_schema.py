"""What is told of templates, and taken of them, with its description."""

import json
from typing import Any, Final

from rest_framework import serializers

from processes.api.bodies import Flag, Object, Sent, Text
from processes.domain.definition_text import parse_json_text
from processes.domain.json_values import JSON, canonical
from processes.errors import DefinitionError
from processes.models import Access, EditAccess, ProcessTemplate
from processes.services.authoring.templates import differs_from_published, draft_of
from tasks.api.etags import etag_of

__all__ = ["NewTemplateSerializer", "ProblemsSerializer", "PublicationSerializer", "TemplateRowSerializer",
    "TemplateSerializer", "definition_json", "definition_text", "etag", "row_json", "template_json"]  # fmt: skip

_DEFINITION: Final = "A JSON array of actions, or the JSON text of it, which is kept as it is written."


class TemplateRowSerializer(serializers.Serializer):
    """Be a template in a list."""

    slug = serializers.CharField()
    title = serializers.CharField()
    description = serializers.CharField()
    abstract = serializers.BooleanField()
    access = serializers.ChoiceField(choices=Access.values)
    edit_access = serializers.ChoiceField(choices=EditAccess.values)
    owner = serializers.CharField(allow_null=True)
    revision = serializers.IntegerField()
    plan = serializers.CharField(allow_null=True, help_text="The hash of what is in force.")
    published_at = serializers.DateTimeField(allow_null=True)
    differs = serializers.BooleanField(help_text="Whether the draft is something else than what is published.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class TemplateSerializer(Sent):
    """Be a template: its draft, who may do what with it, and what is published."""

    slug = serializers.SlugField(max_length=50, required=False, help_text="Once it is published it stays.")
    title = Text(max_length=200, allow_blank=False)
    description = Text(required=False, default="")
    definition = serializers.JSONField(help_text=_DEFINITION)
    bindings = Object(required=False, default=dict, help_text="What references are bound to.")
    extends = serializers.ListField(
        child=Text(), required=False, default=list, help_text="Slugs; each overrides those before it."
    )
    abstract = Flag(required=False, default=False)
    access = serializers.ChoiceField(choices=Access.values, required=False, default=Access.SIGNED_IN.value)
    groups = serializers.ListField(child=Text(), required=False, default=list, help_text="Names; who may execute it.")
    edit_access = serializers.ChoiceField(choices=EditAccess.values, required=False, default=EditAccess.EDITORS.value)
    edit_groups = serializers.ListField(child=Text(), required=False, default=list, help_text="Who may edit it.")
    owner = Text(required=False, allow_null=True, default=None, help_text="The name of a user.")
    # Sent back with the rest, these say nothing.
    revision = serializers.IntegerField(read_only=True)
    plan = serializers.CharField(read_only=True, allow_null=True, help_text="The hash of what is in force.")
    published_at = serializers.DateTimeField(read_only=True, allow_null=True)
    differs = serializers.BooleanField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)
    updated_at = serializers.DateTimeField(read_only=True)


class NewTemplateSerializer(TemplateSerializer):
    """Be a template that is to be made."""

    slug = serializers.SlugField(max_length=50)


class DraftProblemSerializer(serializers.Serializer):
    """Be something that is wrong with a draft."""

    path = serializers.CharField(help_text="A JSON pointer into the definition; or it begins with /bindings.")
    message = serializers.CharField()
    value = serializers.JSONField()
    suggestion = serializers.CharField(allow_null=True)
    severity = serializers.ChoiceField(choices=["error", "warning"])
    part = serializers.ChoiceField(choices=["definition", "binding", "base", "other"])
    source = serializers.CharField(allow_null=True, help_text="Which other template it is about.")
    start = serializers.DictField(allow_null=True, help_text="Its place in a text: line and column.")
    end = serializers.DictField(allow_null=True)


class ProblemsSerializer(serializers.Serializer):
    """Tell what a check has found."""

    valid = serializers.BooleanField(help_text="Whether it may be saved: warnings keep nobody from it.")
    problems = DraftProblemSerializer(many=True)


class PublicationSerializer(serializers.Serializer):
    """Tell what publishing has changed."""

    version = serializers.IntegerField(allow_null=True, help_text="Null where just this was in force.")
    plan = serializers.CharField(allow_null=True)
    changed = serializers.ListField(child=serializers.CharField(), help_text="Whose plans are others now.")


def row_json(template: ProcessTemplate) -> dict[str, Any]:
    """Return a template as lists tell of it; its owner, bindings and extensions have been read."""
    return {
        "slug": template.slug,
        "title": template.title,
        "description": template.description,
        "abstract": template.abstract,
        "access": template.access,
        "edit_access": template.edit_access,
        "owner": None if template.owner is None else template.owner.get_username(),
        "revision": template.revision,
        "plan": template.published_plan_id,
        "published_at": None if template.published_at is None else template.published_at.isoformat(),
        "differs": differs_from_published(template),
        "created_at": template.created_at.isoformat(),
        "updated_at": template.updated_at.isoformat(),
    }


def template_json(template: ProcessTemplate) -> dict[str, Any]:
    """Return a template whole."""
    draft = draft_of(template)
    return {
        **row_json(template),
        "definition": definition_json(template.definition),
        "bindings": dict(draft.bindings),
        "extends": list(draft.extends),
        "groups": sorted(template.groups.values_list("name", flat=True)),
        "edit_groups": sorted(template.edit_groups.values_list("name", flat=True)),
    }


def etag(told: dict[str, Any]) -> str:
    """Return the tag of a template, as it is told."""
    return etag_of("template", json.dumps(told, sort_keys=True))


def definition_json(text: str) -> JSON:
    """Return a definition as JSON; as its text where that can't be read."""
    try:
        return parse_json_text(text)
    except DefinitionError:
        return text


def definition_text(sent: JSON, *, before: str) -> str:
    """Return the text of a definition that was sent; as it was written `before` where nothing else is said."""
    if isinstance(sent, str):
        return sent
    known = definition_json(before) if before else None
    if known is not None and canonical(known) == canonical(sent):
        return before
    return json.dumps(sent, ensure_ascii=False, indent=2)
