"""What the views of the API of processes have in common, besides what all views of the API have."""

from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiParameter
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request

from processes.api.bodies import StrictJson, bad_request
from processes.services.run_lists import check_may_control
from tasks.api import base

__all__ = ["IDEMPOTENCY_KEY", "IF_MATCH", "PAGE", "ApiList", "ApiView", "ControlsRun", "FileView", "page_of"]

_MAX_PAGE_DIGITS = 4

PAGE = OpenApiParameter(
    "page", {"type": "integer", "minimum": 1, "maximum": 9_999}, description="Which page of the list, from 1 on."
)
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key", {"type": "string", "maxLength": 100}, OpenApiParameter.HEADER,
    description="What is sent again under the same key is done once.",
)  # fmt: skip
IF_MATCH = OpenApiParameter(
    "If-Match", str, OpenApiParameter.HEADER, required=True,
    description="The ETag of what was read, which is changed; or * to overwrite what is there.",
)  # fmt: skip


class ApiView(base.ApiView):
    """Be a view of the API that reads JSON strictly."""

    parser_classes: ClassVar[Any] = [StrictJson]


class ControlsRun(ApiView):
    """Be a view of one run for those who may control runs: 403 for all others who see it, 404 for those who don't."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse whoever may not control runs before anything else is looked at."""
        super().initial(request, *args, **kwargs)
        check_may_control(kwargs["run_id"], user=request.user, session=request.session)


class AsItIs(BaseContentNegotiation):
    """Answer with what there is, whatever kind of it is asked for: a file is what it is."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        """Return the one parser."""
        return parsers[0]

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        """Return the one renderer, which writes nothing."""
        return renderers[0], renderers[0].media_type


class FileView(ApiView):
    """Be a view that answers with a file."""

    content_negotiation_class = AsItIs


class ApiList(base.ApiList):
    """Be a list of rows to which something may be sent, too."""

    parser_classes: ClassVar[Any] = [StrictJson]


def page_of(request: Any) -> int:
    """Return which page of a list is asked for, from 1 on; raises ProcessError `bad_request`."""
    query = request.query_params if isinstance(request, Request) else request.GET
    text = query.get("page", "1")
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_PAGE_DIGITS and int(text)):
        raise bad_request('"page" is a number from 1 on.')
    return int(text)
