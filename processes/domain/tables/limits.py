"""How much of a table is read before it is refused."""

from typing import Final

from pydantic import BaseModel, ConfigDict, Field

CSV_FIELD_CHARS: Final = 131_072
"""The most characters that the csv module takes in one field: a setting of the whole interpreter, so it stays."""


class Limits(BaseModel):
    """Bound the size of a table; every limit that is passed ends the reading with a `TableError`.

    `max_record_chars` bounds one record with its line breaks, and with it the memory that reading takes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_bytes: int = Field(default=50 * 1024 * 1024, gt=0)
    max_rows: int = Field(default=1_000_000, gt=0)
    max_columns: int = Field(default=200, gt=0)
    max_field_chars: int = Field(default=32_767, gt=0, lt=CSV_FIELD_CHARS)
    max_record_chars: int = Field(default=1024 * 1024, gt=0)
