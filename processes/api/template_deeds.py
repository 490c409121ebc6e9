"""What is done with a template's draft over HTTP: checked, derived, published."""

import json
from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from processes.api.base import IF_MATCH, ApiView
from processes.api.bodies import Flag, Object, Sent, Text, bad_request, sent
from processes.api.template_schema import (
    ProblemsSerializer,
    PublicationSerializer,
    definition_text,
    etag,
    template_json,
)
from processes.api.templates import check_editor, find_seen, locked_template
from processes.domain.json_values import JSON
from processes.domain.plan import Plan
from processes.models import ProcessTemplate
from processes.services.access import User
from processes.services.authoring.checking import BaseRow, BindingRow, Draft, find_problems
from processes.services.authoring.history import Moment, State
from processes.services.authoring.templates import Published, draft_of, publish

__all__ = ["MOMENT", "TemplateDerivation", "TemplatePublication", "TemplateValidation", "moment_of", "published"]

MOMENT = {"type": "string", "pattern": r"^(draft|published|\d{1,9})$"}


class CheckSerializer(Sent):
    """Be what a draft would be; what isn't sent is as in the draft that is stored."""

    definition = serializers.JSONField(required=False, help_text="A JSON array of actions, or the JSON text of it.")
    bindings = Object(required=False)
    extends = serializers.ListField(child=Text(), required=False)
    abstract = Flag(required=False)


class DerivedSerializer(serializers.Serializer):
    """Be what a template comes to, with all that it extends and binds."""

    of = serializers.CharField(help_text="draft, published, or the number of a version.")
    hash = serializers.CharField(allow_null=True)
    plan = serializers.DictField(allow_null=True, help_text="Null for an abstract template.")


class TemplateValidation(ApiView):
    """The check of a draft."""

    @extend_schema(operation_id="templates_validate", request=CheckSerializer, responses=ProblemsSerializer)
    def post(self, request: Request, slug: str) -> Response:
        """Check a draft without saving it: what is sent, or without a body what is stored."""
        template = find_seen(slug, user=request.user)
        check_editor(request.user, template)
        asked = sent(CheckSerializer, request)
        found = find_problems(_draft(template, asked))
        # Places are counted in a text, and one that was made of JSON is nobody's.
        has_text = isinstance(asked.get("definition", ""), str)
        told = [_told(problem.to_json(), has_text=has_text) for problem in found]
        return Response({"valid": all(problem.severity != "error" for problem in found), "problems": told})


class TemplateDerivation(ApiView):
    """What a template comes to."""

    problem_statuses: ClassVar = {"GET": (422,)}

    @extend_schema(
        operation_id="templates_derive",
        responses=DerivedSerializer,
        parameters=[OpenApiParameter("version", MOMENT, description="draft (without it), published, or a number.")],
    )
    def get(self, request: Request, slug: str) -> Response:
        """Return the plan of the draft, derived as if it were published now; or that of a version, as it was stored."""
        template = find_seen(slug, user=request.user)
        moment = moment_of(request.query_params.get("version", "draft"), name="version")
        plan = State.at(template, moment).plan
        plan_hash = None if plan is None else Plan.from_json(plan).hash
        return Response({"of": str(moment), "hash": plan_hash, "plan": plan})


class TemplatePublication(ApiView):
    """The publishing of a draft."""

    problem_statuses: ClassVar = {"POST": (412, 422, 428)}

    @extend_schema(
        operation_id="templates_publish",
        request=None,
        parameters=[IF_MATCH],
        responses=OpenApiResponse(PublicationSerializer, "It is in force; the ETag is the template's new one."),
    )
    def post(self, request: Request, slug: str) -> Response:
        """Put the draft into force, with all that builds on it; 422 with what would break, and nothing is done."""
        with locked_template(request, slug) as template:
            result = publish(template=template, user=request.user, expected_revision=template.revision)
            return published(result, slug=slug, user=request.user)


def published(result: Published, *, slug: str, user: User) -> Response:
    """Return what was put into force, with the template's new tag."""
    told = {"version": result.version, "plan": result.plan_hash, "changed": list(result.changed)}
    return Response(told, headers={"ETag": etag(template_json(find_seen(slug, user=user)))})


def moment_of(text: str, *, name: str) -> Moment:
    """Return what a parameter names: the draft, what is in force, or a version's number."""
    if text == "draft":
        return "draft"
    if text == "published":
        return "published"
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise bad_request(f'"{name}" is "draft", "published", or the number of a version.')
    return int(text)


def _draft(template: ProcessTemplate, asked: dict[str, Any]) -> Draft:
    stored = draft_of(template)
    bindings = asked.get("bindings", stored.bindings)
    written = asked.get("definition")
    return Draft(
        slug=template.slug,
        text=template.definition if written is None else definition_text(written, before=""),
        bindings=[
            BindingRow(row=name, reference=name, target=json.dumps(target, ensure_ascii=False))
            for name, target in bindings.items()
        ],
        extends=[BaseRow(row=slug, slug=slug) for slug in asked.get("extends", stored.extends)],
        abstract=asked.get("abstract", template.abstract),
    )


def _told(problem: dict[str, JSON], *, has_text: bool) -> dict[str, JSON]:
    told = {key: value for key, value in problem.items() if key != "row"}
    return told if has_text else {**told, "start": None, "end": None}
