"""Requests to other systems: what leaves, what comes back, and what never may."""

import gzip
import json
import pickle
import socket
import ssl
import threading
import tracemalloc
import zlib

import pytest

from processes.domain.hosts import parse_address
from processes.domain.outside import OutboundRequest
from processes.errors import ProcessError
from processes.models import Connection
from processes.services.audit import SYSTEM
from processes.services.connections import save_connection
from processes.services.outside import live_outside, network
from processes.services.outside.exchange import reach_of_settings
from tests.processes.services.real_servers import Reply, web_server, write_certificate

SECRET = "s3cr3t-token-5f1c"


@pytest.fixture
def server():
    with web_server() as server:
        yield server


@pytest.fixture
def other():
    with web_server() as server:
        yield server


@pytest.fixture(autouse=True)
def loopback(settings):
    settings.STEPLINE_OUTBOUND_HOSTS = ("127.0.0.1", "localhost")
    settings.STEPLINE_OUTBOUND_PRIVATE = ("127.0.0.1",)


@pytest.fixture
def bearer(db, server) -> Connection:
    connection = Connection(name="api", settings={"base_url": f"{server.url}/v1", "scheme": "bearer"})
    return save_connection(connection=connection, secret=SECRET, actor=SYSTEM)


def ask(**fields):
    return live_outside().request(OutboundRequest(**{"method": "GET", **fields}))


def refusal(code: str, **fields) -> ProcessError:
    with pytest.raises(ProcessError) as caught:
        ask(**fields)
    assert caught.value.code == code, caught.value
    return caught.value


# -- what leaves ---------------------------------------------------------------------------------------------------


def test_a_request_brings_its_query_headers_and_json(server):
    answer = ask(
        method="post",
        url=f"{server.url}/things?a=1",
        query={"b": "x y", "c": [1, True], "d": None},
        headers={"X-Kind": "test"},
        json={"name": "Zoë"},
    )
    assert answer.status == 200
    received = server.received[0]
    assert (received.method, received.path) == ("POST", "/things?a=1&b=x+y&c=1&c=true")
    assert received.headers["X-Kind"] == "test"
    assert received.headers["Content-Type"] == "application/json"
    assert received.headers["Host"] == server.address
    assert json.loads(received.body) == {"name": "Zoë"}


def test_a_form_is_sent_as_one(server):
    ask(method="POST", url=server.url, form={"a": "ü&", "b": [1, 2]})
    assert server.received[0].body == b"a=%C3%BC%26&b=1&b=2"
    assert server.received[0].headers["Content-Type"] == "application/x-www-form-urlencoded"


def test_a_text_may_name_its_own_type(server):
    ask(method="PUT", url=server.url, body="<a/>", headers={"content-type": "text/xml"})
    assert server.received[0].body == b"<a/>"
    assert server.received[0].headers["content-type"] == "text/xml"


def test_proxies_of_the_environment_are_not_used(server, other, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", other.url)
    monkeypatch.setenv("ALL_PROXY", other.url)
    ask(url=server.url)
    assert len(server.received) == 1
    assert not other.received


@pytest.mark.parametrize(
    "fields",
    [
        {"headers": {"X-A": "1\r\nX-Evil: 1"}},
        {"headers": {"X-A": "1\nX-Evil: 1"}},
        {"headers": {"X-A\r\nX-Evil": "1"}},
        {"headers": {"X A": "1"}},
        {"headers": {"": "1"}},
        {"headers": {"X-A": "\0"}},
        {"headers": {"Host": "evil.example"}},
        {"headers": {"content-LENGTH": "3"}},
        {"headers": {"Transfer-Encoding": "chunked"}},
        {"method": "CONNECT"},
        {"method": "GET / HTTP/1.1\r\nX-Evil: 1\r\n"},
        {"json": {"a": 1}, "body": "b"},
        {"json": {"a": float("nan")}},
        {"body": "\ud800"},
        {"query": {"a": {"b": 1}}},
    ],
)
def test_what_would_change_the_meaning_of_a_request_is_refused(server, fields):
    refusal("outbound_refused", url=server.url, **fields)
    assert not server.received


# -- where it goes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "", "/things", "things", "//127.0.0.1/", "ftp://127.0.0.1/", "file:///etc/passwd", "gopher://127.0.0.1/",
        "http://", "http:///x", "http://[::1", "http://127.0.0.1:99999/", "http://a\nb/", "http://127.0.0.1:0/",
        "http://user:pass@127.0.0.1/", "http://user@127.0.0.1/", "unix:///var/run/x", "javascript:alert(1)",
        "http://\x00/", "http://127.0.0.1%0d%0aX:1/",
    ],
)  # fmt: skip
def test_only_web_addresses_with_a_host_are_asked(url):
    refusal("outbound_refused", url=url)


@pytest.mark.parametrize(
    ("hosts", "host", "port", "allowed"),
    [
        ((), "example.com", 80, False),
        (("example.com",), "example.com", 80, True),
        (("example.com",), "EXAMPLE.com.", 443, True),
        (("example.com",), "example.com.evil.net", 80, False),
        (("example.com",), "evilexample.com", 80, False),
        (("example.com",), "www.example.com", 80, False),
        (("*.example.com",), "www.example.com", 80, True),
        (("*.example.com",), "a.b.example.com", 80, True),
        (("*.example.com",), "example.com", 80, False),
        (("*.example.com",), ".example.com", 80, False),
        (("example.com:8443",), "example.com", 8443, True),
        (("example.com:8443",), "example.com", 443, False),
        (("*",), "anything.net", 80, True),
    ],
)
def test_the_list_of_hosts(settings, hosts, host, port, allowed):
    settings.STEPLINE_OUTBOUND_HOSTS = hosts
    reach = reach_of_settings()
    assert reach.lists(host, port) is allowed


def test_a_host_that_is_not_listed_is_not_asked_nor_resolved(settings, monkeypatch):
    settings.STEPLINE_OUTBOUND_HOSTS = ("api.example.com",)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: pytest.fail("resolved"))
    error = refusal("outbound_refused", url="https://evil.example/steal?key=abc")
    assert "STEPLINE_OUTBOUND_HOSTS" in error.message
    assert "abc" not in error.message


PRIVATE = [
    "127.0.0.1", "127.1.2.3", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
    "224.0.0.1", "255.255.255.255", "192.0.0.1", "198.18.0.1", "240.0.0.1", "::1", "::", "::ffff:127.0.0.1",
    "::ffff:10.0.0.1", "::ffff:169.254.169.254", "fe80::1", "fc00::1", "fd12::1", "fec0::1", "ff02::1",
    "2002:7f00:1::", "2002:a9fe:a9fe::", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "::127.0.0.1",
    "2001:db8::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_a_name_that_leads_to_a_private_address_is_refused(settings, monkeypatch, address):
    settings.STEPLINE_OUTBOUND_HOSTS = ("*",)
    settings.STEPLINE_OUTBOUND_PRIVATE = ()
    resolve_to(monkeypatch, address)
    error = refusal("outbound_refused", url="http://innocent.example/")
    assert "STEPLINE_OUTBOUND_PRIVATE" in error.message


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0", "[::1]", "[::ffff:127.0.0.1]", "localhost",
     "LOCALHOST.", "[::ffff:7f00:1]"],
)  # fmt: skip
def test_a_private_address_is_refused_however_it_is_written(settings, server, host):
    settings.STEPLINE_OUTBOUND_HOSTS = ("*",)
    settings.STEPLINE_OUTBOUND_PRIVATE = ()
    with pytest.raises(ProcessError) as caught:
        ask(url=f"http://{host}:{server.port}/")
    # Some resolvers don't know some of these forms, which is as good.
    assert caught.value.code in ("outbound_refused", "outbound_failed")
    assert not server.received


def test_one_private_address_among_public_ones_is_enough_to_refuse(settings, monkeypatch):
    settings.STEPLINE_OUTBOUND_HOSTS = ("*",)
    settings.STEPLINE_OUTBOUND_PRIVATE = ()
    resolve_to(monkeypatch, "93.184.216.34", "10.0.0.1")
    monkeypatch.setattr(socket, "create_connection", lambda *args, **kwargs: pytest.fail("connected"))
    refusal("outbound_refused", url="http://innocent.example/")


@pytest.mark.parametrize(
    ("private", "address", "admitted"),
    [
        ((), "10.1.2.3", False),
        (("10.0.0.0/8",), "10.1.2.3", True),
        (("10.0.0.0/8",), "::ffff:10.1.2.3", True),
        (("10.0.0.0/8",), "11.1.2.3", True),
        (("10.0.0.0/8",), "192.168.0.1", False),
        (("intranet.example",), "192.168.0.1", True),
        (("*.example",), "192.168.0.1", True),
        (("other.example",), "192.168.0.1", False),
        (("fd00::/8",), "fd12::1", True),
        (("192.168.0.1",), "192.168.0.1", True),
    ],
)
def test_private_addresses_that_the_operator_allows(settings, private, address, admitted):
    settings.STEPLINE_OUTBOUND_PRIVATE = private
    assert reach_of_settings().admits("intranet.example", parse_address(address)) is admitted


def test_the_address_that_was_checked_is_the_one_that_is_connected_to(settings, server, monkeypatch):
    """DNS rebinding: a name that is public when it is checked and private when it is connected to."""
    settings.STEPLINE_OUTBOUND_HOSTS = ("*",)
    settings.STEPLINE_OUTBOUND_PRIVATE = ()
    asked: list[str] = []
    connected: list[str] = []

    def resolve(host, port, *args, **kwargs):
        asked.append(host)
        answer = "93.184.216.34" if len(asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answer, port))]

    def connect(address, *args, **kwargs):
        connected.append(address[0])
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "create_connection", connect)
    refusal("outbound_failed", url=f"http://rebinding.example:{server.port}/")
    assert asked == ["rebinding.example"]
    assert connected == ["93.184.216.34"]


def resolve_to(monkeypatch, *addresses: str) -> None:
    def resolve(host, port, *args, **kwargs):
        return [
            (socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in addresses
        ]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


# -- connections ---------------------------------------------------------------------------------------------------


def test_a_connection_knows_the_address_and_proves_who_asks(server, bearer, settings):
    settings.STEPLINE_OUTBOUND_HOSTS = ()
    ask(connection="api", url="/orders/5")
    ask(connection="api", url="orders/5?full=1")
    ask(connection="api", url="")
    ask(connection="api", url=f"{server.url}/v1/orders")
    assert [received.path for received in server.received] == [
        "/v1/orders/5",
        "/v1/orders/5?full=1",
        "/v1",
        "/v1/orders",
    ]
    assert {received.headers["Authorization"] for received in server.received} == {f"Bearer {SECRET}"}


@pytest.mark.parametrize(
    ("fields", "header", "value"),
    [
        ({"scheme": "basic", "username": "ann"}, "Authorization", "Basic YW5uOnMzY3IzdC10b2tlbi01ZjFj"),
        ({"scheme": "header", "header": "X-Api-Key"}, "X-Api-Key", SECRET),
    ],
)
def test_the_ways_to_prove_it(db, server, fields, header, value):
    connection = Connection(name="api", settings={"base_url": server.url, **fields})
    save_connection(connection=connection, secret=SECRET, actor=SYSTEM)
    ask(connection="api", url="x", headers={header.lower(): "mine"})
    assert server.received[0].headers[header] == value
    assert "mine" not in server.received[0].headers.values()


@pytest.mark.parametrize(
    "url",
    [
        "../admin", "/../admin", "orders/../../admin", "%2e%2e/admin", "..%2fadmin", "orders/..%2f..%2fadmin",
        "%252e%252e/admin", "..\\admin", "..%5cadmin", "./..//../admin", "http://127.0.0.1:1/v1/x",
        "https://127.0.0.1/v1/x", "http://evil.example/v1/x", "{base}x/admin", "{root}/", "{root}/v1x",
        "{root}/v1/../x", "{root}/v10", "..;/admin", "x/..;a=b/..%3bc/admin", "http://{address}@evil.example/v1/",
    ],
)  # fmt: skip
def test_nothing_leads_out_of_a_connections_address(server, bearer, url):
    filled = url.format(base=f"{server.url}/v1", root=server.url, address=server.address)
    refusal("outbound_refused", connection="api", url=filled)
    assert not server.received


@pytest.mark.parametrize(
    "url", ["//evil.example/x", "https:evil.example", "\\\\evil.example", "@evil.example", ":80/x"]
)
def test_what_looks_like_another_host_stays_a_path(server, bearer, url):
    ask(connection="api", url=url)
    assert server.received[0].path.startswith("/v1/")


def test_a_connection_is_only_as_good_as_its_kind(db, server):
    mail = Connection(name="mail", kind="smtp", settings={"host": "m.example", "from_address": "a@b.example"})
    save_connection(connection=mail, actor=SYSTEM)
    refusal("connection_missing", connection="mail", url="x")
    refusal("connection_missing", connection="gone", url="x")


def test_a_connection_opens_no_private_address_by_itself(server, bearer, settings):
    settings.STEPLINE_OUTBOUND_PRIVATE = ()
    refusal("outbound_refused", connection="api", url="x")
    assert not server.received


def test_a_secret_that_comes_back_is_hidden(server, bearer):
    server.on(
        "/v1/echo",
        lambda received: Reply(
            body=json.dumps({"you": received.headers, SECRET: [SECRET]}).encode(),
            headers={"Content-Type": "application/json", "X-Echo": received.headers["Authorization"]},
        ),
    )
    answer = ask(connection="api", url="echo")
    assert server.received[0].headers["Authorization"] == f"Bearer {SECRET}"
    assert SECRET not in repr(answer)
    assert answer.json["you"]["Authorization"] == "Bearer •••"
    assert answer.headers["x-echo"] == "Bearer •••"


def test_a_secret_of_digits_is_hidden_where_it_comes_back_as_a_number(db, server):
    settings = {"base_url": f"{server.url}/v1", "scheme": "header", "header": "X-Pin"}
    connection = Connection(name="pin", kind="http", settings=settings)
    save_connection(connection=connection, secret="20261121", actor=SYSTEM)
    body = json.dumps({"pin": 20261121, "pins": [20261121.0, 7, True]}).encode()
    server.on("/v1/echo", Reply(body=body, headers={"Content-Type": "application/json"}))
    answer = ask(connection="pin", url="echo")
    assert answer.json == {"pin": "•••", "pins": ["•••", 7, True]}
    assert "20261121" not in repr(answer)


# -- redirects -----------------------------------------------------------------------------------------------------


def test_redirects_are_not_followed_unless_asked_for(server, other):
    server.on("/old", status=302, headers={"Location": other.url})
    answer = ask(url=f"{server.url}/old")
    assert (answer.status, answer.headers["location"]) == (302, other.url)
    assert not other.received


def test_a_redirect_to_another_place_takes_no_secret_along(server, other, bearer):
    server.on("/v1/old", status=302, headers={"Location": f"{other.url}/new"})
    ask(connection="api", url="old", redirects=3, headers={"Cookie": "c=1", "X-Kind": "kept"})
    assert server.received[0].headers["Authorization"] == f"Bearer {SECRET}"
    headers = other.received[0].headers
    assert "Authorization" not in headers
    assert "Cookie" not in headers
    assert headers["X-Kind"] == "kept"


def test_a_redirect_within_the_connection_keeps_its_secret_and_one_beside_it_does_not(server, bearer):
    server.on("/v1/old", status=307, headers={"Location": "/v1/new"})
    server.on("/v1/new", status=307, headers={"Location": "/outside"})
    ask(connection="api", url="old", redirects=5, method="POST", json={"a": 1})
    assert [received.path for received in server.received] == ["/v1/old", "/v1/new", "/outside"]
    assert ["Authorization" in received.headers for received in server.received] == [True, True, False]
    assert {received.body for received in server.received} == {b'{"a":1}'}


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_post_that_is_redirected_becomes_a_get(server, status):
    server.on("/old", status=status, headers={"Location": "/new"})
    ask(url=f"{server.url}/old", method="POST", body="x", redirects=1)
    assert (server.received[1].method, server.received[1].body) == ("GET", b"")
    assert "Content-Type" not in server.received[1].headers


@pytest.mark.parametrize(
    "location",
    ["http://169.254.169.254/latest/meta-data/", "http://evil.example/", "file:///etc/passwd", "http://[::1]/",
     "http://user:pass@127.0.0.1/", "gopher://127.0.0.1/"],
)  # fmt: skip
def test_each_hop_is_checked_like_a_request(server, location):
    server.on("/old", status=302, headers={"Location": location})
    refusal("outbound_refused", url=f"{server.url}/old", redirects=5)


def test_a_hop_to_a_listed_host_with_a_private_address_is_refused(server, settings):
    settings.STEPLINE_OUTBOUND_HOSTS = ("*",)
    server.on("/old", status=302, headers={"Location": "http://169.254.169.254/latest/meta-data/"})
    refusal("outbound_refused", url=f"{server.url}/old", redirects=5)


def test_a_circle_of_redirects_ends(server):
    server.on("/a", status=302, headers={"Location": "/a"})
    assert ask(url=f"{server.url}/a", redirects=4).status == 302
    assert len(server.received) == 5


# -- what comes back -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "body", "text", "value"),
    [
        ({"Content-Type": "application/json"}, b'{"a": [1]}', '{"a": [1]}', {"a": [1]}),
        ({"Content-Type": "application/problem+json; charset=utf-8"}, b"3", "3", 3),
        ({"Content-Type": "text/plain"}, b'{"a": 1}', '{"a": 1}', None),
        ({"Content-Type": "application/json"}, b"{", "{", None),
        ({"Content-Type": "application/json"}, b"[" * 100_000, "[" * 100_000, None),
        ({"Content-Type": "application/json"}, b"NaN", "NaN", None),
        ({"Content-Type": "text/plain; charset=latin-1"}, b"Zo\xeb", "Zoë", None),
        ({"Content-Type": "text/plain; charset=nonsense"}, "Zoë".encode(), "Zoë", None),
        ({"Content-Type": "text/plain; charset=rot13"}, b"abc", "abc", None),
        ({"Content-Type": "text/plain; charset=utf-7"}, b"+2AA-", "+2AA-", None),
        ({"Content-Type": "application/octet-stream"}, b"\xff\x00a", "��a", None),
        ({"Content-Encoding": "gzip"}, gzip.compress(b"packed", mtime=0), "packed", None),
        ({"Content-Encoding": "deflate"}, zlib.compress(b"packed"), "packed", None),
        ({"Content-Encoding": "deflate"}, zlib.compress(b"packed")[2:-4], "packed", None),
        ({}, "\ufeffmarked".encode(), "marked", None),
        ({}, b"", "", None),
    ],
)
def test_an_answer_is_decoded_to_what_can_be_stored(server, headers, body, text, value):
    server.on("/", body=body, headers=headers)
    answer = ask(url=f"{server.url}/")
    assert (answer.text, answer.json) == (text, value)
    answer.text.encode()


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "compress"])
def test_an_answer_packed_in_another_way_is_refused(server, encoding):
    server.on("/", body=b"x", headers={"Content-Encoding": encoding})
    refusal("outbound_failed", url=f"{server.url}/")


@pytest.mark.parametrize("body", [b"no gzip", gzip.compress(b"packed", mtime=0)[:-9]])
def test_a_damaged_answer_is_an_error(server, body):
    server.on("/", body=body, headers={"Content-Encoding": "gzip"})
    refusal("outbound_failed", url=f"{server.url}/")


def test_an_answer_may_be_as_large_as_the_limit_and_no_larger(server):
    server.on("/", body=b"x" * 1000)
    assert len(ask(url=f"{server.url}/", max_bytes=1000).text) == 1000
    error = refusal("outbound_too_large", url=f"{server.url}/", max_bytes=999)
    assert error.fields == {"limit_bytes": 999}
    assert error.permanent


def test_an_endless_answer_is_cut_off(server):
    def pour(handler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            handler.wfile.write(b"x" * 65536)

    server.on("/", raw=pour)
    refusal("outbound_too_large", url=f"{server.url}/", max_bytes=1_000_000)


def test_a_bomb_does_not_go_off(server):
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    bomb = b"".join(packer.compress(b"\0" * 1_000_000) for _ in range(200)) + packer.flush()
    assert len(bomb) < 300_000
    server.on("/", body=bomb, headers={"Content-Encoding": "gzip"})
    tracemalloc.start()
    try:
        refusal("outbound_too_large", url=f"{server.url}/", max_bytes=1_000_000)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_a_server_that_says_nothing_is_given_up(server):
    server.on("/", raw=lambda handler: server.over.wait(30))
    error = refusal("outbound_timeout", url=f"{server.url}/", timeout_seconds=0.2)
    assert not error.permanent
    assert "0.2 seconds" in error.message


def test_a_server_that_trickles_is_given_up_too(server):
    """Each byte comes in time; together they don't."""

    def trickle(handler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not server.over.wait(0.02):
            handler.wfile.write(b"x")

    server.on("/", raw=trickle)
    refusal("outbound_timeout", url=f"{server.url}/", timeout_seconds=0.3)


def test_a_resolver_that_hangs_is_given_up(monkeypatch):
    over = threading.Event()

    def resolve(*args, **kwargs):
        over.wait(30)
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    refusal("outbound_timeout", url="http://localhost/", timeout_seconds=0.2)
    over.set()


@pytest.mark.parametrize("raw", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"])
def test_what_is_not_http_is_an_error(server, raw):
    server.on("/", raw=lambda handler: handler.wfile.write(raw))
    error = refusal("outbound_failed", url=f"{server.url}/")
    assert not error.permanent


def test_nobody_there(server):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        error = refusal("outbound_failed", url=f"http://127.0.0.1:{free.getsockname()[1]}/")
    assert "connection refused" in error.message


def test_a_name_that_nobody_knows(monkeypatch):
    def resolve(*args, **kwargs):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert "isn't known" in refusal("outbound_failed", url="http://localhost/").message


# -- TLS -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def trusted(tmp_path, monkeypatch):
    """Return a way to make a certificate that is trusted for the length of a test."""

    def make(host: str):
        path = write_certificate(tmp_path / "certificate.pem", host=host)
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
        network.ssl_context.cache_clear()
        return path

    yield make
    network.ssl_context.cache_clear()


def test_a_certificate_is_checked_for_the_name_that_was_asked_for(trusted):
    with web_server(certificate=trusted("localhost")) as server:
        assert ask(url=f"https://localhost:{server.port}/").status == 200
        error = refusal("outbound_failed", url=f"https://127.0.0.1:{server.port}/")
        assert "127.0.0.1" in error.message


def test_a_certificate_of_nobody_known_is_refused(tmp_path):
    with web_server(certificate=write_certificate(tmp_path / "c.pem", host="localhost")) as server:
        error = refusal("outbound_failed", url=f"https://localhost:{server.port}/")
        assert "self-signed" in error.message or "self signed" in error.message
        assert not server.received


def test_a_checked_address_does_not_replace_the_name_in_the_handshake(trusted, monkeypatch):
    """The connection goes to the address that was checked, and the certificate is still that of the name."""
    names: list[str | None] = []
    original = ssl.SSLContext.wrap_socket

    def wrap(self, *args, **kwargs):
        names.append(kwargs.get("server_hostname"))
        return original(self, *args, **kwargs)

    with web_server(certificate=trusted("localhost")) as server:
        monkeypatch.setattr(ssl.SSLContext, "wrap_socket", wrap)
        ask(url=f"https://localhost:{server.port}/")
    assert "localhost" in names


# -- errors --------------------------------------------------------------------------------------------------------


def test_an_error_remembers_no_frames_and_survives_pickling(server, bearer):
    server.on("/v1/x", raw=lambda handler: handler.wfile.write(b"nonsense"))
    error = refusal("outbound_failed", connection="api", url="x?key=visible")
    frames = []
    trace = error.__traceback__
    while trace is not None:
        frames.append(trace.tb_frame.f_code.co_filename)
        trace = trace.tb_next
    assert not any("exchange" in name or "httpcore" in name for name in frames)
    assert error.__cause__ is None
    assert error.__context__ is None
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.code, copy.message) == (error.code, error.message)


def test_messages_name_no_query_and_no_password(settings):
    settings.STEPLINE_OUTBOUND_HOSTS = ()
    for url in ("https://evil.example/a?key=hunter2", "https://ann:hunter2@evil.example/a?key=hunter2"):
        assert "hunter2" not in repr(refusal("outbound_refused", url=url).to_json())
