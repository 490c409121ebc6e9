"""Process instances in the admin: to look at, with a link that executes them."""

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from processes.admin.records import ReadOnlyAdmin
from processes.models import ProcessInstance


@admin.register(ProcessInstance)
class ProcessInstanceAdmin(ReadOnlyAdmin):
    """List instances, without their Data; `manage.py create_instance` and code make new ones."""

    list_display = ("name", "template", "owner", "status", "created_at", "execute")
    list_filter = ("template", "status")
    list_select_related = ("template", "owner")
    search_fields = ("=id", "title", f"owner__{get_user_model().USERNAME_FIELD}")
    date_hierarchy = "created_at"
    fields = ("id", "title", "template", "owner", "status", "plan", "bindings", "created_at", "updated_at", "execute")
    readonly_fields = fields

    @admin.display(description="title", ordering="title")
    def name(self, instance: ProcessInstance) -> str:
        """Show the title, or the id."""
        return str(instance)

    @admin.display(description="execute")
    def execute(self, instance: ProcessInstance) -> SafeString:
        """Lead to the page that executes the instance."""
        address = reverse("processes:instance", kwargs={"instance_id": instance.pk})
        return format_html('<a href="{}">Open</a>', address)
