"""Tell what a file really is, by its first bytes: a name and a declared type are only what somebody says.

What is plainly something else is kept out: a program called `receipt.pdf`, a workbook called `rows.csv`. This is no
virus scanner, and kinds without a signature of their own are let through.
"""

import codecs
import mimetypes
from collections.abc import Sequence
from typing import Final

import puremagic
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _

__all__ = ["RASTER_IMAGES", "check_content", "check_image", "fits"]


def _set(suffixes: str) -> frozenset[str]:
    return frozenset(suffixes.split())


#: What a field for images takes where it doesn't say so itself. (An SVG is a document, which may hold scripts.)
RASTER_IMAGES: Final = ("image/*",)

_SVG: Final = "image/svg+xml"
_HEAD_BYTES: Final = 8_192
#: Shorter signatures ("MZ", "BM") are also how texts begin.
_SURE_BYTES: Final = 3

#: Kinds whose content begins alike: an archive of XML documents and one of other things can't be told by their heads.
_ZIPS: Final = _set("zip docx docm dotx xlsx xlsm xlsb xltx pptx pptm potx vsdx odt ods odp odg epub jar kmz apk cbz")
_OLE: Final = _set("doc xls ppt msg msi vsd pub")
_ALIKE: Final = (
    _ZIPS, _OLE, _set("jpg jpeg jpe jfif"), _set("tif tiff"), _set("heic heif"),
    _set("gz tgz svgz"), _set("bmp dib"),
)  # fmt: skip
#: Kinds that always begin with a signature: what claims to be one, and has none, isn't one.
_SIGNED: Final = _set("pdf png gif webp avif ico psd bz2 xz 7z rar zst sqlite parquet").union(*_ALIKE)
#: Kinds that are texts.
_TEXTUAL: Final = _set(
    "txt text csv tsv tab json jsonl ndjson geojson xml html htm md rst yaml yml ini cfg toml log sql svg gpx kml ics "
    "vcf srt css js py eml tex po"
)
_PROGRAMS: Final = (
    b"\x7fELF", b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe",
)  # fmt: skip
#: Suffixes of programs, and of what may hold anything.
_MAY_BE_PROGRAMS: Final = _set("exe dll com scr sys msi so o bin elf class dylib efi img iso dat deb rpm")
#: Suffixes by type, where Python's own table knows none, or others.
_TYPES: Final = {
    "application/x-pdf": {"pdf"}, "application/x-zip-compressed": {"zip"}, "application/x-gzip": {"gz"},
    "application/gzip": {"gz"}, "application/x-7z-compressed": {"7z"}, "application/vnd.rar": {"rar"},
    "image/jpg": {"jpg"}, "image/pjpeg": {"jpg"}, "image/webp": {"webp"}, "image/avif": {"avif"},
    "image/heic": {"heic"}, "image/heif": {"heif"}, "image/bmp": {"bmp"},
    "application/json": {"json"}, "application/xml": {"xml"}, "application/x-ndjson": {"ndjson"},
    "application/yaml": {"yaml"}, "application/x-yaml": {"yaml"}, "application/sql": {"sql"},
    "application/geo+json": {"geojson"}, "image/svg+xml": {"svg"}, "application/javascript": {"js"},
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": {"docx"},
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": {"xlsx"},
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": {"pptx"},
    "application/vnd.oasis.opendocument.text": {"odt"}, "application/vnd.oasis.opendocument.spreadsheet": {"ods"},
    "application/vnd.oasis.opendocument.presentation": {"odp"},
}  # fmt: skip
_BOMS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
_NOT_IN_TEXTS: Final = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1a\x1b"))


def fits(file: "UploadedFile[bytes]", accept: Sequence[str]) -> bool:
    """Tell whether a file's name or declared type is among those that are taken; where none are named, any is."""
    return not accept or any(_claims(file, pattern) for pattern in accept)


def check_content(file: "UploadedFile[bytes]", accept: Sequence[str]) -> str | None:
    """Say why a file isn't what it claims to be among `accept`; None where it is, or where nobody can tell.

    `accept` holds suffixes (".pdf"), types ("text/csv") and families of types ("image/*"); where it is empty, nothing
    is claimed. The file is left at its beginning.
    """
    claimed = [pattern for pattern in accept if _claims(file, pattern)]
    if not claimed:
        return None
    head = _head_of(file)
    if any(_is_of(pattern, head) for pattern in claimed):
        return None
    return _("“%(name)s” is not what it says it is: its content is of another type.") % {"name": file.name}


def check_image(file: "UploadedFile[bytes]") -> str | None:
    """Say so where a file's content isn't a picture; an SVG is one, where it is called so."""
    head = _head_of(file)
    if any(kind.startswith("image/") and kind != _SVG for kind in _found(head)[1]):
        return None
    if (_claims(file, ".svg") or _claims(file, _SVG)) and b"<svg" in head.lower():
        return None
    return _("“%(name)s” is not a picture.") % {"name": file.name}


def _claims(file: "UploadedFile[bytes]", pattern: str) -> bool:
    """Compare by suffix and by the declared type, as the accept attribute of HTML does."""
    if pattern.startswith("."):
        return (file.name or "").lower().endswith(pattern)
    declared = (file.content_type or "").partition(";")[0].strip().lower()
    return declared.startswith(pattern[:-1]) if pattern.endswith("/*") else declared == pattern


def _is_of(pattern: str, head: bytes) -> bool:
    if pattern == "text/*":
        return _is_text(head)
    if pattern == "image/*":
        return any(kind.startswith("image/") and kind != _SVG for kind in _found(head)[1])
    if pattern.endswith("/*"):
        kinds = _found(head)[1]
        return not _is_program(head) and (not kinds or any(kind.startswith(pattern[:-1]) for kind in kinds))
    suffixes = {pattern.rpartition(".")[2]} if pattern.startswith(".") else _suffixes_of(pattern)
    if pattern.startswith("text/") or suffixes & _TEXTUAL:
        return _is_text(head)
    if suffixes & _SIGNED:
        return bool(_found(head)[0] & suffixes.union(*(alike for alike in _ALIKE if alike & suffixes)))
    return not _is_program(head) or bool(suffixes & _MAY_BE_PROGRAMS)


def _suffixes_of(content_type: str) -> set[str]:
    known = _TYPES.get(content_type)
    if known is not None:
        return set(known)
    return {suffix.removeprefix(".") for suffix in mimetypes.guess_all_extensions(content_type)}


def _found(head: bytes) -> tuple[set[str], set[str]]:
    """Return the suffixes and the types of the kinds that begin like this."""
    try:
        matches = puremagic.magic_string(head)
    except (puremagic.PureError, ValueError):
        return set(), set()
    is_text = _is_text(head)
    sure = [match for match in matches if len(match.byte_match or b"") >= _SURE_BYTES or not is_text]
    return (
        {match.extension.lower().removeprefix(".") for match in sure if match.extension},
        {match.mime_type.lower() for match in sure if match.mime_type},
    )


def _is_text(head: bytes) -> bool:
    """Tell whether this may be how a text begins, in whatever encoding."""
    if head.startswith(_BOMS):
        return True
    return not head.startswith(b"%PDF-") and not any(byte in _NOT_IN_TEXTS for byte in set(head))


def _is_program(head: bytes) -> bool:
    return head.startswith(_PROGRAMS) or (head.startswith(b"MZ") and not _is_text(head))


def _head_of(file: "UploadedFile[bytes]") -> bytes:
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    file.seek(0)
    return head if isinstance(head, bytes) else bytes(head)
