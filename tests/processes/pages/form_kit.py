"""Build forms without a request, and files to put into them."""

from collections.abc import Mapping
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import QueryDict
from django.utils.datastructures import MultiValueDict

from processes.pages.forms import ProcessForm, build_form
from processes.services.forms import FormConfig, to_json

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\6\0\0\0\x1f\x15\xc4\x89"
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n"
EXE = b"MZ\x90\0\3\0\0\0\4\0\0\0\xff\xff\0\0" + b"\0" * 200
ZIP = b"PK\3\4\x14\0\0\0\x08\0" + b"\0" * 60
RECEIPT = {
    "type": "FILE_INFO", "id": "019a0000-0000-7000-8000-000000000001", "name": "receipt.pdf", "size": 122_880,
    "content_type": "application/pdf", "extension": "pdf",
}  # fmt: skip
TICKET = {**RECEIPT, "id": "019a0000-0000-7000-8000-000000000002", "name": "ticket.pdf"}


def configured(*fields: Mapping[str, Any], **config: Any) -> FormConfig:
    return FormConfig.model_validate({"action": "next", "fields": list(fields), **config})


def shown(*fields: Mapping[str, Any], data: Mapping[str, Any] | None = None, **options: Any) -> ProcessForm:
    return build_form(configured(*fields), data=data or {}, **options)


def sent(
    *fields: Mapping[str, Any],
    values: Mapping[str, Any],
    files: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
    **options: Any,
) -> ProcessForm:
    query = QueryDict(mutable=True)
    for name, value in values.items():
        query.setlist(name, value if isinstance(value, list) else [value])
    uploads = MultiValueDict({name: item if isinstance(item, list) else [item] for name, item in (files or {}).items()})
    described = configured(*fields) if config is None else FormConfig.model_validate(config)
    return build_form(described, posted=query, files=uploads, **{"data": {}, **options})


def taken(field: Mapping[str, Any], value: Any, **options: Any) -> Any:
    """Return what data gets for a value; fails with the messages where it is refused."""
    form = sent({"name": "x", **field}, values={} if value is None else {"x": value}, **options)
    assert form.is_valid(), form.errors
    return to_json(form.cleaned_data["x"])


def refusal(field: Mapping[str, Any], value: Any, **options: Any) -> str:
    """Return what is said about a value that isn't taken."""
    form = sent({"name": "x", **field}, values={} if value is None else {"x": value}, **options)
    assert not form.is_valid(), form.cleaned_data
    return " ".join(form.errors["x"])


def upload(name: str, content: bytes, content_type: str = "") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content, content_type)
