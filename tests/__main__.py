"""Run all tests in groups: `python -m tests [pytest's arguments]`.

1. everything that runs side by side, on SQLite and an embedded Valkey;
2. what touches the database, once more on PostgreSQL, with a Redis as broker and channel layer, but for what only
   tells what is in rows: its queries are those of others that do run again;
3. what talks to the broker or the channel layer, once more on PostgreSQL, RabbitMQ, and LISTEN and NOTIFY;
4. what starts the whole stack or a browser: two modules at a time, since each waits more than it works.

Whichever servers are reachable are used, and the summary says which were not.
"""

import os
import subprocess
import sys
import time

from tests.servers import Server, find_postgres, find_rabbitmq, find_redis, own_virtual_host

#: What says to pytest on which servers to run.
_SERVER_VARIABLES = ("TEST_DATABASE_URL", "TEST_BROKER_URL", "TEST_CHANNEL_LAYER_URL")

#: By its own rule what decides touches neither a database nor a browser: those groups needn't look for it there.
_WITHOUT_DOMAIN = ["--ignore=tests/processes/domain", "--ignore=tests/tasks/domain"]
#: What is about words, markup, answers and what an editor is told, and finds its rows by nothing but their keys. The
#: lists and searches of admin and pages, whatever locks or counts, and the walk over every page stay in both groups.
_ONLY_TELLS = [
    "--ignore=tests/processes/admin/test_builder_tab.py",
    "--ignore=tests/processes/admin/test_documentation_tab.py",
    "--ignore=tests/processes/pages/test_languages.py",
    "--ignore=tests/processes/pages/test_looks.py",
    "--ignore=tests/processes/pages/test_responses.py",
    "--ignore=tests/processes/scripts/test_page_content.py",
    "--ignore=tests/processes/scripts/test_reference.py",
]
#: Where tests that talk to the broker are.
_WITH_BROKER = ["tests/tasks", "tests/acceptance"]

_NO_TESTS = 5

Result = tuple[str, int, float]


def main(arguments: list[str]) -> int:
    """Run the groups, print how each ended, and return 1 if any failed."""
    postgres, rabbitmq = find_postgres(), find_rabbitmq()
    redis = find_redis(databases=os.cpu_count() or 1)
    results = [
        run_group("SQLite, side by side", ["-n", "auto", "-m", "not acceptance and not browser", *arguments], {}),
        *run_on_postgres(postgres, redis, arguments),
        *run_on_rabbitmq(postgres, rabbitmq, arguments),
        run_whole(arguments),
    ]
    print("\nsummary")
    for name, return_code, seconds in results:
        print(f"  {name}: {describe(return_code)} in {seconds:.0f} s")
    for server in (postgres, redis, rabbitmq):
        if server.obstacle is not None:
            print(f"  {server.complaint}")
    # Where arguments choose tests, a group may rightly be empty.
    harmless = {0, _NO_TESTS} if arguments else {0}
    return 0 if all(return_code in harmless for _, return_code, _ in results) else 1


def run_whole(arguments: list[str]) -> Result:
    """Run what starts the whole stack or a browser."""
    # A module's tests stay together: they share what takes long to start. The suite says itself which come first.
    choice = ["-n", "2", "--dist", "loadscope", "--no-loadscope-reorder", "-m", "acceptance or browser"]
    return run_group("whole stack and browser", [*choice, *_WITHOUT_DOMAIN, *arguments], {})


def run_on_postgres(postgres: Server, redis: Server, arguments: list[str]) -> list[Result]:
    """Run what depends on the database; without a Redis, with the embedded Valkey."""
    if postgres.obstacle is not None:
        return []
    variables = {"TEST_DATABASE_URL": postgres.url}
    name = "PostgreSQL, embedded Valkey"
    if redis.obstacle is None:
        name = "PostgreSQL, Redis"
        variables |= {"TEST_BROKER_URL": redis.url, "TEST_CHANNEL_LAYER_URL": redis.url}
    choice = ["-n", "auto", "-m", "database and not acceptance and not browser", *_WITHOUT_DOMAIN, *_ONLY_TELLS]
    return [run_group(name, [*choice, *arguments], variables)]


def run_on_rabbitmq(postgres: Server, rabbitmq: Server, arguments: list[str]) -> list[Result]:
    """Run what talks to the broker or the channel layer, real stacks included."""
    if postgres.obstacle is not None or rabbitmq.obstacle is not None:
        return []
    choice = ["-n", "2", "--dist", "loadscope", "-m", "servers and not browser", *([] if arguments else _WITH_BROKER)]
    with own_virtual_host(rabbitmq.url) as url:
        variables = {"TEST_DATABASE_URL": postgres.url, "TEST_BROKER_URL": url}
        return [run_group("PostgreSQL, RabbitMQ, LISTEN and NOTIFY", [*choice, *arguments], variables)]


def run_group(name: str, arguments: list[str], variables: dict[str, str]) -> Result:
    """Run pytest; return the group's name, pytest's exit code and the seconds it took."""
    print(f"\n=== {name}", flush=True)
    started = time.monotonic()
    environment = {name: value for name, value in os.environ.items() if name not in _SERVER_VARIABLES}
    completed = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *arguments], env={**environment, **variables}, check=False
    )
    return name, completed.returncode, time.monotonic() - started


def describe(return_code: int) -> str:
    """Say how a group ended."""
    return {0: "passed", 1: "FAILED", _NO_TESTS: "no tests"}.get(return_code, f"ended with code {return_code}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
