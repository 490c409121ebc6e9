"""Tell what of a sent form wasn't taken, so that nobody loses it unseen."""

from collections.abc import Mapping

from django.core.files.uploadedfile import UploadedFile

from processes.services.forms import FormConfig

__all__ = ["unsaved_texts"]

#: How much of a text is shown on the page that says why it wasn't taken.
_SHOWN_CHARS = 2_000


def unsaved_texts(
    config: FormConfig, *, typed: Mapping[str, object], known: Mapping[str, object]
) -> list[tuple[str, str]]:
    """Return label and text of what was typed and isn't known, in the order of the fields."""
    found = []
    for field in config.fields:
        text, other = _as_text(typed.get(field.name)), _as_text(known.get(field.name))
        if text and text != other:
            found.append((field.shown_label, text[:_SHOWN_CHARS]))
    return found


def _as_text(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(text for item in value if (text := _as_text(item)))
    if isinstance(value, UploadedFile):
        return value.name or ""
    if isinstance(value, Mapping):
        return str(value.get("name", ""))
    return "" if value is None or isinstance(value, bool) else str(value).strip()
