"""Describe what people may choose from: written in a definition, found in data, or rows that code opens to forms."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StrictFloat,
    StrictInt,
    Tag,
    field_validator,
    model_validator,
)

from processes.domain.bindings import Binding
from processes.domain.plan import Plan
from processes.errors import PermanentError

__all__ = [
    "MAX_CHOICES",
    "ChoiceConfig",
    "ChoiceGroupConfig",
    "Choices",
    "Listed",
    "QuerysetChoices",
    "check_querysets_bound",
    "choices_in",
    "tidied",
]

#: A list of more would be a page that nobody can use.
MAX_CHOICES = 1_000


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ChoiceConfig(_Strict):
    """Offer one value of a choice."""

    value: StrictInt | Annotated[StrictFloat, Field(allow_inf_nan=False)] | str = Field(
        description="What data gets: a text or a number."
    )
    label: str = Field("", description="What people see; the value itself where there is none.")

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, given: Any) -> Any:
        is_plain = isinstance(given, str | int | float) and not isinstance(given, bool)
        return {"value": given} if is_plain else given

    @field_validator("value")
    @classmethod
    def _not_empty(cls, value: int | float | str) -> int | float | str:
        if value == "":
            raise ValueError('Must not be empty; where nothing may be chosen, say "required": false')
        return value

    @property
    def key(self) -> str:
        """Return what the page sends for it."""
        return str(self.value)

    @property
    def shown(self) -> str:
        """Return what people see."""
        return self.label or self.key


class ChoiceGroupConfig(_Strict):
    """Offer several values under a heading."""

    label: str = Field(min_length=1, description="The heading.")
    choices: tuple[ChoiceConfig, ...] = Field(description="Texts, numbers, or objects of value and label.")


class QuerysetChoices(_Strict):
    """Offer the rows of a registered queryset: what `${reference}` becomes that is bound to one."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True, serialize_by_alias=True)

    ref: Literal["queryset"] = Field(alias="$ref", description="The kind of reference.")
    name: str = Field(min_length=1, description="The name under which code registers it.")


def _kind_of_choice(given: Any) -> str:
    is_group = isinstance(given, ChoiceGroupConfig) or (isinstance(given, dict) and "choices" in given)
    return "group" if is_group else "choice"


def _kind_of_choices(given: Any) -> str | None:
    if isinstance(given, list | tuple):
        return "list"
    if isinstance(given, dict | QuerysetChoices):
        return "queryset"
    return "placeholder" if isinstance(given, str) and "%{" in given else None


Listed: TypeAlias = Annotated[
    Annotated[ChoiceConfig, Tag("choice")] | Annotated[ChoiceGroupConfig, Tag("group")], Discriminator(_kind_of_choice)
]
#: A text is a placeholder, which is filled before the form is shown.
Choices: TypeAlias = Annotated[
    Annotated[tuple[Listed, ...], Tag("list")]
    | Annotated[QuerysetChoices, Tag("queryset")]
    | Annotated[str, Tag("placeholder")],
    Discriminator(
        _kind_of_choices,
        custom_error_type="choices",
        custom_error_message='Must be a list of choices, "%{{data:…}}" that gives one, or "${{…}}" bound to a queryset',
    ),
]


def choices_in(listed: Sequence[ChoiceConfig | ChoiceGroupConfig]) -> Iterator[ChoiceConfig]:
    """Give all choices, those of groups among them."""
    for item in listed:
        if isinstance(item, ChoiceGroupConfig):
            yield from item.choices
        else:
            yield item


def tidied(listed: Sequence[ChoiceConfig | ChoiceGroupConfig]) -> tuple[ChoiceConfig | ChoiceGroupConfig, ...]:
    """Return the choices without repetitions, such as data may hold; raises ValueError for what can't be shown."""
    known: dict[str, ChoiceConfig] = {}

    def keep(choice: ChoiceConfig) -> bool:
        first = known.setdefault(choice.key, choice)
        if first is not choice and first != choice:
            raise ValueError(f'two choices have the value "{choice.key}"')
        return first is choice

    result: list[ChoiceConfig | ChoiceGroupConfig] = []
    for item in listed:
        if isinstance(item, ChoiceConfig):
            if keep(item):
                result.append(item)
        else:
            result.append(item.model_copy(update={"choices": tuple(choice for choice in item.choices if keep(choice))}))
        if len(known) > MAX_CHOICES:
            raise ValueError(f"there are more than {MAX_CHOICES:,} choices; bind a queryset, which may have more")
    return tuple(result)


def check_querysets_bound(names: Sequence[str], plans: Iterable[Plan]) -> None:
    """Refuse querysets that no plan of the process binds: data that names one opens nothing. Raises PermanentError."""
    if not names:
        return
    targets = [target for plan in plans for target in plan.bindings.values() if isinstance(target, Binding)]
    bound = {target.target for target in targets if target.kind == "queryset"}
    for name in names:
        if name not in bound:
            raise PermanentError(
                f'This process doesn\'t bind the queryset "{name}". Add a binding '
                f'{{"queryset": "{name}"}} and publish.',
                code="queryset_not_bound",
            )
