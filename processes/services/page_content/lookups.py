"""Look things up for content: keys of objects and indexes of lists, filters applied. Nothing is ever called."""

from typing import Any, Final, Protocol

from django.template import Context, TemplateSyntaxError, VariableDoesNotExist
from django.template.base import FilterExpression, Parser, Variable
from django.utils.safestring import SafeData, mark_safe

from processes.domain.placeholders import Context as Fillings
from processes.errors import ContentError
from processes.services.page_content.actions import PageActions
from processes.services.page_content.limits import Budget
from processes.services.page_content.values import ListView, ObjectView, Source, local

__all__ = ["ContentContext", "Expression", "Loop"]

_MAX_FILTERS: Final = 15
_MAX_DIGITS: Final = 9


class ContentContext(Context):
    """Hold what one rendering sees, and count what it does."""

    def __init__(self, values: dict[str, Source], *, fillings: Fillings, actions: PageActions | None) -> None:
        super().__init__(values, autoescape=True)
        self.budget = Budget()
        self.fillings = fillings
        self.actions = actions


class _Reader(Protocol):
    def note_use(self, name: str) -> None: ...


class _Name:
    """Look a name up, and what lies below it."""

    __slots__ = ("lookups",)

    def __init__(self, lookups: tuple[str, ...]) -> None:
        self.lookups = lookups

    def resolve(self, context: Context) -> object:
        try:
            value: object = context[self.lookups[0]]
        except KeyError:
            raise self._missing() from None
        if isinstance(value, Source):
            value = value.get()
        for key in self.lookups[1:]:
            value = self._below(value, key)
        return value

    def _below(self, value: object, key: str) -> object:
        # A dict is what Django tells of a loop: `forloop.counter`.
        if isinstance(value, ObjectView | dict) and key in value:
            return value[key]
        if isinstance(value, ObjectView):
            if key == "items":
                return ListView([[name, value[name]] for name in value])
            if key in ("keys", "values"):
                return ListView([name if key == "keys" else value[name] for name in value])
        if isinstance(value, ListView | str) and key.isascii() and key.isdigit() and len(key) <= _MAX_DIGITS:
            index = int(key)
            if index < len(value):
                return value[index]
        raise self._missing()

    def _missing(self) -> VariableDoesNotExist:
        return VariableDoesNotExist("There is no %s", (".".join(self.lookups),))


class Expression(FilterExpression):
    """Hold a variable with its filters; resolving it counts, and finds nothing but JSON."""

    __slots__ = ()

    def __init__(self, token: str, parser: Any) -> None:
        super().__init__(token, parser)
        if len(self.filters) > _MAX_FILTERS:
            raise TemplateSyntaxError(f"More than {_MAX_FILTERS} filters in a row")
        if self.is_var:
            self.var = _looked_up(self.var, parser)
        self.filters = [
            (function, [(lookup, _looked_up(arg, parser) if lookup else arg) for lookup, arg in args])
            for function, args in self.filters
        ]

    def resolve(self, context: Any, ignore_failures: bool = False) -> Any:
        """Return the value; empty, or None where failures are ignored, where the variable isn't there."""
        budget: Budget = context.budget
        budget.step()
        value = _found(self.var, context, None if ignore_failures else "") if self.is_var else self.var
        for function, args in self.filters:
            value = self._filtered(function, args, value, context)
        return value

    @staticmethod
    def _filtered(function: Any, args: Any, value: Any, context: Any) -> Any:
        budget: Budget = context.budget
        if isinstance(value, str):
            budget.take(value)
        given = [
            _found(arg, context, "") if lookup else mark_safe(arg)  # noqa: S308 - written in the content itself
            for lookup, arg in args
        ]
        if getattr(function, "expects_localtime", False):
            value = local(value)
        options = {"autoescape": True} if getattr(function, "needs_autoescape", False) else {}
        result = function(value, *given, **options)
        if isinstance(result, str):
            budget.take(result)
            if getattr(function, "is_safe", False) and isinstance(value, SafeData):
                return mark_safe(result)  # noqa: S308 - as Django does, for filters that keep HTML what it is
        return result


class Loop:
    """Hold what a `for` goes through; all its turns are counted before the first."""

    __slots__ = ("_expression",)

    def __init__(self, expression: Any) -> None:
        self._expression = expression

    def resolve(self, context: Any, ignore_failures: bool = False) -> Any:
        """Return the items: those of a list, the keys of an object, the characters of a text; none of nothing."""
        found = self._expression.resolve(context, ignore_failures=True)
        if found is None or found == "":
            return []
        if isinstance(found, ObjectView):
            found = list(found)
        if not isinstance(found, ListView | list | str):
            raise ContentError("Only a list, an object or a text can be gone through")
        context.budget.step(len(found))
        return found


def _looked_up(variable: Variable, parser: "_Reader | Parser") -> Any:
    if variable.lookups is None:
        # A number, or a text to be translated.
        return variable
    parser.note_use(variable.lookups[0])  # type: ignore[union-attr]
    return _Name(variable.lookups)


def _found(variable: Any, context: Any, otherwise: object) -> object:
    try:
        return variable.resolve(context)
    except VariableDoesNotExist:
        return otherwise
