"""The filters of page content: harmless ones of Django's, some of them held to sizes that a page has.

Whoever adds one asks: can it call or change anything, mark text from data as HTML, or make much out of little?
"""

from collections.abc import Mapping
from datetime import date, time
from typing import Any, Final

from django.contrib.humanize.templatetags.humanize import intcomma
from django.template import Library, defaultfilters
from django.utils.dateparse import parse_date, parse_datetime, parse_time
from django.utils.html import conditional_escape, format_html_join

from processes.domain.urls import checked_url
from processes.errors import ContentError
from processes.services.errors import FileMissingError
from processes.services.files import file_url as url_of_file
from processes.services.files import is_file_info, size_text
from processes.services.page_content.limits import MAX_TEXT
from processes.services.page_content.values import ListView, ObjectView, local, plain

__all__ = ["FILTERS", "URL_FALLBACK"]

#: Where a link leads whose URL isn't one that a page may link to.
URL_FALLBACK: Final = "#"

_HARMLESS: Final = (
    "capfirst", "cut", "default", "default_if_none", "divisibleby", "escape", "force_escape",
    "length", "linebreaks", "linebreaksbr", "lower", "pluralize", "slice", "title", "truncatewords",
    "upper", "urlencode", "wordcount", "yesno",
)  # fmt: skip
#: Finding links in a text takes more time than anything else here.
_MAX_URLIZED: Final = 20_000
#: Normalising a text takes time that grows with the square of its length where it is full of combining marks.
_MAX_NORMALISED: Final = 2_000
_MAX_TRUNCATED: Final = 1_000
_MAX_DECIMALS: Final = 30
_MAX_DIGITS: Final = 200

FILTERS = Library()
for _name in _HARMLESS:
    FILTERS.filters[_name] = defaultfilters.register.filters[_name]


@FILTERS.filter
def add(value: object, other: object) -> object:
    """Add two numbers; anything else is put together as text."""
    if isinstance(value, int | float) and isinstance(other, int | float):
        return value + other
    try:
        return int(str(value)) + int(str(other))
    except ValueError:
        return _text(value) + _text(other)


@FILTERS.filter(is_safe=False)
def floatformat(value: object, digits: object = -1) -> str:
    """Write a number with so many decimals, as Django does; at most 30 of them."""
    number = str(digits).rstrip("gu") or "-1"
    if len(number) > 3 or not number.lstrip("+-").isdecimal() or abs(int(number)) > _MAX_DECIMALS:
        raise ContentError(f"floatformat writes at most {_MAX_DECIMALS} decimals, as in floatformat:2")
    # A text from data may name an exponent that is a memory's worth of zeros.
    if len(str(value)) > _MAX_DIGITS:
        return _text(value)
    return str(defaultfilters.floatformat(value, str(digits)))


@FILTERS.filter
def truncatechars(value: object, length: object) -> str:
    """Cut a text to so many characters, as Django does; to at most 1,000."""
    number = str(length)
    if not number.isascii() or not number.isdigit() or len(number) > 4 or int(number) > _MAX_TRUNCATED:
        raise ContentError(f"truncatechars cuts to at most {_MAX_TRUNCATED} characters, as in truncatechars:20")
    return str(defaultfilters.truncatechars(_text(value)[:_MAX_NORMALISED], int(number)))


@FILTERS.filter
def slugify(value: object) -> str:
    """Make of a text what can stand in an address, as Django does; of its first 2,000 characters."""
    return str(defaultfilters.slugify(_text(value)[:_MAX_NORMALISED]))


@FILTERS.filter
def filesizeformat(value: object) -> str:
    """Write a number of bytes for people, as Django does; nothing for what is no size of a file."""
    return size_text(value)


@FILTERS.filter
def first(value: object) -> object:
    """Return the first item of a list, or character of a text; empty where there is none."""
    return value[0] if isinstance(value, ListView | str) and len(value) else ""


@FILTERS.filter
def last(value: object) -> object:
    """Return the last item of a list, or character of a text; empty where there is none."""
    return value[-1] if isinstance(value, ListView | str) and len(value) else ""


@FILTERS.filter
def join(value: object, separator: object) -> object:
    """Write a list's items with something between them; all of it is escaped, but for a separator that was written."""
    if not isinstance(value, ListView):
        return value
    between = conditional_escape(_text(separator))
    texts = [_text(item) for item in value]
    if len(between) * len(texts) + sum(map(len, texts)) > MAX_TEXT:
        raise ContentError(f"The list would be a text of more than {MAX_TEXT:,} characters")
    return format_html_join(between, "{}", ((text,) for text in texts))


@FILTERS.filter
def dictsort(value: object, key: object) -> ListView:
    """Return a list of objects (or of lists) sorted by a key (or an index): what lacks it first."""
    return _sorted(value, key, reverse=False)


@FILTERS.filter
def dictsortreversed(value: object, key: object) -> ListView:
    """Return a list of objects (or of lists) sorted by a key (or an index), downwards."""
    return _sorted(value, key, reverse=True)


@FILTERS.filter(name="date", expects_localtime=True)
def date_filter(value: object, form: object = None) -> str:
    """Write a date or a time; JSON has none, so a text that is one in ISO 8601 counts as one."""
    return str(defaultfilters.date(_moment(value), _form(form)))


@FILTERS.filter(name="time", expects_localtime=True)
def time_filter(value: object, form: object = None) -> str:
    """Write the time of day; a text in ISO 8601 counts as one."""
    return str(defaultfilters.time(_moment(value), _form(form)))


@FILTERS.filter
def timesince(value: object, other: object = None) -> str:
    """Tell how long ago something was."""
    return str(defaultfilters.timesince_filter(_moment(value), _moment(other)))


@FILTERS.filter
def timeuntil(value: object, other: object = None) -> str:
    """Tell how long it is until something."""
    return str(defaultfilters.timeuntil_filter(_moment(value), _moment(other)))


@FILTERS.filter(name="intcomma")
def intcomma_filter(value: object) -> object:
    """Write a number with its thousands parted as the visitor's language does."""
    return intcomma(value) if isinstance(value, int | float) else value


@FILTERS.filter(needs_autoescape=True)
def urlize(value: object, autoescape: bool = True) -> str:
    """Turn the addresses in a text into links."""
    text = value if isinstance(value, str) else _text(value)
    if len(text) > _MAX_URLIZED:
        raise ContentError(f"urlize takes a text of at most {_MAX_URLIZED:,} characters")
    return str(defaultfilters.urlize(text, autoescape=autoescape))


@FILTERS.filter
def file_url(info: object) -> str:
    """Return the download path of a file info; empty for anything else."""
    found = plain(info)
    if not isinstance(found, Mapping) or not is_file_info(found):
        return ""
    try:
        return url_of_file(found)
    except FileMissingError:
        return ""


@FILTERS.filter
def safe_url(value: object) -> str:
    """Return a URL that a page may link to, and `#` for any other, such as `javascript:…`."""
    return checked_url(_text(value)) or URL_FALLBACK


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _form(value: object) -> str | None:
    return None if value is None else str(value)[:200]


def _moment(value: object) -> Any:
    """Return the moment that a text names in ISO 8601; what isn't a text as it is, and None for other texts."""
    if not isinstance(value, str):
        return value if isinstance(value, date | time) else None
    for read in (parse_date, parse_datetime, parse_time):
        try:
            found = read(value[:64])
        except ValueError:
            continue
        if found is not None:
            return local(found)
    return None


def _sorted(value: object, key: object, *, reverse: bool) -> ListView:
    if not isinstance(value, ListView):
        raise ContentError("Only a list can be sorted")
    return ListView(sorted(value, key=lambda item: _rank(_entry(item, str(key))), reverse=reverse))


def _entry(item: object, key: str) -> object:
    for part in key.split("."):
        if isinstance(item, ObjectView):
            item = item.get(part)
        elif isinstance(item, ListView) and part.isascii() and part.isdigit() and int(part) < len(item):
            item = item[int(part)]
        else:
            return None
    return item


def _rank(value: object) -> tuple[int, float, str]:
    """Order null, numbers and texts, one kind after the other: JSON may mix them."""
    if value is None:
        return (0, 0, "")
    if isinstance(value, bool | int | float):
        return (1, float(value), "")
    return (2, 0, str(value))
