"""The example in the admin: departments and kinds with their bindings, requests with what their process offers."""

from django.contrib import admin

from examples.leave_requests.models import Department, LeaveKind, LeaveRequest
from processes.admin.driven import DynamicBindingInline, ProcessDrivenAdmin, ProcessStatusFilter


@admin.register(Department)
class DepartmentAdmin(admin.ModelAdmin):
    """Edit departments, and what they bind."""

    list_display = ("name", "manager")
    inlines = (DynamicBindingInline,)


@admin.register(LeaveKind)
class LeaveKindAdmin(admin.ModelAdmin):
    """Edit kinds of leave, and what they bind."""

    inlines = (DynamicBindingInline,)


@admin.register(LeaveRequest)
class LeaveRequestAdmin(ProcessDrivenAdmin, admin.ModelAdmin):
    """Edit requests; the mixin adds where each stands, and what may be done."""

    list_display = ("__str__", "employee", "department", "process_status", "process_assignee")
    list_filter = (ProcessStatusFilter, "department", "kind")
    list_select_related = ("employee", "department", "kind")
