"""Say on a page what publishing would change and break."""

from collections.abc import Iterable, Mapping, Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from processes.admin.forms import describe
from processes.domain.json_values import JSON
from processes.errors import Problem
from processes.services.authoring.impact import Dependent, Impact

__all__ = ["broken_lines", "dependent_names", "impact_message", "refusal_message", "warning_message"]

#: A message isn't a report: what comes after these is counted.
MAX_LISTED = 20


def impact_message(impact: Impact) -> SafeString | None:
    """Return what to tell after a draft was saved; None if nothing builds on it and nothing would break."""
    parts: list[SafeString] = []
    if impact.dependents:
        parts.append(format_html(_("These build on it: {}."), dependent_names(impact.dependents)))
    if impact.broken:
        parts.append(refusal_message(_("Publishing it now would break:"), impact.broken))
    elif impact.followers:
        parts.append(format_html(_("Publishing it now would change {}."), _listed(impact.followers)))
    elif impact.dependents:
        parts.append(format_html("{}", _("Publishing it now would change none of them.")))
    return format_html_join(" ", "{}", ((part,) for part in parts)) if parts else None


def warning_message(warnings: Sequence[Problem]) -> SafeString:
    """Return what to tell of a draft that may be published and is probably wrong."""
    return _with_list(_("This is probably a mistake:"), _shortened([describe(warning) for warning in warnings]))


def refusal_message(text: str, broken: Sequence[Mapping[str, JSON]]) -> SafeString:
    """Return a text with what would break, each with its place and its cure."""
    return _with_list(text, broken_lines(broken))


def broken_lines(broken: Sequence[Mapping[str, JSON]]) -> list[str]:
    """Return a line for each problem, whoever needs it: the template, the place in it, the message, the cure."""
    return _shortened(list(dict.fromkeys(_line_of(item) for item in broken)))


def dependent_names(dependents: Iterable[Dependent]) -> str:
    """Return the names with how each builds on the template."""
    return _listed([f"{item.slug} ({_how(item)})" for item in dependents])


def _with_list(text: str, lines: Iterable[str]) -> SafeString:
    return format_html("{}<ul>{}</ul>", text, format_html_join("", "<li>{}</li>", ((line,) for line in lines)))


def _shortened(lines: list[str]) -> list[str]:
    more = len(lines) - MAX_LISTED
    return [*lines[:MAX_LISTED], *([_and_more(more)] if more > 0 else [])]


def _and_more(count: int) -> str:
    return _("and %(count)d more") % {"count": count}


def _how(dependent: Dependent) -> str:
    how = dependent.how or _("by way of another")
    return how if dependent.published else _("%(how)s, as a draft") % {"how": how}


def _line_of(broken: Mapping[str, JSON]) -> str:
    problem = Problem(path=broken["path"], message=broken["message"], suggestion=broken["suggestion"])
    return f"{broken['template']} {describe(problem)}"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MAX_LISTED
    return ", ".join(names[:MAX_LISTED]) + (f" {_and_more(more)}" if more > 0 else "")
