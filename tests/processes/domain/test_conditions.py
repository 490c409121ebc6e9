"""Conditions: what they may say, what they see, and that nothing written in one does any harm."""

import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from processes.domain.application import Application
from processes.domain.condition_text import read_condition
from processes.domain.conditions import MAX_CHARACTERS, ConditionSource, compile_condition, variables_of
from processes.domain.config_check import config_problems
from processes.domain.interpreter import Interpreter
from processes.domain.placeholders import scan_texts, texts_of
from processes.errors import ConditionError, PermanentError, ProcessError
from tests.processes.domain.support import NOW, FakeHost, action

VARIABLES: dict[str, Any] = {
    "data": {
        "n": 3, "price": 1.5, "text": "Grün", "yes": True, "no": False, "nothing": None, "list": [1, 2, 3],
        "rows": [{"sku": "a", "qty": 2}, {"sku": "b", "qty": 0}], "map": {"k": 1}, "empty": [], "big": 2**63,
        "date": "2026-11-20T10:00:00Z",
    },
    "param": {"q": "7"},
    "attr": {"dataNode": "ref"},
    "state": "late",
    "user": {"username": "ada", "is_staff": False, "groups": ["buyers"]},
    "error": None,
    "now": datetime(2026, 11, 20, 12, 0, tzinfo=UTC),
    "item": {"qty": 2},
    "index": 4,
}  # fmt: skip


def answer(text: str, **variables: Any) -> bool:
    return compile_condition(text, loop=True).evaluate({**VARIABLES, **variables})


def refused(text: str, *, loop: bool = False) -> ConditionError:
    with pytest.raises(ConditionError) as caught:
        compile_condition(text, loop=loop)
    return caught.value


def failed(text: str) -> ConditionError:
    condition = compile_condition(text, loop=True)
    with pytest.raises(ConditionError) as caught:
        condition.evaluate(VARIABLES)
    return caught.value


# The part of the language's definition that conditions rely on, as a table: each line is true.
TRUE = """
true
!false
true && !false
false || true
1 == 1
1 != 2
1 < 2
2 <= 2
2 > 1
2 >= 2
-3 < 0
1 + 2 * 3 == 7
(1 + 2) * 3 == 9
7 / 2 == 3
-7 / 2 == -3
7 % 3 == 1
-7 % 3 == -1
7.0 / 2.0 == 3.5
0x10 == 16
1e3 == 1000.0
1u == 1
1 == 1.0
1 < 1.5
9223372036854775807 > 0
"a" + "b" == "ab"
'a' == "a"
"a" < "b"
"A" < "a"
'it\\'s' == "it's"
"\\u00e9" == "é"
r"\\d" == "\\\\d"
\"\"\"a"b\"\"\" == 'a"b'
"" != " "
null == null
null != false
1 != "1"
true != 1
[1, 2] == [1, 2]
[1, 2] != [2, 1]
[1] + [2] == [1, 2]
[1, 2][1] == 2
{"a": 1} == {"a": 1}
{"a": 1}.a == 1
{"a": 1}["a"] == 1
{"a": {"b": [0, 5]}}.a.b[1] == 5
2 in [1, 2]
!(3 in [1, 2])
"a" in {"a": 1}
true ? true : 1 / 0 == 1
false || (true ? true : false)
false && 1 / 0 == 1 || true
true || 1 / 0 == 1
1 / 0 == 1 || true
!(1 / 0 == 1 && false)
[].all(x, false)
![].exists(x, true)
[1, 2].all(x, x > 0)
[1, 2].exists(x, x == 2)
[1, 2].exists_one(x, x == 2)
![2, 2].exists_one(x, x == 2)
[1, 2, 3].filter(x, x > 1) == [2, 3]
[1, 2].map(x, x * 2) == [2, 4]
[1, 2, 3].map(x, x > 1, x * 2) == [4, 6]
{"a": 1}.all(k, k == "a")
[[1], [2]].exists(x, x.exists(y, y == 2))
size("abc") == 3
size("Grün") == 4
"日本語".size() == 3
"😀".size() == 1
size([1, 2]) == 2
{"a": 1}.size() == 1
size(b"\\xff") == 1
"abc".contains("b")
"abc".startsWith("ab")
"abc".endsWith("bc")
"abc".matches("^a.c$")
"abc".matches("b")
int("7") == 7
int(3.9) == 3
double("1.5") == 1.5
double(1) == 1.0
uint(3) == 3u
string(7) == "7"
string(1.5) == "1.5"
bytes("a") == b"a"
type(1) == int
type("a") != type(1)
timestamp("2026-11-20T12:00:00Z") == timestamp("2026-11-20T13:00:00+01:00")
timestamp("2026-11-20T12:00:00Z") - timestamp("2026-11-20T11:00:00Z") == duration("1h")
duration("90m") == duration("1h30m")
timestamp("2026-11-20T12:00:00Z") + duration("24h") > timestamp("2026-11-20T12:00:00Z")
timestamp("2026-11-20T12:00:00Z").getFullYear() == 2026
timestamp("2026-11-20T12:00:00Z").getMonth() == 10
timestamp("2026-11-20T12:00:00Z").getDate() == 20
timestamp("2026-11-20T12:00:00Z").getDayOfMonth() == 19
timestamp("2026-11-20T12:00:00Z").getDayOfWeek() == 5
timestamp("2026-11-20T12:00:00Z").getHours() == 12
duration("90m").getHours() == 1
true // a comment
""".strip().splitlines()


@pytest.mark.parametrize("text", TRUE)
def test_the_language_as_it_is_defined(text: str) -> None:
    assert answer(text) is True
    assert answer(f"!({text.partition('//')[0]})") is False


SEEN = """
data.n == 3
data.n < 3.5
data.price * 2.0 == 3.0
double(data.n) * data.price == 4.5
data.text == "Grün"
data.text.size() == 4 && size(data.text) == 4
data.yes && !data.no
data.nothing == null
data.big > 9223372036854775807
data["n"] == 3
"n" in data && !("x" in data)
has(data.n) && !has(data.x)
has(data.nothing)
has(data.map.k) && !has(data.map.x)
data.rows.exists(row, row.qty == 0)
data.rows.all(row, has(row.sku))
data.rows.filter(row, row.qty > 0).size() == 1
data.empty.size() == 0
size(data) == 12
param.q == "7" && int(param.q) == 7
attr.dataNode == "ref"
state == "late"
user.username == "ada" && "buyers" in user.groups
error == null
now.getFullYear() == 2026
now - timestamp(data.date) == duration("2h")
item.qty == 2 && index == 4
data.list.exists(item, item == 3)
data.list.exists(data, data == 3)
""".strip().splitlines()


@pytest.mark.parametrize("text", SEEN)
def test_what_a_condition_sees(text: str) -> None:
    assert answer(text) is True


REFUSED: list[tuple[str, str, int | None, int | None, str | None]] = [
    # (text, part of the message, line, column, suggestion)
    ("", "can't be empty", None, None, 'Write "true" for always'),
    ("  ", "can't be empty", None, None, 'Write "true" for always'),
    ("data.n >", "ends too early", 1, 9, None),
    ("data.n ==\n  == 2", "can't be read at line 2, column 3", 2, 3, None),
    ("data.n = 1", "can't be read", 1, 8, "Write == to compare"),
    ("data.yes and data.no", "can't be read", 1, 10, "Write && for and, || for or, ! for not"),
    ("not data.yes", "can't be read", 1, 5, "Write && for and, || for or, ! for not"),
    ("'open", "can't be read", 1, 1, None),
    ("99999999999999999999 > 1", "invalid int literal", 1, 1, None),
    ("has(data)", "invalid argument to has()", 1, 5, None),
    ("data.list.all(1, true)", "simple name", 1, 15, None),
    ("dat.n == 1", 'no variable "dat"', 1, 1, 'Did you mean "data"?'),
    ("true ||\n usr.is_staff", 'no variable "usr"', 2, 2, 'Did you mean "user"?'),
    ("True", 'no variable "True"', 1, 1, None),
    ("zebra == 1", 'no variable "zebra"', 1, 1, "There are data, param, attr, state, user, error, now"),
    ("item.qty == 1", 'no variable "item"', 1, 1, "item and index are known in loops only"),
    ("data.list.exist(x, x)", 'no function "exist"', 1, 11, 'Did you mean "exists"?'),
    ("lenght(data.list) == 1", 'no function "lenght"', 1, 1, None),
    ("open('/etc/passwd') == ''", 'no function "open"', 1, 1, None),
    ("data.__class__.mro() == 1", 'no function "mro"', 1, 16, None),
    ("param.a == '%{param:a}'", "%{param:a} stays as it is", None, None, "Use the variables: data, param, attr …"),
    ("now == %{now}", "%{now} stays as it is", None, None, None),
    ("'\ud800' == ''", "can't be read", None, None, None),
    ("x" * (MAX_CHARACTERS + 1), "at most 1,000 characters", None, None, None),
]


@pytest.mark.parametrize(("text", "message", "line", "column", "suggestion"), REFUSED)
def test_a_mistake_is_named_with_its_place(
    text: str, message: str, line: int | None, column: int | None, suggestion: str | None
) -> None:
    error = refused(text)
    assert message in error.message
    assert (error.code, error.fields.get("line"), error.fields.get("column")) == ("condition", line, column)
    if suggestion is not None:
        assert error.fields["suggestion"] == suggestion


FAILED = [
    # (text, part of the message)
    ("data.x == 1", 'no key "x"'),
    ("data.map.x == 1", 'no key "x"'),
    ("data['x'] == 1", 'no key "x"'),
    ("has(data.x.y)", 'no key "x"'),
    ("param.page == '1'", 'no key "page"'),
    ("user.emial == ''", 'no key "emial"'),
    ("error.code == 'x'", "error is null here: ask error != null first"),
    ("data.text > 1", "don't go together"),
    ("data.yes + 1 == 2", "bool + int"),
    ("data.n * 1.5 == 4.5", "don't go together"),
    ("1.5 * data.n == 4.5", "float * int"),
    ("data.text > 1", "Make them equal: double(…), int(…) or string(…)"),
    ("!data.n", "don't go together"),
    ("data.n && true", "don't go together"),
    ("data.list[3] == 1", "out of bounds"),
    ("data.n / 0 == 1", "division by zero"),
    ("9223372036854775807 + data.n > 0", "overflow"),
    ("int(data.text) == 1", "invalid digit"),
    ("timestamp(data.text) < now", "timestamp"),
    ("data.text.matches('(')", "not a valid regex"),
    ("now.getHours('UTC') == 1", "getHours doesn't take"),
    ("size(data.n) == 1", "size takes a text, a list or a map"),
    ("data.n", "true or false, not to a number"),
    ("data.nothing", "true or false, not to null"),
    ("data.text", "true or false, not to a text"),
    ("data.map", "true or false, not to an object"),
    ("data.price", "true or false, not to a number"),
    ("now", "true or false, not to something else"),
    ("data.list.map(x, x)", "true or false, not to a list"),
]


@pytest.mark.parametrize(("text", "message"), FAILED)
def test_what_has_no_answer_is_a_clear_error(text: str, message: str) -> None:
    error = failed(text)
    assert message in error.message
    assert error.code == "condition"
    assert error.fields["condition"] == text


def test_a_loop_variable_is_missing_outside_its_loop() -> None:
    condition = compile_condition("index > 1", loop=True)
    with pytest.raises(ConditionError, match='no "index" here'):
        condition.evaluate({"data": {}})


def test_only_what_the_text_names_is_looked_at() -> None:
    """Neither other variables nor other keys are touched: a user costs queries, and data may be large or odd."""

    class Watched(dict[str, Any]):
        asked: list[str] = []

        def __getitem__(self, name: str) -> Any:
            self.asked.append(name)
            return super().__getitem__(name)

    variables = Watched({**VARIABLES, "data": {"n": 3, "odd": object()}})
    assert compile_condition("data.n == 3 || user.is_staff").evaluate(variables)
    assert variables.asked == ["data", "user"]
    with pytest.raises(ConditionError, match="no answer"):
        compile_condition("size(data) > 0").evaluate(variables)


def test_conditions_are_compiled_once() -> None:
    assert compile_condition("data.n == 31") is compile_condition("data.n == 31")


def test_a_condition_can_be_asked_from_any_thread() -> None:
    condition, answers = compile_condition("data.n == 3"), list[bool]()
    thread = threading.Thread(target=lambda: answers.append(condition.evaluate(VARIABLES)))
    thread.start()
    thread.join()
    assert answers == [True]


# -- hostile texts

HOSTILE = [
    "(" * 500 + "1" + ")" * 500,
    "[" * 500 + "]" * 500,
    "{1:" * 300 + "1" + "}" * 300,
    "!" * 996 + "true",
    "!-" * 400 + "1",
    "-" * 999 + "1",
    "1+" * 499 + "1",
    "data" + ".a" * 490,
    "data" + "[0]" * 330,
    "true&&" * 160 + "true",
    "true?" * 90 + "1" + ":1" * 90,
    "[1].map(a," * 80 + "1" + ")" * 80,
    "size(" * 150 + "1" + ")" * 150,
    "data.list" + ".map(a,a)" * 100 + " == 1",
    "[data.list].map(x,x+x)" + ".map(x,x+x)" * 80 + " == 1",
    "'a'.matches('((a{1000}){1000}){1000}')",
    "'" + "a" * 40 + "b'.matches('(a+)+$')",
    "int('-9223372036854775808') / -1 == 0",
    "-9223372036854775808 % -1 == 0",
    "int(1e300) == 1",
    "timestamp('9999-12-31T23:59:59Z') + duration('9000000h') > now",
    "duration('99999999999999999999h') > duration('1h')",
    "Foo{a: 1} == 1",
    "'\\ud800' == ''",
    "b'\\xff' == b''",
    "`a`",
    "'\0' == ''",
    "\N{ZERO WIDTH NO-BREAK SPACE}true",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_gets_an_answer_or_a_refusal(text: str) -> None:
    problem = ""
    try:
        compile_condition(text).evaluate(VARIABLES)
    except ConditionError as error:
        problem = error.message
    assert len(problem) < 1_000


TOO_MUCH = [
    ("data.rows.filter(r, r > 1).size() > 0", 2_000),
    ("data.rows.map(r, r) == []", 2_000),
    ("data.rows.all(a, data.rows.all(b, a + b >= 0))", 2_000),
    ("[data.rows].map(x, x + x).exists(x, x == [])", 2_000),
    ("data.rows.all(r, r >= 0)", 1_000_001),
    ("data.rows.all(r, data.rows[0] <= r)", 2_000),
    ("data.rows.map(r, data.rows) == []", 150),
    ("data.rows.map(r, data) == []", 150),
    ("data.rows.map(r, [[r, r], [r, r], [r, r]]) == []", 800),
    ("data.rows.all(r, string(r).matches('[a-z]{50}'))", 2_100),
]


@pytest.mark.parametrize(("text", "rows"), TOO_MUCH)
def test_endless_work_is_refused_before_it_begins(text: str, rows: int) -> None:
    with pytest.raises(ConditionError, match="take too long"):
        compile_condition(text).evaluate({"data": {"rows": list(range(rows))}})


@pytest.mark.parametrize("item", [["x"] * 1_000, "x" * 200_000])
def test_what_elements_hold_is_work_too(item: object) -> None:
    with pytest.raises(ConditionError, match="take too long"):
        compile_condition("data.rows.filter(r, size(r) > 0).size() == 100").evaluate({"data": {"rows": [item] * 100}})


def test_long_lists_are_fine_where_they_are_gone_through_once() -> None:
    data = {"rows": list(range(20_000)), "tags": ["a"], "other": list(range(2_000))}
    assert compile_condition("data.rows.all(r, r >= 0) && size(data.rows) == 20000").evaluate({"data": data})
    limits = {**data, "least": 0}
    assert compile_condition("data.rows.all(r, r >= data.least)").evaluate({"data": limits})
    # What isn't looked at doesn't count.
    assert compile_condition("data.tags.filter(t, t == 'a').size() == 1").evaluate({"data": data})


TEXTS: list[tuple[str, dict[str, Any]]] = [
    ("data.a.b == 1 && data.c", {"keys": {"data": frozenset({"a", "c"})}}),
    ("data['a'] == data.b", {"keys": {"data": None}}),
    ("data.size() > 0", {"keys": {"data": None}}),
    ("'data.x' == \"data.y\" // data.z", {"keys": {}}),
    ("r'\\' + data.s == ''", {"keys": {"data": frozenset({"s"})}, "sums": 1}),
    ("'''a'data.x''' == data.s", {"keys": {"data": frozenset({"s"})}}),
    ("data.l.all(x, x.map(y, y) == 1)", {"bound": frozenset("xy"), "depth": 2, "macros": 2, "building": True}),
    ("data.l.all(x, x) && data.m.exists(x, x)", {"bound": frozenset("x"), "depth": 1, "macros": 2, "building": False}),
    ("size(data.size)", {"sizes": (0,), "keys": {"data": frozenset({"size"})}}),
    ("[1, 2, 3] + [4]", {"items": 3, "sums": 1}),
]


@pytest.mark.parametrize(("text", "shown"), TEXTS)
def test_a_text_shows_what_it_uses(text: str, shown: dict[str, Any]) -> None:
    read = read_condition(text)
    assert {name: getattr(read, name) for name in shown} == shown


PARTS = [
    "data", "data.n", "data.list", "x", "item", "size", "(", ")", "[", "]", "{", "}", ".", ",", ":", "?", "&&", "||",
    "!", "==", "<", "+", "-", "*", "/", "%", "1", "1.5", "9223372036854775807", "'a'", '"', "'", "\\", "true", "null",
    ".exists(x, ", ".map(x, ", "has(", "in", " ", "\n", "//", "é", "😀", "now", "duration('1h')", "%{now}", "${a}",
]  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=30) | st.lists(st.sampled_from(PARTS), max_size=14).map("".join))
def test_any_text_is_answered_or_refused(text: str) -> None:
    read_condition(text)
    try:
        result = compile_condition(text, loop=True).evaluate(VARIABLES)
    except ConditionError:
        return
    assert isinstance(result, bool)


def test_a_panic_of_the_library_is_a_refusal_and_an_interrupt_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    panic = type("PanicException", (BaseException,), {})
    for raised, expected in ((panic("out of range"), ConditionError), (KeyboardInterrupt(), KeyboardInterrupt)):

        def explode(text: str, raised: BaseException = raised) -> None:
            raise raised

        monkeypatch.setattr("cel.compile", explode)
        with pytest.raises(expected):
            compile_condition(f"data.never_seen_before_{expected.__name__} == 1")


# -- in config models


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid")
    when: ConditionSource
    other: str = ""


@pytest.mark.parametrize(
    ("text", "message", "suggestion"),
    [
        ("dat.n == 1", 'There is no variable "dat": dat.n == 1', 'Did you mean "data"?'),
        ("data.n == '%{param:n}'", "%{param:n} stays as it is", "Use the variables: data, param, attr …"),
        (5, "be a text", None),
    ],
)
def test_a_config_model_finds_a_bad_condition_at_derivation(text: object, message: str, suggestion: str | None) -> None:
    config = {"when": text, "other": "%{now}"}
    fillers, _ = scan_texts(texts_of(config))
    (problem,) = config_problems(Model, config, fillers)
    assert (problem.path, problem.suggestion) == ("/when", suggestion)
    assert message in problem.message


def test_the_error_is_a_process_error_and_a_value_error() -> None:
    error = refused("dat == 1")
    assert isinstance(error, PermanentError)
    assert isinstance(error, ValueError)
    again = ProcessError.from_json(error.to_json())
    assert type(again) is ConditionError
    assert again.to_json() == error.to_json()


# -- the variables of a run


def test_a_run_gives_its_variables() -> None:
    host = FakeHost()
    seen: list[dict[str, object]] = []

    @host.registry.task_script("look")
    def look(app: Application) -> None:
        variables = variables_of(app, item={"n": 1}, index=0)
        assert variables["now"] is variables["now"]
        seen.append({name: variables[name] for name in variables})

    plan = host.add("main", [action("a", fail="oops"), action("@error", script="look")])
    app = Application(data={"n": 1}, user="ada", attributes={"dataNode": "ref"})
    app.request.parameters["q"] = "7"
    Interpreter.start(plan, app=app, host=host).run()
    assert seen == [
        {
            "data": {"n": 1},
            "param": {"q": "7"},
            "attr": {"dataNode": "ref"},
            "state": None,
            "user": {"username": "ada"},
            "error": {"code": "oops", "message": "failed: oops", "action": "a"},
            "now": NOW,
            "item": {"n": 1},
            "index": 0,
        }
    ]


def test_without_an_error_there_is_null() -> None:
    app = Application()
    app.attach(FakeHost(), lambda *args, **options: None)
    assert variables_of(app)["error"] is None
    assert compile_condition("error == null || error.code == 'x'").evaluate(variables_of(app))
