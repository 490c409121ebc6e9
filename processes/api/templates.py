"""Process templates over HTTP, for those who see them in the admin: found, made, edited, deleted (docs/editing.md).

The same people may do the same as there, by the same services. For those who may not see templates there are none.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Final, NoReturn

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from processes.api.base import IF_MATCH, ApiList, ApiView
from processes.api.bodies import bad_request, sent
from processes.api.template_schema import (
    NewTemplateSerializer,
    TemplateRowSerializer,
    TemplateSerializer,
    definition_text,
    etag,
    row_json,
    template_json,
)
from processes.models import Access, ProcessTemplate
from processes.services.access import User, may_add, may_delete, may_edit, may_view
from processes.services.authoring.publishing import lock_templates
from processes.services.authoring.templates import delete_template, draft_of, save_draft
from processes.services.errors import TemplateNotFoundError
from processes.services.template_rights import editor_refusals, owner_refusal
from tasks.api.etags import check_if_match, tagged
from tasks.api.filtering import TextFilter, YesNoFilter
from tasks.errors import NotAllowed

__all__ = ["TemplateDetail", "TemplateList", "check_editor", "find_seen", "locked_template", "templates_of"]

_REFERENCE_CHARS: Final = 100


class TemplateFilter(filters.FilterSet):
    """Narrow a list of templates."""

    abstract = YesNoFilter()
    access = filters.ChoiceFilter(choices=[(value, value) for value in Access.values])
    published = YesNoFilter(field_name="published_at", lookup_expr="isnull", exclude=True)
    extends = TextFilter(field_name="extensions__base__slug", help_text="The slug of what they extend.")


class TemplateList(ApiList):
    """The templates."""

    queryset = ProcessTemplate.objects.none()  # for the API's description
    filterset_class = TemplateFilter
    search_fields = ("title", "slug", "description")
    orderings: ClassVar = {"title": "title", "slug": "slug", "updated_at": "updated_at", "created_at": "created_at"}
    ordering = ("title",)
    problem_statuses: ClassVar = {"GET": (404,), "POST": (404, 422)}

    @extend_schema(operation_id="templates_list", responses=TemplateRowSerializer(many=True))
    def get(self, request: Request) -> Response:
        """List templates, for staff who may view them."""
        page = self.paginate_queryset(self.filter_queryset(templates_of(request.user)))
        return self.get_paginated_response([row_json(template) for template in page])

    @extend_schema(
        operation_id="templates_create",
        request=NewTemplateSerializer,
        responses={201: OpenApiResponse(TemplateSerializer, "The template; its draft isn't published yet.")},
        filters=False,
    )
    def post(self, request: Request) -> Any:
        """Make a template, for staff who may add them."""
        if not may_add(request.user, ProcessTemplate):
            templates_of(request.user)
            raise NotAllowed
        asked = sent(NewTemplateSerializer, request)
        with transaction.atomic():
            lock_templates()
            if ProcessTemplate.objects.filter(slug=asked["slug"]).exists():
                # Saving would tell it last of all.
                _refuse("slug", "There is a template of this slug already.", code="slug_taken")
            saved = _save(ProcessTemplate(), asked, user=request.user)
        response = _told(request, saved)
        response.status_code = 201
        response.headers["Location"] = reverse("processes-api:template", kwargs={"slug": saved.slug})
        return response


class TemplateDetail(ApiView):
    """One template."""

    problem_statuses: ClassVar = {
        "PUT": (404, 412, 422, 428), "PATCH": (404, 412, 422, 428), "DELETE": (404, 412, 428)
    }  # fmt: skip

    @extend_schema(operation_id="templates_get", responses=TemplateSerializer)
    def get(self, request: Request, slug: str) -> Any:
        """Return a template with its draft; its ETag goes into `If-Match` of an edit."""
        return _told(request, find_seen(slug, user=request.user))

    @extend_schema(
        operation_id="templates_replace",
        request=TemplateSerializer,
        parameters=[IF_MATCH],
        responses=TemplateSerializer,
    )
    def put(self, request: Request, slug: str) -> Any:
        """Save a draft whole: what isn't sent is as in a new template."""
        return self._edit(request, slug, partial=False)

    @extend_schema(
        operation_id="templates_edit", request=TemplateSerializer, parameters=[IF_MATCH], responses=TemplateSerializer
    )
    def patch(self, request: Request, slug: str) -> Any:
        """Save what is sent, and leave the rest as it is."""
        return self._edit(request, slug, partial=True)

    @extend_schema(operation_id="templates_delete", parameters=[IF_MATCH], responses={204: None})
    def delete(self, request: Request, slug: str) -> Response:
        """Delete a template with its history, on which nothing builds and of which nothing is alive."""
        if not may_delete(request.user, ProcessTemplate):
            find_seen(slug, user=request.user)
            raise NotAllowed
        with locked_template(request, slug) as template:
            delete_template(template=template, user=request.user)
        return Response(status=204)

    def _edit(self, request: Request, slug: str, *, partial: bool) -> Any:
        check_editor(request.user, find_seen(slug, user=request.user))
        asked = sent(TemplateSerializer, request, partial=partial)
        with locked_template(request, slug) as template:
            saved = _save(template, asked, user=request.user)
        return _told(request, saved)


def templates_of(user: User) -> QuerySet[ProcessTemplate]:
    """Return the templates, to those who may view them; raises TemplateNotFoundError for all others."""
    if not may_view(user, ProcessTemplate):
        raise TemplateNotFoundError("There is no such template, or you may not see it.")
    return ProcessTemplate.objects.select_related("owner").prefetch_related("bindings", "extensions__base")


def find_seen(slug: str, *, user: User) -> ProcessTemplate:
    """Return a template that somebody may view; raises TemplateNotFoundError."""
    found = templates_of(user).filter(slug=slug).first()
    if found is None:
        raise TemplateNotFoundError("There is no such template, or you may not see it.")
    return found


def check_editor(user: User, template: ProcessTemplate) -> None:
    """Raise NotAllowed for somebody who may see a template, and not change it."""
    if not may_edit(user, template):
        raise NotAllowed


@contextmanager
def locked_template(request: Request, slug: str) -> Iterator[ProcessTemplate]:
    """Hold, in a transaction, a template that the caller may edit and has seen as it is, by `If-Match`.

    Nobody else changes it until that ends.
    """
    with transaction.atomic():
        lock_templates()
        template = find_seen(slug, user=request.user)
        check_editor(request.user, template)
        check_if_match(request, etag(template_json(template)))
        yield template


def _told(request: Request, template: ProcessTemplate) -> Any:
    told = template_json(template)
    return tagged(request, etag(told), told)


def _save(template: ProcessTemplate, asked: dict[str, Any], *, user: Any) -> ProcessTemplate:
    """Save what was asked for, if this editor may decide it; return the template as it is stored then."""
    stored = None if template._state.adding else template
    if stored is not None and stored.published_source is not None and asked.get("slug", stored.slug) != stored.slug:
        _refuse("slug", "It stays once it is published: addresses and other templates name it.")
    owner = _owner(asked["owner"]) if "owner" in asked else template.owner
    groups, edit_groups = _groups(asked, "groups"), _groups(asked, "edit_groups")
    edit_access = asked.get("edit_access", template.edit_access)
    owner_id = None if owner is None else owner.pk
    if (refusal := owner_refusal(user, template, owner_id=owner_id)) is not None:
        _refuse("owner", refusal, code="not_allowed")
    now: Sequence[Group] = () if stored is None else list(stored.edit_groups.all())
    chosen = now if edit_groups is None else edit_groups
    for field, message in editor_refusals(user, stored, edit_access=edit_access, edit_groups=chosen, owner_id=owner_id):
        _refuse(field, message, code="not_allowed")
    draft = None if stored is None else draft_of(stored)
    before = "" if stored is None else stored.definition
    for name in ("slug", "title", "description", "abstract", "access"):
        if name in asked:
            setattr(template, name, asked[name])
    template.owner, template.edit_access = owner, edit_access
    bindings = asked["bindings"] if draft is None or "bindings" in asked else dict(draft.bindings)
    for name in bindings:
        if len(name) > _REFERENCE_CHARS:
            _refuse(f"bindings/{name[:_REFERENCE_CHARS]}", f"A reference has at most {_REFERENCE_CHARS} characters.")
    extends = asked["extends"] if draft is None or "extends" in asked else draft.extends
    saved = save_draft(
        template=template,
        definition=definition_text(asked["definition"], before=before) if "definition" in asked else before,
        bindings=bindings,
        extends=_bases(extends),
        expected_revision=None if stored is None else stored.revision,
        groups=groups,
        edit_groups=edit_groups,
        user=user,
    )
    return templates_of(user).get(pk=saved.pk) if may_view(user, ProcessTemplate) else saved


def _owner(name: str | None) -> Any:
    if name is None:
        return None
    model: Any = get_user_model()
    found = model.objects.filter(**{model.USERNAME_FIELD: name}).first()
    if found is None:
        _refuse("owner", "There is no user of this name.")
    return found


def _groups(asked: dict[str, Any], field: str) -> list[Group] | None:
    """Return the groups of the names that were sent; None where none were said."""
    if field not in asked:
        return None
    found = {group.name: group for group in Group.objects.filter(name__in=asked[field])}
    for number, name in enumerate(asked[field]):
        if name not in found:
            _refuse(f"{field}/{number}", "There is no group of this name.")
    return list(found.values())


def _bases(slugs: Sequence[str]) -> list[ProcessTemplate]:
    found = {base.slug: base for base in ProcessTemplate.objects.filter(slug__in=slugs)}
    for number, slug in enumerate(slugs):
        if slug not in found:
            _refuse(f"extends/{number}", "There is no template of this slug.")
    return [found[slug] for slug in dict.fromkeys(slugs)]


def _refuse(field: str, message: str, *, code: str = "bad_request") -> NoReturn:
    error = bad_request(f"/{field}: {message}", problems=[{"path": f"/{field}", "message": message}])
    error.code = code
    raise error
