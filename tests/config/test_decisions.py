"""What the supervisor decides."""

from dataclasses import dataclass

import pytest

from config.supervisor.decisions import describe_exit, failures_after_exit, restart_delay_seconds, start_stages
from config.supervisor.watchdog import followed_groups


@dataclass(frozen=True)
class Named:
    name: str
    gate: bool = False


@pytest.mark.parametrize(
    ("services", "expected"),
    [
        ("", []),
        ("a b", ["ab"]),
        ("a! b c", ["a", "bc"]),
        ("a! b! c d", ["a", "b", "cd"]),
        ("a b! c", ["ab", "c"]),
        ("a!", ["a"]),
    ],
)
def test_a_gate_holds_back_all_behind_it(services, expected):
    plan = [Named(word.rstrip("!"), gate=word.endswith("!")) for word in services.split()]
    assert ["".join(service.name for service in stage) for stage in start_stages(plan)] == expected


@pytest.mark.parametrize(
    ("failures", "seconds"),
    [(1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (5, 8.0), (6, 16.0), (7, 30.0), (8, 30.0), (5000, 30.0)],
)
def test_the_delay_doubles_up_to_the_longest(failures, seconds):
    assert restart_delay_seconds(failures) == seconds


@pytest.mark.parametrize(
    ("failures_before", "uptime_seconds", "expected"),
    [(0, 0.1, 1), (1, 0.1, 2), (4, 59.9, 5), (4, 60.0, 1), (0, 3600.0, 1)],
)
def test_a_healthy_time_starts_the_count_anew(failures_before, uptime_seconds, expected):
    assert failures_after_exit(failures_before=failures_before, uptime_seconds=uptime_seconds) == expected


@pytest.mark.parametrize(
    ("return_code", "expected"),
    [(0, "exit code 0"), (3, "exit code 3"), (-9, "killed by SIGKILL"), (-77, "killed by signal 77")],
)
def test_an_exit_in_words(return_code, expected):
    assert describe_exit(return_code, {9: "SIGKILL"}) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [([], set()), ([b"+5\n"], {5}), ([b"+5\n", b"+6\n", b"-5\n"], {6}), ([b"-5\n"], set()), ([b"+5\n", b"+5\n"], {5})],
)
def test_the_watchdog_follows_what_it_was_told(lines, expected):
    assert followed_groups(lines) == expected
