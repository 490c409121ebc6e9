"""What is asked of the web server, as `up` starts it, over real sockets: no body and no answer piles up in it."""

import http.client
import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from config.environment import load_environment
from config.supervisor.ports import claim_port
from config.supervisor.services import plan_services
from tests.config.flowing_app import BLOCK

HOST = "127.0.0.1"
MIB = 1024**2
#: Sizes around what servers like to treat differently.
LARGE_BYTES = 64 * 1024


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[int, int]]:
    """Run the server with an application that tells what it sees; gives its port and its pid."""
    port = claim_port(HOST, 0)
    services = plan_services(load_environment({}), host=HOST, port=port, worker_processes=1)
    command = next(service for service in services if service.name == "web").command
    process = subprocess.Popen(
        [*command[:-1], "tests.config.flowing_app:application"],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: _accepts(port))
        yield port, process.pid
    finally:
        process.kill()
        process.wait()


def _accepts(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def connect(server: tuple[int, int]) -> Iterator[Callable[[], http.client.HTTPConnection]]:
    opened = []

    def connection() -> http.client.HTTPConnection:
        opened.append(http.client.HTTPConnection(HOST, server[0], timeout=30))
        return opened[-1]

    yield connection
    for one in opened:
        one.close()


Connect = Callable[[], http.client.HTTPConnection]


def ask(connection: http.client.HTTPConnection, method: str, path: str, **options: Any) -> Any:
    connection.request(method, path, **options)
    return json.loads(connection.getresponse().read())


def happened(connect: Connect) -> dict[str, Any]:
    found: dict[str, Any] = ask(connect(), "GET", "/happened")
    return found


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("size", [0, 1, LARGE_BYTES - 1, LARGE_BYTES, 3 * MIB])
@pytest.mark.parametrize("chunked", [False, True], ids=["with a length", "chunked"])
def test_bodies_arrive_whole_and_the_connection_goes_on(connect: Connect, size: int, chunked: bool) -> None:
    connection = connect()
    for number in range(3):
        body = b"y" * size
        options: dict[str, Any] = {"body": body}
        if chunked:
            parts = iter([body] if size else [])
            options = {"body": parts, "headers": {"Transfer-Encoding": "chunked"}, "encode_chunked": True}
        seen = ask(connection, "POST", f"/count?n={number}", **options)
        assert (seen["size"], seen["method"], seen["query"]) == (size, "POST", f"n={number}")


def test_a_form_is_not_parsed_by_the_server(connect: Connect) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=nonsense"}
    assert ask(connect(), "POST", "/count", body=b"no parts at all", headers=headers)["size"] == 15


def test_the_application_sees_a_large_body_before_it_is_complete(connect: Connect) -> None:
    connection = connect()
    connection.putrequest("POST", "/early")
    connection.putheader("Content-Length", str(10 * MIB))
    connection.endheaders(b"y" * 1_000)
    response = connection.getresponse()
    assert json.loads(response.read()) == {"first": 1_000, "more": True}


def test_after_an_early_answer_the_rest_is_dropped_and_the_connection_goes_on(connect: Connect) -> None:
    connection = connect()
    assert ask(connection, "POST", "/early", body=b"y" * (20 * MIB))["more"] is True
    assert ask(connection, "POST", "/count", body=b"y" * 10)["size"] == 10


def test_what_waits_for_the_application_is_bounded(server: tuple[int, int], connect: Connect) -> None:
    size = 64 * MIB
    connection = socket.create_connection((HOST, server[0]))
    connection.setblocking(False)
    connection.send(f"POST /lazy HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode())
    left, before, quiet_since = size, resident_bytes(server[1]), time.monotonic()
    while left and time.monotonic() - quiet_since < 0.5:
        try:
            left -= connection.send(b"y" * min(left, MIB))
            quiet_since = time.monotonic()
        except BlockingIOError:
            time.sleep(0.01)
    assert left > size / 2, "the server stops reading"
    assert resident_bytes(server[1]) - before < 8 * MIB
    ask(connect(), "GET", "/go")
    connection.setblocking(True)
    connection.sendall(b"y" * left)
    connection.settimeout(30)
    answer = b""
    while b"}" not in answer:
        answer += connection.recv(65_536)
    assert f'"size": {size}'.encode() in answer
    connection.close()


def test_what_waits_for_the_client_is_bounded_and_the_application_learns_that_it_has_gone(
    server: tuple[int, int], connect: Connect
) -> None:
    before = resident_bytes(server[1])
    connection = connect()
    connection.request("GET", "/endless")
    response = connection.getresponse()
    assert response.read(10) == b"x" * 10

    def stands_still() -> bool:
        sent = happened(connect)["sent"]
        time.sleep(0.3)
        return bool(happened(connect)["sent"] == sent)

    wait_until(stands_still)
    # What the sockets hold, and little more.
    assert happened(connect)["sent"] * len(BLOCK) < 24 * MIB
    assert resident_bytes(server[1]) - before < 8 * MIB
    sent = happened(connect)["sent"]
    response.read(32 * MIB)
    assert happened(connect)["sent"] > sent, "it goes on when the client does"
    response.close()
    connection.close()
    wait_until(lambda: "http.disconnect" in happened(connect)["ends"])


def test_a_client_that_goes_away_in_the_middle_of_a_body_is_noticed(connect: Connect) -> None:
    connection = connect()
    connection.putrequest("POST", "/count")
    connection.putheader("Content-Length", str(10 * MIB))
    connection.endheaders(b"y" * MIB)
    connection.close()
    wait_until(lambda: "disconnect" in happened(connect)["ends"])


def test_requests_in_a_row_on_one_connection_are_answered_in_their_order(server: tuple[int, int]) -> None:
    small, large = b"y" * 10, b"y" * (2 * LARGE_BYTES)
    with socket.create_connection((HOST, server[0])) as connection:
        for body in (small, large, small):
            head = f"POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body)
        connection.settimeout(30)
        text = b""
        while text.count(b"largest") < 3:
            text += connection.recv(65_536)
    sizes = [f'"size": {len(body)}'.encode() for body in (small, large, small)]
    places = [text.index(sizes[0]), text.index(sizes[1]), text.rindex(sizes[2])]
    assert places == sorted(places)
