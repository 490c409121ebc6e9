"""The history of templates over HTTP: what was in force when, and how any two moments differ."""

from typing import Any, ClassVar, Final

from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from processes.api.base import IF_MATCH, ApiList, ApiView
from processes.api.bodies import Flag, Sent, sent
from processes.api.template_deeds import MOMENT, moment_of, published
from processes.api.template_schema import PublicationSerializer, definition_json
from processes.api.templates import check_editor, find_seen, locked_template
from processes.domain.authoring.diff_words import as_text, in_one_line
from processes.domain.authoring.plan_diff import ActionDiff
from processes.domain.json_changes import MISSING, JsonChange
from processes.domain.json_values import JSON
from processes.models import TemplateVersion, VersionCause
from processes.services.authoring.history import Comparison, compare, find_version, list_versions, summarise
from processes.services.authoring.versions import roll_back

__all__ = ["TemplateDiff", "VersionDetail", "VersionList", "VersionRollBack"]

_CAUSES: Final = VersionCause.values


class VersionFilter(filters.FilterSet):
    """Narrow a list of versions."""

    cause = filters.ChoiceFilter(choices=[(cause, cause) for cause in _CAUSES])
    published_after = filters.IsoDateTimeFilter(field_name="published_at", lookup_expr="gte")
    published_before = filters.IsoDateTimeFilter(field_name="published_at", lookup_expr="lt")


class VersionSerializer(serializers.Serializer):
    """Be a version in a list."""

    number = serializers.IntegerField()
    plan = serializers.CharField(allow_null=True, help_text="Null for an abstract template.")
    cause = serializers.ChoiceField(choices=_CAUSES)
    origin = serializers.CharField(help_text="Whom it followed, or to which version it went back.")
    published_by = serializers.CharField(allow_null=True)
    published_at = serializers.DateTimeField()
    summary = serializers.CharField(help_text="What it changed in the one before it.")


class VersionDetailSerializer(VersionSerializer):
    """Be a version with what it was made of."""

    definition = serializers.JSONField()
    bindings = serializers.DictField()
    extends = serializers.ListField(child=serializers.CharField())
    abstract = serializers.BooleanField()


class ChangeSerializer(serializers.Serializer):
    """Be a difference."""

    path = serializers.CharField(help_text="A JSON pointer.")
    kind = serializers.ChoiceField(choices=["added", "removed", "changed"])
    old = serializers.JSONField(required=False)
    new = serializers.JSONField(required=False)


class ActionChangeSerializer(serializers.Serializer):
    """Be what has happened to an action."""

    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=["added", "removed", "changed", "moved"])
    moved = serializers.BooleanField()
    old_index = serializers.IntegerField(allow_null=True)
    new_index = serializers.IntegerField(allow_null=True)
    changes = ChangeSerializer(many=True)


class DiffSerializer(serializers.Serializer):
    """Tell how a template differs between two moments."""

    summary = serializers.CharField()
    text = serializers.CharField()
    own_only = serializers.BooleanField(help_text="It is abstract: its own parts were compared.")
    same_source = serializers.BooleanField(help_text="What differs comes from what it builds on.")
    template = ChangeSerializer(many=True)
    actions = ActionChangeSerializer(many=True)
    bindings = ChangeSerializer(many=True)


class VersionList(ApiList):
    """The versions of a template."""

    queryset = TemplateVersion.objects.none()  # for the API's description
    filterset_class = VersionFilter
    orderings: ClassVar = {"number": "number"}
    ordering = ("-number",)

    @extend_schema(operation_id="templates_versions", responses=VersionSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """List what was in force, the latest first."""
        template = find_seen(slug, user=request.user)
        page = self.paginate_queryset(self.filter_queryset(list_versions(template)))
        summaries = summarise(template, page)
        return self.get_paginated_response([_row(version, summaries[version.number]) for version in page])


class VersionDetail(ApiView):
    """One version of a template."""

    @extend_schema(operation_id="templates_version", responses=VersionDetailSerializer)
    def get(self, request: Request, slug: str, number: int) -> Response:
        """Return a version with what it was made of; `derive/?version=` has its plan."""
        template = find_seen(slug, user=request.user)
        version = find_version(template, number)
        source: Any = version.source
        told = {"definition": definition_json(source["definition"])}
        told |= {name: source[name] for name in ("bindings", "extends", "abstract")}
        return Response({**_row(version, summarise(template, [version])[number]), **told})


class RollBackSerializer(Sent):
    """Say what may be lost."""

    discard_draft = Flag(required=False, help_text="A draft may go that was never published.")


class VersionRollBack(ApiView):
    """The way back to a version."""

    problem_statuses: ClassVar = {"POST": (412, 422, 428)}

    @extend_schema(
        operation_id="templates_roll_back",
        request=RollBackSerializer,
        parameters=[IF_MATCH],
        responses=OpenApiResponse(PublicationSerializer, "It is in force again, as a new version."),
    )
    def post(self, request: Request, slug: str, number: int) -> Response:
        """Put a version's source back as the draft, and publish it; 422 with what would break, and nothing is done."""
        check_editor(request.user, find_seen(slug, user=request.user))
        asked = sent(RollBackSerializer, request)
        with locked_template(request, slug) as template:
            result = roll_back(
                template=template, number=number, user=request.user, discard_draft=asked.get("discard_draft", False)
            )
            return published(result, slug=slug, user=request.user)


class TemplateDiff(ApiView):
    """The difference between two moments of a template."""

    problem_statuses: ClassVar = {"GET": (422,)}

    @extend_schema(
        operation_id="templates_diff",
        responses=DiffSerializer,
        parameters=[
            OpenApiParameter("from", MOMENT, description="published (without it), draft, or a number."),
            OpenApiParameter("to", MOMENT, description="draft (without it), published, or a number."),
        ],
    )
    def get(self, request: Request, slug: str) -> Response:
        """Compare a template at two moments, as it acts: with all that it extends and binds."""
        template = find_seen(slug, user=request.user)
        old = moment_of(request.query_params.get("from", "published"), name="from")
        new = moment_of(request.query_params.get("to", "draft"), name="to")
        return Response(_diff(compare(template=template, old=old, new=new)))


def _row(version: TemplateVersion, summary: str) -> dict[str, JSON]:
    by = version.published_by
    return {
        "number": version.number,
        "plan": version.plan_id,
        "cause": version.cause,
        "origin": version.origin,
        "published_by": None if by is None else by.get_username(),
        "published_at": version.published_at.isoformat(),
        "summary": summary,
    }


def _diff(found: Comparison) -> dict[str, JSON]:
    difference = found.difference
    return {
        "summary": in_one_line(difference),
        "text": as_text(difference),
        "own_only": found.own_only,
        "same_source": found.same_source,
        "template": [_change(change) for change in difference.template],
        "actions": [_action(action) for action in difference.actions],
        "bindings": [_change(change) for change in difference.bindings],
    }


def _action(found: ActionDiff) -> dict[str, JSON]:
    return {
        "name": found.name,
        "kind": found.kind,
        "moved": found.moved,
        "old_index": found.old_index,
        "new_index": found.new_index,
        "changes": [_change(change) for change in found.changes],
    }


def _change(found: JsonChange) -> dict[str, JSON]:
    values = {name: value for name, value in (("old", found.old), ("new", found.new)) if value is not MISSING}
    return {"path": found.pointer, "kind": found.kind, **values}
