"""Real servers on this machine's loopback, to be asked by what is tested: HTTP and SMTP. Each notes what it got."""

import base64
import datetime
import ipaddress
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


@dataclass
class Received:
    """Hold one request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Reply:
    """Hold what the server answers; `raw` replaces everything, status line and all."""

    status: int = 200
    body: bytes | list[bytes] = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    raw: Callable[[Any], None] | None = None


class WebServer:
    """Answer by path; where nothing is set, with an empty JSON object."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.replies: dict[str, Reply | Callable[[Received], Reply]] = {}
        self.port = 0
        #: Set when the test is over: what still dawdles may stop.
        self.over = threading.Event()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def on(self, path: str, reply: "Reply | Callable[[Received], Reply] | None" = None, **fields: Any) -> None:
        self.replies[path] = reply if reply is not None else Reply(**fields)

    def reply_to(self, received: Received) -> Reply:
        reply = self.replies.get(received.path.partition("?")[0], Reply(headers={"Content-Type": "application/json"}))
        return reply(received) if callable(reply) else reply


@contextmanager
def web_server(*, certificate: Path | None = None) -> Iterator[WebServer]:
    known = WebServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do(self) -> None:
            size = int(self.headers.get("Content-Length", 0))
            received = Received(self.command, self.path, dict(self.headers.items()), self.rfile.read(size))
            known.received.append(received)
            reply = known.reply_to(received)
            self.close_connection = True
            if reply.raw is not None:
                reply.raw(self)
                return
            self.send_response(reply.status)
            parts = reply.body if isinstance(reply.body, list) else [reply.body]
            for name, value in {"Content-Length": str(sum(map(len, parts))), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                for part in parts:
                    self.wfile.write(part)

        def log_message(self, *args: object) -> None:
            pass

    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"):
        setattr(Handler, f"do_{method}", Handler.do)

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            # Somebody who hangs up early is part of some tests.
            pass

    server = Server(("127.0.0.1", 0), Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    known.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield known
    finally:
        known.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Letter:
    """Hold one mail as it arrived."""

    sender: str
    recipients: list[str]
    content: str


class MailServer:
    """Take mail (RFC 5321), and note who signed in (RFC 4954)."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []
        self.signed_in: list[tuple[str, str]] = []
        #: Replies by verb instead of the usual ones: {"AUTH": "535 no"}.
        self.replies: dict[str, str] = {}
        self.port = 0


@contextmanager
def mail_server() -> Iterator[MailServer]:
    known = MailServer()

    class Handler(socketserver.StreamRequestHandler):
        def say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

        def hear(self) -> str:
            return self.rfile.readline().decode("utf-8", "replace").rstrip("\r\n")

        def handle(self) -> None:
            self.say("220 test")
            sender, recipients = "", list[str]()
            while line := self.hear():
                verb = line.split(" ")[0].split(":")[0].upper()
                if verb == "EHLO":
                    self.wfile.write(b"250-test\r\n250 AUTH PLAIN LOGIN\r\n")
                elif verb in known.replies and verb != "DATA":
                    if verb == "AUTH":
                        known.signed_in.append(("?", line))
                    self.say(known.replies[verb])
                elif verb == "AUTH":
                    self.sign_in(line)
                elif verb == "MAIL":
                    sender = line
                    self.say("250 ok")
                elif verb == "RCPT":
                    recipients.append(line)
                    self.say("250 ok")
                elif verb == "DATA":
                    self.say("354 go on")
                    content: list[str] = []
                    while (part := self.hear()) != ".":
                        content.append(part)
                    if "DATA" not in known.replies:
                        known.letters.append(Letter(sender, recipients, "\n".join(content)))
                    self.say(known.replies.get("DATA", "250 taken"))
                elif verb == "QUIT":
                    self.say("221 bye")
                    return
                else:
                    self.say("250 ok")

        def sign_in(self, line: str) -> None:
            _, _, rest = line.partition(" ")
            kind, _, given = rest.partition(" ")
            if kind == "PLAIN":
                _, user, password = base64.b64decode(given).decode().split("\0")
            else:
                user = base64.b64decode(given).decode()
                self.say("334 UGFzc3dvcmQ6")
                password = base64.b64decode(self.hear()).decode()
            known.signed_in.append((user, password))
            self.say("235 welcome")

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            # Somebody who hangs up, or speaks TLS, is part of some tests.
            pass

    server = Server(("127.0.0.1", 0), Handler)
    known.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield known
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def write_certificate(path: Path, *, host: str) -> Path:
    """Write a self-signed certificate for a host, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    try:
        alternative: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        alternative = x509.DNSName(host)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + private)
    return path
