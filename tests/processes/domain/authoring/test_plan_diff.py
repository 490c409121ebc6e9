"""A comparison tells every difference between two templates as they act, and nothing else."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processes.domain.authoring.diff_words import MAX_VALUE_CHARACTERS, as_text, in_one_line, sections
from processes.domain.authoring.plan_diff import ActionDiff, Effective, PlanDiff, diff
from processes.domain.authoring.sequences import moved_names
from processes.domain.bindings import parse_bindings
from processes.domain.definition import parse_definition
from processes.domain.json_changes import MISSING, JsonChange, json_changes
from processes.domain.json_values import canonical, copy_json
from processes.domain.merge import Layer
from processes.errors import CursorError
from tests.processes.domain.support import FakeHost, action

names = st.lists(st.sampled_from("abcdefgh"), unique=True)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.0, 1.0, "", "x", "y"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("kl/~"), inner, max_size=3),
    max_leaves=8,
)
hashes = st.sampled_from(["0" * 64, "1" * 64])
scripts = st.fixed_dictionaries({"name": st.sampled_from("rst"), "version": st.integers(1, 2)})
processes = st.fixed_dictionaries({"name": st.sampled_from("pq"), "plan_hash": hashes})
bound = st.one_of(
    st.fixed_dictionaries({"script": scripts}),
    st.fixed_dictionaries({"process": processes}),
    st.fixed_dictionaries({"value": values}),
    st.fixed_dictionaries({"data_node": st.sampled_from("nm")}),
)
destinations = st.booleans() | st.sampled_from("ab")
keys = st.fixed_dictionaries(
    {"target": st.none() | bound, "next": destinations | st.dictionaries(st.sampled_from("st*"), destinations)},
    optional={
        "config": values,
        "comment": st.sampled_from(["why", "how"]),
        "safe": st.just(True),
        "entry": st.just(False),
        "retry": st.fixed_dictionaries({"attempts": st.integers(1, 3)}),
        "reference": st.sampled_from("rs"),
        "references": st.dictionaries(st.sampled_from(["/a", "/b"]), st.sampled_from("rs"), min_size=1),
        "placeholders": st.lists(st.sampled_from(["/a", "/b"]), min_size=1, unique=True),
    },
)


@st.composite
def effectives(draw: st.DrawFn) -> Effective:
    return Effective(
        name=draw(st.sampled_from(["work", "works"])),
        actions={name: {"name": name, **draw(keys)} for name in draw(names)},
        bindings=draw(st.dictionaries(st.sampled_from("rst"), bound, max_size=3)),
        abstract=draw(st.booleans()),
        extends=tuple(draw(st.lists(st.sampled_from("xyz"), unique=True))),
    )


def canonical_of(effective: Effective) -> str:
    """Return a text that is equal for equal templates: the order of actions counts, that of bindings doesn't."""
    return canonical(
        [effective.name, list(effective.actions.values()), effective.bindings, effective.abstract, effective.extends]
    )


def put(document: Any, changes: list[JsonChange]) -> Any:
    """Carry out changes on a copy: what is there first, then removals from behind, then additions from the front."""
    document = copy_json(document)
    order = {"changed": 0, "removed": 1, "added": 2}
    stages = sorted(changes, key=lambda change: order[change.kind])
    for kind, group in itertools.groupby(stages, key=lambda change: change.kind):
        found = list(group)
        for change in reversed(found) if kind == "removed" else found:
            if not change.path:
                document = copy_json(change.new)
                continue
            holder = document
            for part in change.path[:-1]:
                holder = holder[part]
            last = change.path[-1]
            if kind == "added" and isinstance(holder, list):
                assert last <= len(holder)
                holder.insert(last, copy_json(change.new))
            elif kind == "removed":
                assert canonical(holder[last]) == canonical(change.old)
                del holder[last]
            else:
                assert kind == "added" or canonical(holder[last]) == canonical(change.old)
                holder[last] = copy_json(change.new)
    return document


def apply(difference: PlanDiff, old: Effective) -> Effective:
    """Make the new template from the old one and what a comparison told, by other means than comparing."""
    told = {item.name: item for item in difference.actions}
    taken = {item.name for item in difference.actions if item.kind == "removed" or item.moved}
    order = [name for name in old.actions if name not in taken]
    placed = {item.new_index: item.name for item in difference.actions if item.moved or item.kind == "added"}
    for index in sorted(placed):
        order.insert(index, placed[index])
    actions = {}
    for name in order:
        before = old.actions.get(name, {"name": name})
        actions[name] = put(before, list(told[name].changes)) if name in told else before
    own = put({"name": old.name, "abstract": old.abstract, "extends": list(old.extends)}, list(difference.template))
    return Effective(
        name=own["name"],
        actions=actions,
        bindings=put(dict(old.bindings), list(difference.bindings)),
        abstract=own["abstract"],
        extends=tuple(own["extends"]),
    )


def inverted(change: ActionDiff) -> ActionDiff:
    return ActionDiff(
        name=change.name,
        old_index=change.new_index,
        new_index=change.old_index,
        old_after=change.new_after,
        new_after=change.old_after,
        moved=change.moved,
        changes=tuple(item.inverse for item in change.changes),
    )


def comparable(item: ActionDiff) -> tuple[object, ...]:
    places = (item.old_index, item.new_index, item.old_after, item.new_after)
    return (item.name, *places, item.moved, in_any_order(item.changes))


def in_any_order(items: Any) -> list[str]:
    return sorted(repr(item) for item in items)


@given(values, values)
def test_every_difference_of_two_values_is_told_and_the_other_way_round_the_same_ones(old: Any, new: Any) -> None:
    changes = list(json_changes(old, new))
    assert canonical(put(old, changes)) == canonical(new)
    assert bool(changes) == (canonical(old) != canonical(new))
    assert in_any_order(json_changes(new, old)) == in_any_order(change.inverse for change in changes)


@given(effectives(), effectives())
def test_what_was_told_leads_from_the_old_template_to_the_new_one(old: Effective, new: Effective) -> None:
    assert canonical_of(apply(diff(old, new), old)) == canonical_of(new)


@given(effectives(), effectives())
def test_nothing_is_told_exactly_where_nothing_differs(old: Effective, new: Effective) -> None:
    assert not diff(old, old)
    assert bool(diff(old, new)) == (canonical_of(old) != canonical_of(new))


@given(effectives(), effectives())
def test_the_other_way_round_the_same_differences_are_told(old: Effective, new: Effective) -> None:
    there, back = diff(old, new), diff(new, old)
    seen_back = [comparable(inverted(item)) for item in back.actions]
    assert in_any_order(map(comparable, there.actions)) == in_any_order(seen_back)
    for part in ("template", "bindings"):
        assert in_any_order(getattr(there, part)) == in_any_order(item.inverse for item in getattr(back, part))


@given(st.permutations("abcdefg"), st.permutations("abcdefg"))
def test_as_few_as_possible_have_moved_and_the_same_ones_either_way(old: list[str], new: list[str]) -> None:
    moved = moved_names(old, new)
    assert [name for name in old if name not in moved] == [name for name in new if name not in moved]
    assert moved == moved_names(new, old)
    fewer = itertools.combinations(old, len(moved) - 1) if moved else ()
    for fewest in fewer:
        assert [name for name in old if name not in fewest] != [name for name in new if name not in fewest]


@given(effectives(), effectives())
def test_each_difference_has_a_line_whose_two_sides_differ(old: Effective, new: Effective) -> None:
    difference = diff(old, new)
    told = sections(difference)
    rows = sum(len(section.rows) for section in told)
    count = len(difference.template) + len(difference.bindings) + sum(len(item.changes) for item in difference.actions)
    # A reference that is the name of the script beside it isn't told again.
    whole = [(old if item.kind == "removed" else new).actions[item.name] for item in difference.actions
             if item.kind in ("added", "removed")]  # fmt: skip
    repeated = [
        keys
        for keys in whole
        if "reference" in keys and keys["target"] and keys["target"].get("script", {}).get("name") == keys["reference"]
    ]
    assert rows == count - len(repeated)
    assert all(row.old != row.new for section in told for row in section.rows)
    assert bool(as_text(difference)) == bool(in_one_line(difference)) == bool(difference)


def plan_of(*actions: dict[str, Any], bindings: dict[str, Any] | None = None) -> Effective:
    host = FakeHost()
    host.add("sub", [action("s", script=None)])
    return Effective.of_plan(host.add("work", list(actions), bindings).to_json())


A, B, C = (action(name, script=None) for name in "abc")


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ([A], [A, B], "Action “b” added (after “a”)\n  script: nothing\n  next: the next action"),
        ([A, B], [B], "Action “a” removed (was the first)\n  script: was nothing\n  next: was the next action"),
        ([A, B, C], [C, A, B], "Action “c” moved (now the first, was after “b”)"),
        ([A], [{**A, "next": False}], "Action “a” changed\n  next: the next action → exit"),
        (
            [{**A, "next": {"x": "b", "*": False}}, B],
            [{**A, "next": {"x": "a"}}, B],
            "Action “a” changed\n  next: x → “b”; otherwise exit → x → “a”; otherwise the next action",
        ),
        ([A], [{**A, "next": {}}], "Action “a” changed\n  next: true → {}"),
        ([action("a", script="noop")], [action("a", script="act")],
         "Action “a” changed\n  script: noop → act\n  bound as: noop → act"),
        ([A], [{**A, "comment": "why"}], "Action “a” changed\n  comment: why"),
        ([A], [{**A, "caption": "The first"}], "Action “a” changed\n  caption: The first"),
        ([], [action("a", script="noop")], "Action “a” added (the first)\n  script: noop\n  next: the next action"),
        ([{**A, "safe": True}], [A], "Action “a” changed\n  safe: was true"),
        (
            [{**A, "config": {"fields": [{"label": "One"}], "a/b": 1}}],
            [{**A, "config": {"fields": [{"label": "Two"}, 3]}}],
            'Action “a” changed\n  config/fields/0/label: "One" → "Two"\n  config/fields/1: 3\n  config/a~1b: was 1',
        ),
        ([{**A, "retry": 2}], [{**A, "retry": 3}], "Action “a” changed\n  retry/attempts: 2 → 3"),
        (
            [{**A, "config": {"at": "then"}}],
            [{**A, "config": {"at": "%{now}"}}],
            'Action “a” changed\n  config/at: "then" → "%{now}"\n  filled when it runs: config/at',
        ),
    ],
)  # fmt: skip
def test_what_an_editor_reads(old: list[dict[str, Any]], new: list[dict[str, Any]], text: str) -> None:
    assert as_text(diff(plan_of(*old), plan_of(*new))) == text


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ({}, {"limit": {"value": 3}}, "Binding “limit” added\n  target: value 3"),
        ({"limit": {"value": [1, 2]}}, {"limit": {"value": [1, 3]}}, "Binding “limit” changed\n  value/1: 2 → 3"),
        ({"rules": {"status_rules": "r"}}, {"rules": {"status_rules": "s"}},
         'Binding “rules” changed\n  status rules: "r" → "s"'),
        ({"it": {"process": "sub"}}, {}, "Binding “it” removed\n  target: was process sub (plan "),
        ({"it": "noop"}, {"it": {"value": 1}}, "Binding “it” changed\n  target: script noop → value 1"),
    ],
)  # fmt: skip
def test_what_an_editor_reads_of_bindings(old: dict[str, Any], new: dict[str, Any], text: str) -> None:
    assert as_text(diff(plan_of(bindings=old), plan_of(bindings=new))).startswith(text)


def test_another_plan_of_a_called_process_and_another_version_of_a_script_are_told() -> None:
    old = plan_of(action("call", script="it"), action("a", script="noop"), bindings={"it": {"process": "sub"}})
    new = copy_json(json.loads(json.dumps({name: dict(item) for name, item in old.actions.items()})))
    new["call"]["target"]["process"]["plan_hash"] = "f" * 64
    new["a"]["target"]["script"]["version"] = 2
    changed = Effective(name=old.name, actions=new, bindings=old.bindings)
    before = str(old.actions["call"]["target"]["process"]["plan_hash"])[:12]
    assert as_text(diff(old, changed)).splitlines() == [
        "Action “call” changed",
        f"  process plan: {before} → ffffffffffff",
        "Action “a” changed",
        "  script version: 1 → 2",
    ]


def test_an_abstract_template_is_compared_by_its_own_parts() -> None:
    def of(document: Any, bindings: Any, **more: Any) -> Effective:
        definition = parse_definition(document, abstract=True)
        return Effective.of_layer(Layer(name="base", definition=definition, bindings=parse_bindings(bindings)), **more)

    old = of([action("a", script="worker", next="later")], {"worker": "noop"}, abstract=True)
    new = of([action("a", script="worker")], {}, abstract=False, extends=("other",))
    assert as_text(diff(old, new)).splitlines() == [
        "The template itself changed",
        "  abstract: yes → no",
        "  extends: nothing → other",
        "Action “a” changed",
        "  next: “later” → the next action",
        "Binding “worker” removed",
        '  target: was script "noop"',
    ]


def test_a_long_text_is_cut_to_where_it_differs() -> None:
    long = "x" * 5_000
    change = diff(plan_of({**A, "comment": f"{long}one"}), plan_of({**A, "comment": f"{long}two"}))
    ((row,),) = (section.rows for section in sections(change))
    assert row.old == f"…{'x' * 80}one"
    assert row.new == f"…{'x' * 80}two"
    added = diff(plan_of(A), plan_of({**A, "comment": long}))
    ((row,),) = (section.rows for section in sections(added))
    assert row.new == f"{'x' * MAX_VALUE_CHARACTERS}…"


def test_the_summary_names_the_first_few() -> None:
    old = plan_of(A, B)
    added = [action(f"n{number}", script=None) for number in range(5)]
    new = plan_of({**A, "next": False}, *added, bindings={"x": {"value": 1}})
    assert in_one_line(diff(old, new)) == "changed a · added n0, n1, n2 and 2 more · removed b · bindings x"


def test_missing_is_not_null() -> None:
    (change,) = json_changes({}, {"a": None})
    assert (change.kind, change.old, change.new) == ("added", MISSING, None)


@pytest.mark.parametrize(
    "document", [None, {}, {"format": 99}, {"format": 1}, {"format": 1, "name": "a", "actions": [1]}]
)
def test_what_is_not_a_plan_is_refused(document: Any) -> None:
    with pytest.raises(CursorError):
        Effective.of_plan(document)


def test_ten_thousand_actions_in_another_order_are_compared_in_passing() -> None:
    order = [f"a{number}" for number in range(10_000)]
    turned = order[5_000:] + order[:5_000]
    assert len(moved_names(order, turned)) == 5_000
