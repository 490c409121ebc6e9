"""Register querysets: `@queryset("teams")`."""

from collections.abc import Callable

from processes.domain.querysets import QuerysetFunction, QuerysetSpec
from processes.domain.suggestions import did_you_mean
from processes.errors import NotFoundError, RegistrationError
from processes.registry.functions import check_one_argument, is_async, place_of

__all__ = ["QuerysetRegistry", "queryset", "querysets"]


class QuerysetRegistry:
    """Keep the querysets that bindings may name (`{"queryset": NAME}`): editors reach these and no other rows."""

    def __init__(self) -> None:
        self._specs: dict[str, QuerysetSpec] = {}
        #: Rises whenever a queryset comes or goes: what was derived before may not hold any more.
        self.revision = 0

    def queryset(
        self, name: str, *, value: str = "pk", label: str | None = None
    ) -> Callable[[QuerysetFunction], QuerysetFunction]:
        """Register the decorated function, `(user) -> QuerySet`, under a name; the function itself stays as it is.

        `value` is the unique field whose value data gets, `label` the field or attribute that people see (the object's
        text without it). Raises RegistrationError for a name that is taken and for what isn't what it should be.
        """
        if not isinstance(name, str):
            raise RegistrationError(
                f'@queryset needs the queryset\'s name: write @queryset("{getattr(name, "__name__", "my_rows")}")'
            )

        def register(function: QuerysetFunction) -> QuerysetFunction:
            self.register(QuerysetSpec(name=name, function=function, value=value, label=label))
            return function

        return register

    def register(self, spec: QuerysetSpec) -> None:
        """Add a queryset; the same function may come again (a module that is reloaded)."""
        _check_queryset(spec)
        known = self._specs.get(spec.name)
        if known is not None and place_of(known.function) != place_of(spec.function):
            raise RegistrationError(
                f'{place_of(spec.function)} can\'t be the queryset "{spec.name}": that name is already taken by '
                f"{place_of(known.function)}",
                fields={"name": spec.name},
            )
        self.revision += 1
        self._specs[spec.name] = spec

    def unregister(self, name: str) -> QuerysetSpec:
        """Remove a queryset, and give it back."""
        spec = self.get(name)
        self.revision += 1
        del self._specs[name]
        return spec

    def get(self, name: str) -> QuerysetSpec:
        """Give the queryset of that name; raises NotFoundError with a suggestion."""
        spec = self._specs.get(name)
        if spec is None:
            suggestion = did_you_mean(name, self._specs) or f"Known querysets: {', '.join(self.names()) or 'none'}"
            raise NotFoundError(
                f'No queryset "{name}" is registered', fields={"queryset": name, "suggestion": suggestion}
            )
        return spec

    def check(self, name: str) -> None:
        """Refuse a name that no queryset has, as derivation asks for it; raises NotFoundError with a suggestion."""
        self.get(name)

    def names(self) -> list[str]:
        """Give all names, sorted."""
        return sorted(self._specs)


def _check_queryset(spec: QuerysetSpec) -> None:
    if not spec.name or spec.name != spec.name.strip():
        raise RegistrationError(f"A queryset needs a name without blanks around it, not {spec.name!r}")
    if not callable(spec.function) or isinstance(spec.function, type):
        raise RegistrationError(f'The queryset "{spec.name}" is no function: register (user) -> QuerySet')
    if is_async(spec.function):
        raise RegistrationError(f'The queryset "{spec.name}" is an async function: a form can\'t wait for it')
    if not spec.value or spec.label == "":
        raise RegistrationError(f'The queryset "{spec.name}" needs the names of fields for value and label')
    check_one_argument(spec.function, what=f'The queryset "{spec.name}"', argument="the user")


#: The querysets of this process: every installed app's.
querysets = QuerysetRegistry()
queryset = querysets.queryset
