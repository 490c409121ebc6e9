"""A site that offers whatever may be declared, to be written in each language."""

import datetime
import enum
import inspect
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, Literal, NotRequired

from pydantic import BaseModel, Field, JsonValue, TypeAdapter
from typing_extensions import TypedDict

from tasks.domain.client_code import Offered, Surface, Verb
from tasks.domain.signature import read_signature

__all__ = ["SITE", "offered"]


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Address(BaseModel):
    """Where somebody lives."""

    street: str = Field(description="With its number.")
    zip_code: str | None = None


class Node(BaseModel):
    name: str
    children: list["Node"] = []


class Circle(BaseModel):
    kind: Literal["circle"]
    radius: float


class Square(BaseModel):
    kind: Literal["square"]
    side: int


class Odd(TypedDict):
    a: int
    b: NotRequired[JsonValue]


def export_users(
    context: object,
    user_id: int,
    colour: Colour,
    when: datetime.datetime,
    address: Address,
    tree: Node | None = None,
    tags: list[str | int] | None = None,
    pair: tuple[int, str] = (1, "a"),
    shape: Annotated[Circle | Square, Field(discriminator="kind")] | None = None,
    by_city: dict[str, list[Address]] | None = None,
    level: Literal[1, 2, None] = 1,
    price: Decimal = Decimal(1),
    source: Annotated[str, Field(alias="from")] = "",
    odd: Odd | None = None,
    more: JsonValue = None,
) -> Node | list[Address] | None:
    """Write a file."""


#: What an author may have written, who thinks of no language but their own.
DESCRIPTION = 'Write */ a file.\n\nWith \\ and \\""" in it, as """ \'\'\' `${x}` are.'


def _another() -> type[BaseModel]:
    class Address(BaseModel):
        """Be something else of the same name."""

        line: int

    return Address


OtherAddress: Any = _another()


def send_mail(context: object, to: OtherAddress, cc: list[OtherAddress] | None = None) -> OtherAddress: ...


def count_lines(context: object, text: str, class_: Annotated[bool, Field(alias="class")] = False) -> int: ...


def health(context: object) -> Any:
    """Say "yes\""""


def shop_get_order(context: object, id: str = "") -> dict[str, Decimal]: ...


class Progress(BaseModel):
    file: str
    rows: int = 0


def offered(name: str, verb: Verb, function: Callable[..., object], **more: Any) -> Offered:
    signature = read_signature(function)
    return Offered(
        name=name,
        verb=verb,
        input=signature.input_schema(),
        output=signature.output_schema(),
        **{"description": inspect.getdoc(function) or "", **more},
    )


def process(name: str, *parameters: str, steps: tuple[str, ...] = ()) -> Offered:
    schema = {"type": "object", "properties": {parameter: {} for parameter in parameters}, "additionalProperties": True}
    return Offered(name=name, verb=Verb.PROCESS, description="A process", input=schema, steps=steps)


_PROGRESS = TypeAdapter(Progress).json_schema()

SITE = Surface(
    offered=[
        offered("export_users", Verb.JOB, export_users, description=DESCRIPTION, meta=_PROGRESS),
        offered("send_mail", Verb.JOB, send_mail),
        Offered(name="unchecked", verb=Verb.JOB, input={"type": "object", "additionalProperties": True}),
        offered("count_lines", Verb.CALL, count_lines),
        offered("health", Verb.CALL, health),
        offered("shop.get_order", Verb.CALL, shop_get_order),
        offered("import", Verb.CALL, health),
        offered("call", Verb.CALL, health),
        process("csv-import", "file", "first-row", steps=("read", "check_rows", '"quoted"')),
        process("2024-report"),
        process("long", steps=tuple(f"step_number_{number}" for number in range(20))),
    ],
    meta={"anyOf": [{"$ref": "#/$defs/Progress"}], "$defs": {"Progress": _PROGRESS}},
)
