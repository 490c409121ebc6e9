"""Process instances in the admin: create, look at, and change by hand what their process has left."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AdminSplitDateTime
from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from processes.admin.records import ReadOnlyAdmin
from processes.admin.rights import editor_of
from processes.admin.told_errors import ErrorTellingAdmin
from processes.admin.trigger_form import JsonObjectField
from processes.domain.status_rules import status_problem
from processes.errors import ProcessError
from processes.models import InstanceType, ProcessInstance
from processes.pages.history_words import told
from processes.services.access import Caller, may_change_instances
from processes.services.instance_access import may_execute_instance
from processes.services.instance_editing import InstanceEdit, edit_instance, state_of
from processes.services.instance_history import history_of
from processes.services.instance_types import creatable_by
from processes.services.instance_work import named_user
from processes.services.instances import create_instance
from processes.services.offers import grouped, options_of

__all__ = ["ProcessInstanceAdmin"]

_NAME = get_user_model().USERNAME_FIELD
#: How many events of the history the page shows.
EVENTS_SHOWN = 50


class NewInstanceForm(forms.ModelForm):
    """Create an instance of a type, with its Data."""

    type = forms.ModelChoiceField(label=gettext_lazy("Type"), queryset=InstanceType.objects.none())
    data = JsonObjectField(  # type: ignore[assignment]
        label=gettext_lazy("Data"), required=False, help_text=gettext_lazy("What it holds at first: a JSON object.")
    )

    class Meta:
        model = ProcessInstance
        fields = ("type", "title")


class EditInstanceForm(forms.ModelForm):
    """Change an instance by hand."""

    assigned_to = forms.CharField(
        label=gettext_lazy("Assigned to"),
        required=False,
        max_length=150,
        help_text=gettext_lazy("The name of a user. Empty: nobody."),
    )
    seen = forms.CharField(widget=forms.HiddenInput, required=False)

    class Meta:
        model = ProcessInstance
        fields = ("title", "status", "due_at")
        field_classes: ClassVar = {"due_at": forms.SplitDateTimeField}
        widgets: ClassVar = {"due_at": AdminSplitDateTime()}
        help_texts: ClassVar = {
            "status": gettext_lazy("Its process isn't told. Whoever was asked to work on it isn't asked any more."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["seen"].initial = state_of(self.instance)
        if self.instance.assignee is not None:
            self.fields["assigned_to"].initial = self.instance.assignee.get_username()

    def clean_status(self) -> str:
        """Refuse what status rules couldn't tell from what else they say."""
        status: str = self.cleaned_data["status"]
        if status != self.instance.status and (problem := status_problem(status)) is not None:
            raise forms.ValidationError(problem)
        return status

    def clean_assigned_to(self) -> str:
        """Refuse somebody who isn't there."""
        name: str = self.cleaned_data["assigned_to"].strip()
        if name and name != self.fields["assigned_to"].initial:
            try:
                named_user(name)
            except ProcessError as error:
                raise forms.ValidationError(error.message) from error
        return name


class WhenDue(admin.SimpleListFilter):
    """Filter by whether it is due."""

    title = gettext_lazy("due")
    parameter_name = "due"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        """Return the choices."""
        return [("over", gettext_lazy("overdue")), ("dated", gettext_lazy("has a due date"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ProcessInstance]) -> QuerySet[ProcessInstance]:
        """Return what is chosen."""
        match self.value():
            case "over":
                return queryset.filter(due_at__lt=timezone.now())
            case "dated":
                return queryset.filter(due_at__isnull=False)
        return queryset


@admin.register(ProcessInstance)
class ProcessInstanceAdmin(ErrorTellingAdmin, ReadOnlyAdmin):
    """List instances, without their Data, which only their process shows."""

    change_form_template = "processes/admin/instance.html"
    list_display = ("name", "type", "template", "owner", "status", "assignee", "due_at", "created_at", "execute")
    list_filter = (WhenDue, "type", "template", "status")
    list_select_related = ("template", "owner", "type", "assignee")
    search_fields = ("=id", "title", f"owner__{_NAME}", f"assignee__{_NAME}")
    date_hierarchy = "created_at"
    show_full_result_count = False
    readonly_fields = (
        "id", "type", "template", "status_rules", "owner", "status_at", "plan", "bindings", "created_at", "updated_at",
    )  # fmt: skip

    class Media:
        css: ClassVar = {"all": ("processes/admin.css", "processes/admin-instances.css")}

    @admin.display(description=gettext_lazy("title"), ordering="title")
    def name(self, instance: ProcessInstance) -> str:
        """Show the title, or the id."""
        return str(instance)

    @admin.display(description=gettext_lazy("execute"))
    def execute(self, instance: ProcessInstance) -> SafeString:
        """Lead to the page that executes the instance."""
        address = reverse("processes:instance", kwargs={"instance_id": instance.pk})
        return format_html('<a href="{}">{}</a>', address, _("Open"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Let those create instances who may, of types that they may create."""
        return request.user.has_perm("processes.add_processinstance")

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Let staff change them who may."""
        return may_change_instances(request.user)

    def get_form(
        self, request: HttpRequest, obj: ProcessInstance | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """Return the form for a new instance, or for one that is there."""
        if obj is None:
            form = super().get_form(request, obj, change, form=NewInstanceForm, fields=("type", "title"))
            form.base_fields["type"].queryset = creatable_by(request.user)  # type: ignore[attr-defined]
            return form
        if not self.has_change_permission(request, obj):
            return super().get_form(request, obj, change, **kwargs)
        return super().get_form(request, obj, change, form=EditInstanceForm, fields=("title", "status", "due_at"))

    def get_fieldsets(self, request: HttpRequest, obj: ProcessInstance | None = None) -> Any:
        """Return what a page shows: what can be changed first."""
        if obj is None:
            return ((None, {"fields": ("type", "title", "data")}),)
        if self.has_change_permission(request, obj):
            edited: tuple[str, ...] = ("title", "status", "assigned_to", "due_at", "seen")
        else:
            edited = ("title", "status", "assignee", "due_at")
        return (
            (None, {"fields": edited}),
            (gettext_lazy("What it is"), {"fields": self.readonly_fields, "classes": ("collapse",)}),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: ProcessInstance | None = None) -> Any:
        """Keep what only its process changes."""
        if obj is None:
            return ()
        if self.has_change_permission(request, obj):
            return self.readonly_fields
        return (*self.readonly_fields, "title", "status", "assignee", "due_at")

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """Add what the status rules offer to whoever looks, and what has happened."""
        instance: ProcessInstance | None = kwargs.get("obj")
        if instance is not None and may_execute_instance(request.user, instance):
            # What it tells of the Data, and what is offered, is for those who may open it.
            events = history_of(instance)[:EVENTS_SHOWN]
            context |= {
                "groups": grouped(options_of(instance, user=request.user)),
                "events": told(events),
                "page_address": reverse("processes:instance", kwargs={"instance_id": instance.pk}),
                "history_address": reverse("processes:instance-history", kwargs={"instance_id": instance.pk}),
            }
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: ProcessInstance, form: Any, change: bool) -> None:
        """Create the instance, or change it by hand."""
        if change:
            edit = InstanceEdit(
                title=obj.title,
                status=obj.status,
                assignee=form.cleaned_data["assigned_to"],
                due_at=obj.due_at,
            )
            edit_instance(obj.pk, edit, editor=editor_of(request), seen=form.cleaned_data["seen"] or None)
            return
        type = form.cleaned_data["type"]
        created = create_instance(
            type=type,
            owner=editor_of(request),
            actor=editor_of(request),
            title=obj.title,
            data=form.cleaned_data["data"],
            caller=Caller(user_id=request.user.pk, template_id=type.template_id, slug=type.template.slug),
        )
        obj.pk = created.pk
