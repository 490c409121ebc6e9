"""Types of instances in the admin."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from processes.admin.editor import JsonText
from processes.admin.rights import editor_of
from processes.admin.trigger_form import JsonObjectField
from processes.errors import DefinitionError, ProcessError
from processes.models import InstanceType, ProcessTemplate
from processes.services.authoring.instance_types import delete_instance_type, find_problems, save_instance_type

__all__ = ["InstanceTypeAdmin"]


class TopicsField(forms.CharField):
    """Take topics, one on each line."""

    widget = forms.Textarea(attrs={"rows": 3, "class": "vLargeTextField json-text", "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        """Return the lines."""
        return "\n".join(str(topic) for topic in value) if isinstance(value, list) else value

    def clean(self, value: Any) -> Any:
        """Return the list."""
        return [line.strip() for line in super().clean(value).splitlines() if line.strip()]


class InstanceTypeForm(forms.ModelForm):
    """Edit a type; what is wrong is told at its field."""

    expected_revision = forms.IntegerField(widget=forms.HiddenInput, required=False)
    bindings = JsonObjectField(
        label=gettext_lazy("Bindings"),
        required=False,
        widget=JsonText("target", 6),
        help_text=gettext_lazy("What its instances bind differently from the process: an object, reference to target."),
    )
    topics = TopicsField(
        label=gettext_lazy("Topics"),
        required=False,
        help_text=gettext_lazy("What its instances subscribe to when they are created, a topic on each line."),
    )

    class Meta:
        model = InstanceType
        fields = (
            "title", "slug", "description", "template", "status_rules", "status", "bindings", "topics", "access",
            "groups", "enabled",
        )  # fmt: skip
        widgets: ClassVar = {"description": forms.Textarea(attrs={"rows": 2})}
        help_texts: ClassVar = {
            "status": gettext_lazy("The status that a new instance has before its process runs."),
            "access": gettext_lazy("They must be allowed to execute the process, too."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["expected_revision"].initial = self.instance.revision
        if "template" in self.fields:
            published = ProcessTemplate.objects.filter(published_plan__isnull=False) | ProcessTemplate.objects.filter(
                pk=self.instance.template_id
            )
            self.fields["template"].queryset = published.order_by("title")  # type: ignore[attr-defined]

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        if self.errors:
            return
        for problem in find_problems(self.instance):
            name, _slash, place = problem.path.removeprefix("/").partition("/")
            text = f"{place}: {problem.message}" if place else problem.message
            self.add_error(name if name in self.fields else None, text)


@admin.register(InstanceType)
class InstanceTypeAdmin(admin.ModelAdmin):
    """Edit types; what they say concerns the instances that are created from then on."""

    form = InstanceTypeForm
    list_display = ("title", "slug", "template", "status_rules", "number", "enabled")
    list_filter = ("enabled", "access", "template")
    list_select_related = ("template", "status_rules")
    search_fields = ("title", "slug", "description")
    filter_horizontal = ("groups",)
    fieldsets = (
        (None, {"fields": ("title", "slug", "description", "enabled", "expected_revision")}),
        (gettext_lazy("What it is"), {"fields": ("template", "status_rules", "status", "bindings", "topics")}),
        (gettext_lazy("Who may create one"), {"fields": ("access", "groups")}),
    )

    class Media:
        css: ClassVar = {"all": ("processes/admin.css",)}

    def get_queryset(self, request: HttpRequest) -> QuerySet[InstanceType]:
        """Count the instances with the list."""
        return super().get_queryset(request).annotate(instance_count=Count("instances"))

    @admin.display(description=gettext_lazy("instances"), ordering="instance_count")
    def number(self, type: Any) -> int:
        """Show how many instances there are."""
        return int(type.instance_count)

    def get_prepopulated_fields(self, request: HttpRequest, obj: InstanceType | None = None) -> Any:
        """Propose a name for a new type."""
        return {"slug": ("title",)} if obj is None else {}

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Edit a type; what somebody else did in the very same moment is told instead of overwritten."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except (DefinitionError, ProcessError) as error:
            self.message_user(request, _("Nothing was saved. %(why)s") % {"why": error.message}, messages.ERROR)
            return HttpResponseRedirect(request.path)

    def save_model(self, request: HttpRequest, obj: InstanceType, form: InstanceTypeForm, change: bool) -> None:
        """Save it, with its groups; the audit log tells who did."""
        save_instance_type(
            type=obj,
            editor=editor_of(request),
            groups=form.cleaned_data.get("groups"),
            expected_revision=form.cleaned_data["expected_revision"] if change else None,
        )

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Save nothing: groups are saved with the type."""

    def delete_model(self, request: HttpRequest, obj: InstanceType) -> None:
        """Delete a type; the audit log tells who did."""
        delete_instance_type(type=obj, editor=editor_of(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[InstanceType]) -> None:
        """Delete the chosen types."""
        for type in queryset:
            self.delete_model(request, type)
