"""Forms at which durable runs wait, over HTTP: those that wait for the caller, and answering them (docs/forms.md).

The same people may do so as on the pages, and for everybody else there is no such form.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from django import forms
from django.http import HttpRequest, QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from processes.api.base import PAGE, ApiView, page_of
from processes.api.bodies import Object, Sent, Text, bad_request, sent
from processes.domain.json_values import JSON
from processes.models import RunForm
from processes.pages.form_fields import as_typed, starting_value
from processes.pages.forms import ProcessForm
from processes.pages.process import check_size
from processes.pages.sent_forms import Took, form_to_show, sent_form, take, visitor_of
from processes.services.errors import FormInvalidError, FormNotFoundError, SignInRequiredError
from processes.services.form_answers import Waiting, waiting_form
from processes.services.form_fields import FieldConfig
from processes.services.run_forms import check_open, forms_for

__all__ = ["FormDetail", "FormList"]

JSON_TYPE: Final = "application/json"
#: How many forms are listed at once.
PAGE_ROWS: Final = 100
_NOT_TOLD = frozenset({"choices", "label", "required", "initial"})


class FormRowSerializer(serializers.Serializer):
    """Be a form that waits for somebody."""

    reference = serializers.CharField()
    title = serializers.CharField()
    work = serializers.CharField(help_text="The title of its run.")
    run = serializers.UUIDField()
    opened_at = serializers.DateTimeField()
    until = serializers.DateTimeField(allow_null=True)
    url = serializers.CharField(help_text="Its page.")


class FormsSerializer(serializers.Serializer):
    """Be a page of forms."""

    forms = FormRowSerializer(many=True)
    more = serializers.BooleanField()


class ButtonSerializer(serializers.Serializer):
    """Be a button of a form."""

    name = serializers.CharField()
    label = serializers.CharField()
    does = serializers.CharField()


class FormSerializer(FormRowSerializer):
    """Be a form whole."""

    intro = serializers.CharField()
    # Each has what is configured of it besides: docs/forms.md.
    fields_ = serializers.ListField(child=serializers.DictField())
    buttons = ButtonSerializer(many=True)
    entered = serializers.DictField(help_text="What was kept of what was typed.")

    def get_fields(self) -> Any:
        """Give the fields the name that a serializer has for its own."""
        return {name.rstrip("_"): field for name, field in super().get_fields().items()}


class FormAnswerSerializer(Sent):
    """Be the answer to a form."""

    cure = 'Send {"values": {"seats": 4}}.'

    button = Text(required=False, help_text="The name of a button; the form's own without.")
    values = Object(required=False, help_text="A value for each field, by its name.")


class TakenSerializer(serializers.Serializer):
    """Say that an answer was taken."""

    reference = serializers.CharField()
    run = serializers.UUIDField()


class FormList(ApiView):
    """The forms that wait for the caller."""

    @extend_schema(operation_id="forms_list", responses=FormsSerializer, parameters=[PAGE])
    def get(self, request: Request) -> Response:
        """Return the forms that wait for the caller, the newest first; `page` leafs on."""
        first = (page_of(request) - 1) * PAGE_ROWS
        rows = list(forms_for(visitor_of(request._request))[first : first + PAGE_ROWS + 1])
        return Response({"forms": [_row(row) for row in rows[:PAGE_ROWS]], "more": len(rows) > PAGE_ROWS})


class FormDetail(ApiView):
    """One form at which a run waits."""

    problem_statuses: ClassVar = {"GET": (409,), "POST": (422,)}

    @extend_schema(operation_id="forms_get", responses=FormSerializer)
    def get(self, request: Request, reference: str) -> Response:
        """Describe a form: its fields, its buttons, and what was kept of what was typed."""
        return Response(_described(_open_form(request._request, reference)))

    @extend_schema(
        operation_id="forms_answer",
        request={"application/json": FormAnswerSerializer, "multipart/form-data": OpenApiTypes.OBJECT},
        responses={200: OpenApiResponse(TakenSerializer, "It is kept for later."), 202: TakenSerializer},
    )
    def post(self, request: Request, reference: str) -> Response:
        """Take a form's answer: 202, the run goes on as soon as it can; 200 for a draft."""
        waiting = _open_form(request._request, reference)
        button, posted, files = _sent(request, waiting)
        shown = sent_form(waiting, posted=posted, files=files)
        took = take(waiting, shown, button=button, how="api")
        if took is Took.REFUSED:
            errors = {name: [str(text) for text in texts] for name, texts in shown.errors.items()}
            raise FormInvalidError(_("Something in the form needs another look."), fields={"errors": errors})
        status = 202 if took is Took.ANSWERED else 200
        return Response({"reference": waiting.row.reference, "run": str(waiting.row.run_id)}, status=status)


def _open_form(request: HttpRequest, reference: str) -> Waiting:
    """Return a form that waits for the caller; raises FormNotFoundError, and FormClosedError for one that is over."""
    check_size(request, reads=request.content_type != JSON_TYPE)
    try:
        waiting = waiting_form(reference, visitor=visitor_of(request))
    except SignInRequiredError as error:
        raise FormNotFoundError(error.message) from None
    check_open(waiting.row, visitor=waiting.visitor)
    return waiting


def _sent(request: Request, waiting: Waiting) -> tuple[str, QueryDict, Mapping[str, Any]]:
    """Return the button and what a page would have sent: of a JSON object, or of a form with files."""
    plain = request._request
    if plain.content_type != JSON_TYPE:
        return plain.POST.get("button", ""), plain.POST, plain.FILES
    asked = sent(FormAnswerSerializer, request)
    button, values = asked.get("button", ""), asked.get("values", {})
    names = [waiting.config.button("").name, *(one.name for one in waiting.config.buttons)]
    if button and button not in names:
        raise bad_request(f'There is no button "{button}"; known are {", ".join(map(str, names))}.')
    fields = {field.name: field for field in waiting.config.fields}
    if unknown := sorted(values.keys() - fields.keys()):
        raise bad_request(f'There is no field "{unknown[0]}"; known are {", ".join(fields)}.')
    query = QueryDict(mutable=True)
    for name, value in values.items():
        query.setlist(name, _typed(fields[name], value))
    return button, query, {}


def _typed(field: FieldConfig, value: JSON) -> list[str]:
    """Return a JSON value as a page would send it; nothing for null, and for what isn't ticked."""
    if field.is_file and value is not None:
        raise bad_request(f'"{field.name}" is a file: send it as multipart/form-data.')
    typed = str(value) if field.type == "password" and value is not None else as_typed(field, value)
    if typed is None or typed is False:
        return []
    if typed is True:
        return ["on"]
    return [str(item) for item in typed] if isinstance(typed, list) else [str(typed)]


def _row(row: RunForm) -> dict[str, JSON]:
    return {
        "reference": row.reference,
        "title": row.title,
        "work": row.run.root.title,
        "run": str(row.run_id),
        "opened_at": row.opened_at.isoformat(),
        "until": None if row.until is None else row.until.isoformat(),
        "url": reverse("processes:run-form", kwargs={"reference": row.reference}),
    }


def _described(waiting: Waiting) -> dict[str, JSON]:
    config, shown = waiting.config, form_to_show(waiting)
    main = config.button("")
    buttons = [*([] if main in config.buttons else [main]), *config.buttons]
    return {
        **_row(waiting.row),
        "intro": config.intro,
        "fields": [_field(field, shown, waiting) for field in config.fields],
        "buttons": [{"name": one.name, "label": one.label, "does": one.does} for one in buttons],
        "entered": dict(waiting.entered),
    }


def _field(field: FieldConfig, shown: ProcessForm, waiting: Waiting) -> dict[str, JSON]:
    made = shown.fields[field.name]
    known = waiting.data.get(field.name)
    told: dict[str, JSON] = {
        **field.model_dump(mode="json", exclude_defaults=True, exclude=set(_NOT_TOLD)),
        "name": field.name,
        "type": field.type,
        "label": field.shown_label,
        "required": made.required,
        "value": None if field.type == "password" else starting_value(field) if known is None else known,
    }
    if isinstance(made, forms.ChoiceField):
        choices: Any = made.choices
        told["choices"] = [_choice(key, label) for key, label in choices if key != ""]
    return told


def _choice(key: Any, label: Any) -> dict[str, JSON]:
    if isinstance(label, list | tuple):
        return {"label": str(key), "choices": [_choice(*item) for item in label]}
    return {"value": str(key), "label": str(label)}
