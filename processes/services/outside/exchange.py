"""Carry one HTTP request to where it may go, and its answer back.

Nothing of what is raised or returned here has a secret in it: not in a message, not in the frames that an error
remembers (an error page under DEBUG shows their variables), not in an answer that repeats it.
"""

import logging
from collections.abc import Mapping

import httpcore
import httpx
from django.conf import settings

from processes.domain.connections import FORBIDDEN_HEADERS, HEADER_NAME
from processes.domain.hosts import Reach
from processes.domain.json_values import JSON
from processes.domain.outside import Answer, OutboundRequest
from processes.errors import ProcessError
from processes.services.connections import find_http
from processes.services.errors import OutboundError, OutboundRefusedError, OutboundTimeoutError
from processes.services.grants import token_for
from processes.services.outside.addresses import is_below, parse_url, port_of, shown, target_url
from processes.services.outside.bodies import ACCEPTED, body_of, decode_text, form_pairs, read_bounded, read_json
from processes.services.outside.network import Deadline, GuardedBackend, ssl_context
from processes.services.outside.proof import Proof, bearer, proof_of
from processes.services.secrets import MASK, mask

__all__ = ["exchange", "reach_of_settings"]

_HEADERS_OF_ANSWER = "receive_response_headers.complete"

# At DEBUG httpcore logs the headers of each answer, and some services repeat there what they were sent.
logging.getLogger("httpcore.http11").addFilter(lambda line: not line.getMessage().startswith(_HEADERS_OF_ANSWER))

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
#: What a script's own headers may prove is for the host that it named, not for another that a redirect names.
_PERSONAL = frozenset({"authorization", "cookie"})


def exchange(request: OutboundRequest) -> Answer | ProcessError:
    """Send a request, and return its answer, or why there is none: an error without a traceback."""
    try:
        return _Exchange(request).go()
    except ProcessError as error:
        found: ProcessError = error
    except httpcore.TimeoutException:
        found = OutboundTimeoutError(f"There was no complete answer within {request.timeout_seconds:g} seconds.")
    except httpcore.ConnectError as error:
        # Of a connection that is there, what failed is TLS.
        found = OutboundError(f"The connection can't be secured: {error}.")
    except (httpcore.NetworkError, httpcore.RemoteProtocolError):
        found = OutboundError("The other side ended the connection, or what it said isn't HTTP.")
    except Exception as error:  # noqa: BLE001 - whatever it is, its text and frames might hold a secret
        found = OutboundError(f"The request failed ({type(error).__name__}).")
    found.__traceback__ = found.__cause__ = found.__context__ = None
    return found


def reach_of_settings() -> Reach:
    """Return how far requests may go."""
    return Reach.of(
        getattr(settings, "STEPLINE_OUTBOUND_HOSTS", ()), getattr(settings, "STEPLINE_OUTBOUND_PRIVATE", ())
    )


class _Exchange:
    """Hold what the hops of one request share."""

    def __init__(self, request: OutboundRequest) -> None:
        self.request = request
        self.method = request.method.upper()
        if self.method not in _METHODS:
            raise OutboundRefusedError(f"The method of a request is one of {', '.join(_METHODS)}.")
        self.deadline = Deadline(request.timeout_seconds)
        self.reach = reach_of_settings()
        self.callers = Reach.of(getattr(settings, "STEPLINE_CALLER_HOSTS", ()), ())
        self.link = None
        self.proof: Proof | None = None
        if request.connection is not None:
            self.link, secret = find_http(request.connection)
            self.proof = proof_of(self.link, secret)
        self.headers = _checked_headers(request.headers)
        self.body, self.content_type = body_of(request)
        self.forms: tuple[str, ...] = () if self.proof is None else self.proof.forms
        self.grant_sent = False

    def go(self) -> Answer:
        url = target_url(self.request.url, self.link)
        if self.request.query:
            url = url.copy_merge_params(httpx.QueryParams(tuple(form_pairs(self.request.query))))
        first, left = url, self.request.redirects
        while True:
            status, headers, body = self._send(url, first)
            location = headers.get("location", "")
            if status not in _REDIRECTS or not location or not left:
                return self._answer(status, headers, body)
            left -= 1
            url = parse_url(str(url.join(location)))
            if status == 303 or (status in (301, 302) and self.method == "POST"):
                self.method, self.body, self.content_type = "GET", None, None

    def _send(self, url: httpx.URL, first: httpx.URL) -> tuple[int, dict[str, str], bytes]:
        proofs = self._proofs(url)
        same_place = (url.scheme, url.host, port_of(url)) == (first.scheme, first.host, port_of(first))
        own = {name: value for name, value in self.headers.items() if same_place or name.lower() not in _PERSONAL}
        fields = {"Host": url.netloc.decode("ascii"), "User-Agent": "Stepline", "Accept": "*/*"}
        if self.content_type is not None:
            fields["Content-Type"] = self.content_type
        # What is set twice under differently written names would be sent twice.
        merged = httpx.Headers(fields)
        for name, value in own.items():
            merged[name] = value
        for proof in proofs:
            merged[proof.name] = proof.value
        merged["Accept-Encoding"] = ACCEPTED
        backend = GuardedBackend(reach=self.reach, deadline=self.deadline)
        target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        with (
            httpcore.ConnectionPool(ssl_context=ssl_context(), network_backend=backend, max_connections=1) as pool,
            pool.stream(self.method, target, headers=merged.raw, content=self._content()) as response,
        ):
            headers = _read_headers(response.headers)
            body = b""
            if self.method != "HEAD" and response.status not in (204, 304):
                body = read_bounded(
                    response.iter_stream(),
                    encoding=headers.get("content-encoding", ""),
                    max_bytes=self.request.max_bytes,
                )
        return response.status, headers, body

    def _content(self) -> bytes | None:
        return b"" if self.body is None and self.method in ("POST", "PUT", "PATCH") else self.body

    def _proofs(self, url: httpx.URL) -> list[Proof]:
        """Return what this hop may prove, if it may be made at all; each is for one place only."""
        linked = self.link is not None and is_below(url, self.link)
        lent = self.request.grant is not None and self.callers.lists(url.host, port_of(url))
        if not (linked or lent or self.reach.lists(url.host, port_of(url))):
            raise OutboundRefusedError(
                f"{shown(url)} isn't asked: the host isn't among those that this site sends requests to. Bind a "
                "connection to it; or those who run this site add it to STEPLINE_OUTBOUND_HOSTS.",
                fields={"host": url.host},
            )
        proofs = [self.proof] if linked and self.proof is not None else []
        if self.request.grant is not None:
            if lent:
                proofs.append(self._lent(self.request.grant, url, proofs))
            elif not self.grant_sent:
                raise OutboundRefusedError(
                    f"{shown(url)} isn't shown the caller's credentials: the host isn't among STEPLINE_CALLER_HOSTS.",
                    fields={"host": url.host},
                )
        return proofs

    def _lent(self, grant: str, url: httpx.URL, proofs: list[Proof]) -> Proof:
        if any(proof.name.lower() == "authorization" for proof in proofs):
            raise OutboundRefusedError(
                "A request proves one thing: give either a connection with a secret, or the caller's credentials."
            )
        if url.scheme != "https" and not self.reach.trusts(url.host):
            raise OutboundRefusedError(f"{shown(url)} isn't shown the caller's credentials: they travel by https only.")
        token = bearer(token_for(grant, audience=f"{url.scheme}://{url.netloc.decode('ascii')}"))
        self.forms += token.forms
        self.grant_sent = True
        return token

    def _answer(self, status: int, headers: Mapping[str, str], body: bytes) -> Answer:
        kind = headers.get("content-type", "")
        text = decode_text(body, kind)
        value = read_json(text, kind)
        if self.forms:
            # A service that repeats what it was sent must not bring the secret into the data.
            headers = {name: mask(held, self.forms) for name, held in headers.items()}
            text, value = mask(text, self.forms), _masked(value, self.forms)
        return Answer(status=status, headers=headers, text=text, json=value)


def _checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not HEADER_NAME.fullmatch(name):
            raise OutboundRefusedError(f"{name!r} isn't the name of a header.")
        if name.lower() in FORBIDDEN_HEADERS:
            raise OutboundRefusedError(f"The header {name} can't be given: it is set for every request.")
        if not value.isascii() or not value.replace("\t", " ").isprintable():
            raise OutboundRefusedError(f"The value of the header {name} isn't one line of ASCII characters.")
    return dict(headers)


def _read_headers(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return headers by lower-case name; those that came several times are joined, as RFC 9110 says."""
    result: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("ascii", "replace").lower(), decode_text(value, "")
        result[key] = f"{result[key]}, {text}" if key in result else text
    return result


def _masked(value: JSON, forms: tuple[str, ...]) -> JSON:
    if isinstance(value, str):
        return mask(value, forms)
    if isinstance(value, list):
        return [_masked(item, forms) for item in value]
    if isinstance(value, dict):
        return {mask(key, forms): _masked(item, forms) for key, item in value.items()}
    if isinstance(value, int | float):
        # A secret of digits may come back as a number.
        text = str(value)
        return value if mask(text, forms) == text else MASK
    return value
