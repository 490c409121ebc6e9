from itertools import islice

import pytest

from benchmarks.measuring import random_gaps, take_turns
from benchmarks.push_clients import latencies_ms
from benchmarks.stamps import append_stamp, read_stamps, write_stamps


def test_both_sides_warm_up_and_then_take_turns_in_going_first():
    order: list[str] = []

    def side(name: str) -> float:
        order.append(name)
        return float(len(order))

    pairs = take_turns(lambda: side("ours"), lambda: side("peer"), runs=2)
    assert order == ["ours", "peer", "ours", "peer", "peer", "ours"]
    assert pairs == [(3.0, 4.0), (6.0, 5.0)]


def test_who_has_warmed_up_already_is_measured_at_once():
    times = iter([(1.0, 1.5), (2.0, 2.5)])
    assert take_turns(lambda: next(times), lambda: next(times), runs=1, warm_up=False) == [((1.0, 1.5), (2.0, 2.5))]


def test_gaps_lie_between_their_bounds_and_differ():
    gaps = list(islice(random_gaps(shortest_seconds=0.05, longest_seconds=0.25), 100))
    assert all(0.05 <= gap <= 0.25 for gap in gaps)
    assert len(set(gaps)) > 90


def test_the_first_of_two_stamps_counts(tmp_path):
    file = tmp_path / "stamps"
    assert read_stamps(file) == {}
    append_stamp(str(file), "job-1")
    first = read_stamps(file)["job-1"]
    append_stamp(str(file), "job-1")
    assert read_stamps(file) == {"job-1": first}


def test_stamps_written_at_once_keep_their_precision(tmp_path):
    file = tmp_path / "stamps"
    stamps = {"usual-1": 12345.000000123, "usual-2": 0.1}
    write_stamps(file, stamps)
    assert read_stamps(file) == stamps


def test_latencies_are_told_update_by_update_and_client_by_client():
    latencies = latencies_ms({1: 10.0, 2: 11.0}, {1: [10.001, 10.002], 2: [11.003, 11.004]}, clients=2)
    assert [[round(one, 3) for one in update] for update in latencies] == [[1.0, 2.0], [3.0, 4.0]]


def test_a_report_that_was_merged_into_the_next_one_arrived_with_it():
    latencies = latencies_ms({1: 10.0, 2: 10.050, 3: 11.0}, {2: [10.060], 3: [11.001]}, clients=1)
    assert [[round(one, 3) for one in update] for update in latencies] == [[60.0], [10.0], [1.0]]


@pytest.mark.parametrize("arrived", [{}, {1: [10.1]}, {1: [10.1], 2: []}, {1: [10.1], 2: [11.1, 11.2]}])
def test_an_update_that_did_not_reach_everyone_is_an_error(arrived):
    with pytest.raises(ValueError, match="update 2 reached"):
        latencies_ms({1: 10.0, 2: 11.0}, arrived, clients=1)
