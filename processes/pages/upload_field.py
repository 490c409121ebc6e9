"""Take files in forms: new ones, and those that were kept from before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from processes.domain.json_values import JSON
from processes.services.errors import FileMissingError
from processes.services.file_types import RASTER_IMAGES, check_content, check_image, fits
from processes.services.files import file_url, is_file_info, size_text

__all__ = ["KeptFile", "UploadField", "UploadWidget", "kept_infos"]

FileInfo: TypeAlias = Mapping[str, JSON]
Files: TypeAlias = list[UploadedFile | FileInfo]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFile:
    """Show one file that was kept; `is_removed` where its removal was asked for."""

    id: str
    name: str
    size: str
    url: str
    is_removed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sent:
    """Hold what a request says about a field: new files, and what it keeps of the kept ones."""

    new: list[UploadedFile] = field(default_factory=list)
    kept: list[FileInfo] = field(default_factory=list)


def kept_infos(value: JSON) -> list[FileInfo]:
    """Return the file infos in a field's value from before: one, several, or none."""
    found = value if isinstance(value, list) else [value]
    return [dict(item) for item in found if is_file_info(item)]


class UploadWidget(forms.FileInput):
    """Choose files; what was kept stands beside it, and can be removed.

    A single file is removed by the box `<name>-clear`; of several, those stay whose ids `<name>-keep` holds.
    """

    template_name = "processes/_upload.html"
    allow_multiple_selected = True
    needs_multipart_form = True

    def __init__(self, *, multiple: bool, attrs: dict[str, Any] | None = None) -> None:
        super().__init__({**(attrs or {}), "multiple": multiple})
        self.multiple = multiple
        self.kept: list[FileInfo] = []
        #: Whether `kept` is newer than what was sent: all of it stays, then.
        self.is_settled = False

    def value_from_datadict(self, data: Any, files: Any, name: str) -> _Sent:
        """Return the new files, and the kept ones that stay."""
        new = files.getlist(name) if hasattr(files, "getlist") else files.get(name)
        new = new if isinstance(new, list) else [new]
        uploads = [item for item in new if isinstance(item, UploadedFile)]
        if self.multiple:
            ids = data.getlist(f"{name}-keep") if hasattr(data, "getlist") else data.get(f"{name}-keep", [])
            ids = ids if isinstance(ids, list) else [ids]
            kept = [info for info in self.kept if str(info["id"]) in ids]
        else:
            kept = [] if uploads or data.get(f"{name}-clear") else self.kept[:1]
            uploads = uploads[-1:]
        return _Sent(new=uploads, kept=kept)

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        """Tell whether nothing was sent at all."""
        return name not in files and f"{name}-keep" not in data and f"{name}-clear" not in data

    def use_required_attribute(self, initial: Any) -> bool:
        """Tell the browser that a file is needed, unless one was kept."""
        return not self.kept

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """Add what was kept."""
        context = super().get_context(name, None, attrs)
        context["widget"] |= {"kept": self._shown(value), "multiple": self.multiple}
        return context

    def _shown(self, value: Any) -> list[KeptFile]:
        shown = []
        removed: set[str] = set()
        if isinstance(value, _Sent) and not self.is_settled and (self.multiple or not value.new):
            removed = {str(info["id"]) for info in self.kept if info not in value.kept}
        for info in self.kept:
            try:
                url = file_url(info)
            except FileMissingError:
                continue
            shown.append(
                KeptFile(
                    id=str(info["id"]),
                    name=str(info.get("name") or _("File")),
                    size=size_text(info.get("size")),
                    url=url,
                    is_removed=str(info["id"]) in removed,
                )
            )
        return shown


class UploadField(forms.Field):
    """Take one file or several, and say in plain words what is wrong with them."""

    widget: UploadWidget
    default_error_messages = {"required": gettext_lazy("Choose a file.")}

    def __init__(
        self,
        *,
        accept: Sequence[str] = (),
        max_bytes: int | None = None,
        multiple: bool = False,
        max_files: int = 1,
        images: bool = False,
        **options: Any,
    ) -> None:
        self.accept = tuple(accept) or (RASTER_IMAGES if images else ())
        self.max_bytes, self.multiple, self.images = max_bytes, multiple, images
        self.max_files = max_files if multiple else 1
        super().__init__(widget=UploadWidget(multiple=multiple), **options)

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        """Let the browser offer fitting files only."""
        return {"accept": ",".join(self.accept)} if self.accept else {}

    def clean(self, value: Any) -> UploadedFile | FileInfo | Files | None:
        """Return the files: new ones as they came, kept ones as their infos."""
        sent = value if isinstance(value, _Sent) else _Sent(kept=kept_infos(value))
        problems = [problem for file in sent.new if (problem := self._problem(file)) is not None]
        if problems:
            raise forms.ValidationError(problems)
        files: Files = [*sent.kept, *sent.new]
        if self.required and not files:
            raise forms.ValidationError(self.error_messages["required"], code="required")
        if len(files) > self.max_files:
            message = ngettext(
                "At most %(limit)s file is taken, and there are %(number)s.",
                "At most %(limit)s files are taken, and there are %(number)s.",
                self.max_files,
            )
            raise forms.ValidationError(message % {"limit": self.max_files, "number": len(files)}, code="too_many")
        return files if self.multiple else files[0] if files else None

    def entered(self, value: Any) -> UploadedFile | FileInfo | Files | None:
        """Return the files that are right by themselves, whatever is wrong with the others."""
        sent = value if isinstance(value, _Sent) else _Sent()
        right: Files = [file for file in sent.new if self._problem(file) is None]
        files: Files = [*sent.kept, *right][: self.max_files]
        return files if self.multiple else files[0] if files else None

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Tell whether a file came, or one is to go."""
        return not self.disabled and isinstance(data, _Sent) and (bool(data.new) or data.kept != self.widget.kept)

    def _problem(self, file: UploadedFile) -> forms.ValidationError | None:
        if not file.size:
            return forms.ValidationError(self._told(file, _("The file is empty.")), code="empty")
        if self.max_bytes is not None and file.size > self.max_bytes:
            message = _("The file is too large (%(size)s): at most %(limit)s are taken.")
            sizes = {"size": filesizeformat(file.size), "limit": filesizeformat(self.max_bytes)}
            return forms.ValidationError(self._told(file, message % sizes), code="too_large")
        if not fits(file, self.accept):
            message = _("“%(name)s” is not of a type that is taken here: choose a file of the type %(types)s.")
            types = _(" or ").join(self.accept)
            return forms.ValidationError(message % {"name": file.name, "types": types}, code="wrong_type")
        problem = check_content(file, self.accept)
        if problem is None and self.images:
            problem = check_image(file)
        return None if problem is None else forms.ValidationError(problem, code="wrong_content")

    def _told(self, file: UploadedFile, message: str) -> str:
        return f"{file.name}: {message}" if self.multiple else message
