"""Receive files: no more of them than the forms of the process, or this site, take.

A request comes in two steps. The server receives its body, up to STEPLINE_UPLOAD_MAX_BYTES (`config.bodies` stops it
there). Then Django parts it into fields and files; the handler here drops what is more of a file than any form of the
process takes in a field of that name. It only counts the rest, so that the form can say how large the file was.
"""

import uuid
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.utils.functional import cached_property
from django.utils.translation import gettext as _

from processes.domain.json_values import JSON
from processes.domain.plan import Plan
from processes.errors import ProcessError
from processes.models import ProcessInstance, ProcessTemplate, RunForm
from processes.services.derivation import load_plan
from processes.services.errors import TooLargeError
from processes.services.form_lookup import called_plans
from processes.services.forms import SHOW_FORM

__all__ = ["UPLOAD_MAX_BYTES", "LimitingUploadHandler", "OversizedFile", "declared_bytes", "upload_limit"]

#: The largest request that is taken, in bytes, unless STEPLINE_UPLOAD_MAX_BYTES says otherwise.
UPLOAD_MAX_BYTES = 2 * 1024**3


def upload_limit() -> int:
    """Return the size of the largest request that is taken, in bytes."""
    return int(getattr(settings, "STEPLINE_UPLOAD_MAX_BYTES", UPLOAD_MAX_BYTES))


def declared_bytes(request: HttpRequest) -> int:
    """Return how long a request says that its body is, in bytes; 0 where it says nothing that is a number."""
    text = request.META.get("CONTENT_LENGTH") or ""
    # Alone `isdigit` takes "²" too, of which `int` makes no number.
    return int(text[:20]) if text.isascii() and text.isdigit() else 0


class OversizedFile(UploadedFile):
    """Stand for a file that was too large to be kept: only its size is known."""

    def __init__(self, *, name: str | None, content_type: str | None, size: int, limit_bytes: int) -> None:
        super().__init__(file=None, name=name, content_type=content_type, size=size)
        self._limit_bytes = limit_bytes

    def __bool__(self) -> bool:
        return True

    def read(self, *_: object) -> NoReturn:
        """Refuse: there is nothing to read."""
        raise self._error()

    def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
        """Refuse: there is nothing to read."""
        raise self._error()

    def _error(self) -> TooLargeError:
        message = _("The file is larger than this form takes (%(limit)s).")
        return TooLargeError(
            message % {"limit": filesizeformat(self._limit_bytes)}, fields={"limit_bytes": self._limit_bytes}
        )


class LimitingUploadHandler(FileUploadHandler):
    """Drop what is more of a file than the process takes; comes first of the handlers, and leaves them what is kept."""

    request: HttpRequest | None
    _limit: int | None = None
    _is_oversized = False

    def new_file(self, field_name: str, *arguments: Any, **options: Any) -> None:
        """Look up how large a file of this field may be."""
        super().new_file(field_name, *arguments, **options)
        self._limit = self._limits.get(field_name)
        self._is_oversized = False

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        """Hand the data on to the next handler, as long as the file isn't too large."""
        if self._limit is not None and not self._is_oversized and start + len(raw_data) > self._limit:
            self._is_oversized = True
            for handler in self.request.upload_handlers if self.request is not None else ():
                # It has begun to keep the file. For itself it ends here.
                if handler is not self:
                    handler.upload_interrupted()
        return None if self._is_oversized else raw_data

    def file_complete(self, file_size: int) -> UploadedFile | None:
        """Stand in for a file that was too large; the next handler has the others."""
        if not self._is_oversized or self._limit is None:
            return None
        return OversizedFile(
            name=self.file_name, content_type=self.content_type, size=file_size, limit_bytes=self._limit
        )

    @cached_property
    def _limits(self) -> Mapping[str, int]:
        plan_hash = None if self.request is None else _plan_hash_of(self.request)
        try:
            return {} if plan_hash is None else _limits_of(load_plan(plan_hash))
        except ProcessError:
            return {}  # The page itself says what is wrong with its process.


def _plan_hash_of(request: HttpRequest) -> str | None:
    """Return the hash of the plan that the page runs to which the request is sent; None where it runs none."""
    match = request.resolver_match
    if match is None or match.namespace != "processes":
        return None
    if match.url_name == "run-form":
        reference = str(match.kwargs.get("reference", ""))[:22]
        return RunForm.objects.filter(reference=reference).values_list("run__plan_id", flat=True).first()
    slug, instance_id = match.kwargs.get("slug"), match.kwargs.get("instance_id")
    if isinstance(slug, str):
        return ProcessTemplate.objects.filter(slug=slug).values_list("published_plan_id", flat=True).first()
    if isinstance(instance_id, uuid.UUID):
        return ProcessInstance.objects.filter(pk=instance_id).values_list("plan_id", flat=True).first()
    return None


def _limits_of(plan: Plan) -> dict[str, int]:
    """Return how many bytes each field may take at most, in whichever form; a field without a limit isn't there."""
    limits: dict[str, int | None] = {}
    for one in (plan, *called_plans(plan)):
        for action in one.actions:
            if action.script == SHOW_FORM:
                for field in _fields_in(action.config):
                    name, limit = str(field.get("name")), _limit_in(field)
                    known = limits.get(name, 0)
                    limits[name] = None if limit is None or known is None else max(limit, known)
    return {name: limit for name, limit in limits.items() if limit is not None}


def _fields_in(config: JSON) -> Iterator[Mapping[str, JSON]]:
    """Find the fields of files in a form's config, in groups too."""
    if isinstance(config, Mapping):
        if config.get("type") == "file" and "name" in config:
            yield config
        for value in config.values():
            yield from _fields_in(value)
    elif isinstance(config, list | tuple):
        for value in config:
            yield from _fields_in(value)


def _limit_in(field: Mapping[str, JSON]) -> int | None:
    limit = field.get("max_bytes")
    # A placeholder is filled later, and the form itself looks then.
    return limit if isinstance(limit, int) else None
