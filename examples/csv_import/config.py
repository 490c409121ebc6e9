"""The configs of the task scripts."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from processes.domain.tables import ColumnRule, Limits


class TableConfig(BaseModel):
    """State the columns that the file must have, and how large it may be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: tuple[ColumnRule, ...] = Field(min_length=1)
    limits: Limits = Limits()

    @model_validator(mode="after")
    def _one_rule_a_column(self) -> Self:
        names = [rule.name for rule in self.columns]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"more than one rule for the column {name}")
        return self


class CheckConfig(TableConfig):
    """Add how many rows are looked at before the person is asked, and how many are shown."""

    preview_rows: int = Field(default=20, ge=0, le=200)
    check_rows: int = Field(default=200, ge=1, le=10_000)


class ImportConfig(TableConfig):
    """Add how many rows are written at once."""

    batch_rows: int = Field(default=500, ge=1, le=10_000)


class DiscardConfig(BaseModel):
    """Name the action that is invoked afterwards, if any, in a background run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    then: str | None = None
