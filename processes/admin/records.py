"""Read-only lists of what the engine writes."""

from typing import ClassVar

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from processes.models import DataNode, Plan, StoredFile


class ReadOnlyAdmin(admin.ModelAdmin):
    """Show rows that only the engine may write."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Let nobody add rows by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Let nobody change rows by hand."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Let nobody delete rows by hand."""
        return False


@admin.register(Plan)
class PlanAdmin(ReadOnlyAdmin):
    """List the compiled plans."""

    list_display = ("hash", "created_at")
    search_fields = ("hash",)
    ordering = ("-created_at",)


@admin.register(DataNode)
class DataNodeAdmin(ReadOnlyAdmin):
    """List data nodes, without what they hold and without the reference that opens them."""

    list_display = ("pk", "template", "owner", "kind", "revision", "created_at", "expires_at")
    list_filter = ("kind", "template")
    list_select_related = ("template", "owner")
    search_fields = (
        "template__title",
        "template__slug",
        f"owner__{get_user_model().USERNAME_FIELD}",
        "step",
        "=continued_in",
        "=instance__id",
    )
    search_help_text = _("A process, an owner, a step, or the id of a run or an instance")
    date_hierarchy = "created_at"
    show_full_result_count = False
    fields: ClassVar = (*list_display[1:], "instance", "step", "continued_in", "updated_at")


@admin.register(StoredFile)
class StoredFileAdmin(ReadOnlyAdmin):
    """List the files that processes received or made."""

    list_display = ("name", "size", "content_type", "owner", "created_at")
    list_select_related = ("owner",)
    search_fields = ("name",)
    fields = ("id", "name", "size", "content_type", "owner", "created_at", "expires_at")
