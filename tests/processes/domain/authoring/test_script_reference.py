"""The reference page of task scripts, and JSON laid out for people."""

from pydantic import BaseModel, Field

from processes.domain.application import Application
from processes.domain.authoring.json_layout import lay_out
from processes.domain.authoring.script_reference import reference_page
from processes.domain.scripts import Example
from processes.registry import ScriptRegistry


class Config(BaseModel):
    to: str = Field(description="Whom; a | b.")


def registry() -> ScriptRegistry:
    registry = ScriptRegistry()

    @registry.task_script(
        "pay",
        config=Config,
        effect="once",
        aliases=["Pay now"],
        durable=True,
        requires={"after": "noop"},
        example=Example(definition=[{"name": "pay"}], data={"a": 1}, gives={"state": None, "error": "declined"}),
        errors={"declined": "The bank refuses.", "bank": "HTTP answers other than 200"},
    )
    def pay(app: Application) -> None:
        """Pay.

        Once, and
        only once. Raises DeclinedError where it can't. It is quick.

        - a list
        - stays one
        """

    registry.task_script("nothing")(lambda app: None)
    return registry


PAGE = """# Scripts

Hello.

| family | scripts |
| --- | --- |
| Test script reference | [`nothing`](#nothing) [`pay`](#pay) |

## Test script reference

### `nothing`

- Effect: *idempotent*, may run again after a crash.

It takes no config.

It has no errors of its own.

### `pay`

Pay.

Once, and only once. It is quick.

- a list
- stays one

- Also called `Pay now`.
- Effect: *once*, never runs a second time; after a crash in the middle of it the run asks an operator.
- Needs a durable run: a process that reaches it in a web request goes on in the background.
- A process with it must declare the action `after`: `{"name": "after", "script": "noop"}`.

| config | type | default | |
| --- | --- | --- | --- |
| `to` | text | required | Whom; a \\| b. |

```json
[{"name": "pay"}]
```

With the data `{"a": 1}` gives no state, the error `declined`.

| error | when |
| --- | --- |
| `declined` | the bank refuses |
| `bank` | HTTP answers other than 200 |
"""


def test_a_page_tells_everything_that_scripts_declare() -> None:
    assert reference_page(registry(), title="Scripts", introduction=["Hello."]) == PAGE


def test_a_page_may_be_empty() -> None:
    assert reference_page([], title="Scripts") == "# Scripts\n"


def test_json_is_on_one_line_as_long_as_it_fits() -> None:
    value = [{"name": "a", "config": {"text": "x" * 20, "list": [1, 2]}}, {}]
    assert lay_out([{"name": "é"}]) == '[{"name": "é"}]'
    assert lay_out(value, width=50).splitlines() == [
        "[",
        "  {",
        '    "name": "a",',
        '    "config": {',
        '      "text": "xxxxxxxxxxxxxxxxxxxx",',
        '      "list": [1, 2]',
        "    }",
        "  },",
        "  {}",
        "]",
    ]
