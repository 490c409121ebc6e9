"""Run all tests in groups: `python -m tests [pytest's arguments]`.

1. everything that runs side by side, on SQLite;
2. what touches the database, once more on PostgreSQL, when one is reachable;
3. what starts the whole stack or a browser: two modules at a time, since each waits more than it works.
"""

import os
import subprocess
import sys
import time

import psycopg

POSTGRES_URL = "postgres://postgres@127.0.0.1:5432/stepline"
POSTGRES_VARIABLE = "STEPLINE_TEST_POSTGRES_URL"

_NO_TESTS = 5


def main(arguments: list[str]) -> int:
    """Run the groups, print how each ended, and return 1 if any failed."""
    postgres_url = os.environ.get(POSTGRES_VARIABLE) or POSTGRES_URL
    obstacle = find_obstacle(postgres_url)
    results = [
        run_group("SQLite, side by side", ["-n", "auto", "-m", "not acceptance and not browser", *arguments], {}),
    ]
    if obstacle is None:
        results.append(
            run_group(
                "PostgreSQL",
                ["-n", "auto", "-m", "database and not acceptance and not browser", *arguments],
                {"TEST_DATABASE_URL": postgres_url},
            )
        )
    # A module's tests stay together: they share what takes long to start, a stack or a browser.
    slow = ["-n", "2", "--dist", "loadscope", "-m", "acceptance or browser"]
    results.append(run_group("whole stack and browser", [*slow, *arguments], {}))
    print("\nsummary")
    for name, return_code, seconds in results:
        print(f"  {name}: {describe(return_code)} in {seconds:.0f} s")
    if obstacle is not None:
        print(f"  PostgreSQL: NOT RUN, {obstacle}; set {POSTGRES_VARIABLE} to a server where databases may be created")
    # Where arguments choose tests, a group may rightly be empty.
    harmless = {0, _NO_TESTS} if arguments else {0}
    return 0 if all(return_code in harmless for _, return_code, _ in results) else 1


def run_group(name: str, arguments: list[str], variables: dict[str, str]) -> tuple[str, int, float]:
    """Run pytest; return the group's name, pytest's exit code and the seconds it took."""
    print(f"\n=== {name}", flush=True)
    started = time.monotonic()
    environment = {name: value for name, value in os.environ.items() if name != "TEST_DATABASE_URL"}
    completed = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *arguments], env={**environment, **variables}, check=False
    )
    return name, completed.returncode, time.monotonic() - started


def find_obstacle(url: str) -> str | None:
    """Return why there is no PostgreSQL to test on, or None."""
    try:
        # The database itself needn't exist: each run makes its own.
        psycopg.connect(url.rpartition("/")[0] + "/postgres", connect_timeout=2).close()
    except psycopg.Error as error:
        return str(error).strip().splitlines()[0]
    return None


def describe(return_code: int) -> str:
    """Say how a group ended."""
    return {0: "passed", 1: "FAILED", _NO_TESTS: "no tests"}.get(return_code, f"ended with code {return_code}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
