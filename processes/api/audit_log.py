"""The audit log over HTTP, for staff who may view it (docs/authority.md)."""

import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar, Final

from django.db.models import Q
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from processes.api.base import ApiList, ApiView
from processes.models import AuditEntry
from processes.services.access import User, may_view
from tasks.api.filtering import TextFilter
from tasks.errors import TaskNotFound

if TYPE_CHECKING:
    from django.db.models import QuerySet

__all__ = ["AuditEntryDetail", "AuditLog"]

_NOTHING: Final = "There is no such thing here, or you may not see it."


class AuditFilter(filters.FilterSet):
    """Narrow the log."""

    actor = TextFilter(method="of_actor", help_text="Who did it: a user's name or id.")
    authority = filters.ChoiceFilter(
        choices=[("own", "own"), ("lent", "lent")], method="of_authority", help_text="Under whose rights."
    )
    action = TextFilter(method="of_action", help_text="What was done: run.started, or run. for all of a subject.")
    kind = TextFilter(field_name="subject_kind", help_text="To what: run, processtemplate …")
    subject = TextFilter(method="of_subject", help_text="To which one: its id.")
    after = filters.IsoDateTimeFilter(field_name="at", lookup_expr="gte")
    before = filters.IsoDateTimeFilter(field_name="at", lookup_expr="lt")

    def of_actor(self, queryset: "QuerySet[AuditEntry]", name: str, value: str) -> "QuerySet[AuditEntry]":
        """Return what somebody did."""
        return queryset.filter(Q(actor_name=value) | Q(actor_id=value))

    def of_authority(self, queryset: "QuerySet[AuditEntry]", name: str, value: str) -> "QuerySet[AuditEntry]":
        """Return what was done under the actor's own rights, or under those of somebody else."""
        return queryset.filter(authority_id="") if value == "own" else queryset.exclude(authority_id="")

    def of_action(self, queryset: "QuerySet[AuditEntry]", name: str, value: str) -> "QuerySet[AuditEntry]":
        """Return what was done."""
        return queryset.filter(action__startswith=value) if value.endswith(".") else queryset.filter(action=value)

    def of_subject(self, queryset: "QuerySet[AuditEntry]", name: str, value: str) -> "QuerySet[AuditEntry]":
        """Return what was done to something; UUIDs are found in either way of writing them."""
        written = {value}
        with suppress(ValueError):
            found = uuid.UUID(value)
            written |= {found.hex, str(found)}
        return queryset.filter(subject_id__in=sorted(written))


class AuditEntrySerializer(serializers.ModelSerializer):
    """Be something that somebody did."""

    details = serializers.DictField()

    class Meta:
        model = AuditEntry
        fields = ("id", "at", "action", "actor_id", "actor_name", "authority_id", "authority_name", "subject_kind",
            "subject_id", "subject_name", "plan_hash", "details")  # fmt: skip


class AuditLog(ApiList):
    """The log of who did what."""

    queryset = AuditEntry.objects.none()  # for the API's description
    filterset_class = AuditFilter
    search_fields = ("=actor_name", "=authority_name", "subject_name", "=subject_id", "=action")
    orderings: ClassVar = {"at": "id"}
    ordering = ("-id",)
    problem_statuses: ClassVar = {"GET": (404,)}

    @extend_schema(operation_id="audit_log_list", responses=AuditEntrySerializer(many=True))
    def get(self, request: Request) -> Response:
        """List what was done, the latest first."""
        _check_reader(request.user)
        page = self.paginate_queryset(self.filter_queryset(AuditEntry.objects.all()))
        return self.get_paginated_response(AuditEntrySerializer(page, many=True).data)


class AuditEntryDetail(ApiView):
    """One entry of the log."""

    @extend_schema(operation_id="audit_log_get", responses=AuditEntrySerializer)
    def get(self, request: Request, entry_id: int) -> Response:
        """Return an entry."""
        _check_reader(request.user)
        entry = AuditEntry.objects.filter(pk=entry_id).first()
        if entry is None:
            raise TaskNotFound(_NOTHING)
        return Response(AuditEntrySerializer(entry).data)


def _check_reader(user: User) -> None:
    """Raise what a missing thing would, to those who may not read the log."""
    if not may_view(user, AuditEntry):
        raise TaskNotFound(_NOTHING)
