import json

import pytest

from benchmarks.figures import Figure, alone, beside_peer, summary

KEYS = ["benchmark", "value", "unit", "peer", "ratio", "goal", "runs"]


def test_a_line_is_one_json_object_with_exactly_the_promised_keys():
    line = beside_peer("cost", [(2.0, 1.0)], unit="µs", peer="a loop", goal=8.0).to_line()
    assert "\n" not in line
    assert json.loads(line) == {
        "benchmark": "cost", "value": 2.0, "unit": "µs", "peer": "a loop", "ratio": 2.0, "goal": 8.0, "runs": 1,
    }  # fmt: skip
    assert list(json.loads(line)) == KEYS


def test_what_has_no_peer_says_null():
    figure = json.loads(alone("writes", [9.0, 8.0, 10.0], unit="1/s").to_line())
    assert figure == {
        "benchmark": "writes", "value": 9.0, "unit": "1/s", "peer": None, "ratio": None, "goal": None, "runs": 3,
    }  # fmt: skip


def test_a_line_can_be_read_again():
    figure = beside_peer("cost", [(2.0, 1.0)], unit="µs", peer="a loop")
    assert Figure.from_line(figure.to_line()) == figure


@pytest.mark.parametrize("line", ["", "hello", "[]", "{}", '{"benchmark": "cost"}'])
def test_any_other_line_is_refused(line):
    with pytest.raises((ValueError, TypeError)):
        Figure.from_line(line)


def test_the_ratio_is_the_median_of_the_runs_ratios():
    # The machine was slow during the second run, for both sides. A ratio of medians would say 2.5.
    figure = beside_peer("cost", [(2.0, 1.0), (20.0, 10.0), (5.0, 2.0)], unit="µs", peer="a loop")
    assert (figure.value, figure.ratio, figure.runs) == (5.0, 2.0, 3)


def test_numbers_keep_four_digits():
    figure = beside_peer("cost", [(1234.5678, 3.0)], unit="µs", peer="a loop")
    assert (figure.value, figure.ratio) == (1235.0, 411.5)


@pytest.mark.parametrize(
    ("value", "ratio", "goal", "missed"),
    [
        (100.0, 1.4, 1.5, False),
        (100.0, 1.5, 1.5, False),
        (0.1, 1.6, 1.5, True),
        (100.0, 1.6, None, False),
        # Without a peer the goal is one for the value.
        (9.0, None, 10.0, False),
        (11.0, None, 10.0, True),
    ],
)
def test_a_goal_bounds_the_ratio_or_without_a_peer_the_value(value, ratio, goal, missed):
    figure = Figure(benchmark="cost", value=value, unit="ms", ratio=ratio, goal=goal, runs=1)
    assert figure.misses_goal is missed


def test_the_summary_shows_every_figure_and_counts_the_goals():
    lines = summary(
        [
            beside_peer("one", [(3.0, 1.0)], unit="ms", peer="them", goal=2.0),
            beside_peer("two", [(1.0, 1.0)], unit="ms", peer="them", goal=2.0),
            alone("three", [7.0], unit="1/s"),
        ]
    )
    assert [line.partition(" ")[0] for line in lines] == ["one", "two", "three", "1"]
    assert "MISSED" in lines[0]
    assert "MISSED" not in lines[1]
    assert lines[-1] == "1 of 2 goals reached"
