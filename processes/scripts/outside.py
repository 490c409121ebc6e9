"""Task scripts that reach other systems: HTTP requests and mail.

Both take a connection only where the running process binds it: a name alone, or a typed reference that came with the
data, opens nothing.
"""

import hashlib
import re
import uuid
from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, field_validator, model_validator

from processes.domain.application import Application
from processes.domain.bindings import REF, Binding
from processes.domain.json_values import JSON
from processes.domain.outside import Answer, Attachment, Mail, OutboundRequest
from processes.domain.scripts import Example
from processes.errors import PermanentError
from processes.registry import task_script
from processes.services.errors import OutboundStatusError
from processes.services.files import find_file, is_file_info
from processes.services.host import caller_of, credentials_of

#: The headers of an answer that go into the data.
KEPT_HEADERS: Final = ("content-type", "etag", "last-modified", "link", "location", "retry-after", "x-request-id")
#: Statuses after which another try may succeed (RFC 9110, RFC 6585).
_PASSING: Final = frozenset({408, 425, 429})
_SHOWN_CHARS: Final = 500
_SAFE_METHODS: Final = ("GET", "HEAD", "OPTIONS")


def _connection_name(value: object) -> object:
    if isinstance(value, Mapping) and value.get(REF) == "credential" and isinstance(value.get("name"), str):
        return value["name"]
    raise ValueError(
        'bind the connection ({"credential": NAME}) and write "${reference}" here: its name alone opens nothing'
    )


ConnectionName = Annotated[
    str,
    BeforeValidator(_connection_name),
    WithJsonSchema({"type": "string", "pattern": r"^\$\{[^{}]+\}$", "examples": ["${service}"]}),
]


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


Addresses = Annotated[list[str], BeforeValidator(_as_list)]


class HttpRequestConfig(BaseModel):
    """Configure `http_request`."""

    model_config = ConfigDict(extra="forbid")

    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] = Field(
        "GET", description="The method."
    )
    url: str = Field("", description="A web address; with a connection a path below the connection's address.")
    connection: ConnectionName | None = Field(
        None, description='A bound connection, as "${reference}": it knows the address, and proves who asks.'
    )
    headers: dict[str, str] = Field(default_factory=dict, description="Further headers, by name.")
    query: dict[str, JSON] = Field(
        default_factory=dict, description="Parameters added to the address; a list gives several, null none."
    )
    json_body: JSON = Field(None, alias="json", description="The body, sent as JSON.")
    form: dict[str, JSON] | None = Field(None, description="The body, sent as a form.")
    body: str | None = Field(None, description="The body, sent as text; name its type in the header Content-Type.")
    timeout_seconds: float = Field(30, gt=0, le=300, description="How long it may take, from beginning to end.")
    max_bytes: int = Field(5_000_000, gt=0, le=50_000_000, description="How large the answer may be, unpacked.")
    credentials: bool = Field(
        False, description="Show the service the caller's own credentials, which `store_credentials` has lent."
    )
    redirects: int = Field(0, ge=0, le=10, description="How many redirects to follow; each is checked anew.")
    expect: list[int | str] = Field(
        ["2xx"], description='Statuses that are right: numbers, classes like "4xx", or "*"; any other is an error.'
    )
    into: str = Field("response", min_length=1, description="The key in data for the answer.")

    @field_validator("method", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("expect")
    @classmethod
    def _statuses(cls, value: list[int | str]) -> list[int | str]:
        for item in value:
            right = 100 <= item <= 599 if isinstance(item, int) else item == "*" or re.fullmatch("[1-5]xx", item)
            if not right:
                raise ValueError('statuses are numbers from 100 to 599, classes like "2xx", or "*"')
        return value

    @model_validator(mode="after")
    def _one_body(self) -> "HttpRequestConfig":
        if sum(part is not None for part in (self.json_body, self.form, self.body)) > 1:
            raise ValueError("a request has one body: give only one of json, form and body")
        if not self.url and self.connection is None:
            raise ValueError('give a "url", or a "connection" that knows one')
        return self


class SendEmailConfig(BaseModel):
    """Configure `send_email`."""

    model_config = ConfigDict(extra="forbid")

    to: Addresses = Field(description="Whom it goes to: an address, or a list of them.")
    subject: str = Field(description="One line.")
    text: str = Field(description="What it says, as plain text.")
    html: str | None = Field(None, description="The same as HTML, for those who can show it.")
    cc: Addresses = Field(default_factory=list, description="Who gets a copy.")
    bcc: Addresses = Field(default_factory=list, description="Who gets a copy that the others don't see.")
    reply_to: Addresses = Field(default_factory=list, description="Where answers go.")
    sender: str | None = Field(None, alias="from", description="Whom it is from; the connection's or site's own else.")
    attachments: list[dict[str, JSON]] = Field(
        default_factory=list, description='Stored files, such as "%{data:upload}"; 15 MB together.'
    )
    connection: ConnectionName | None = Field(
        None, description='A bound connection to a mail server, as "${reference}"; the site\'s own server else.'
    )

    @field_validator("attachments")
    @classmethod
    def _file_infos(cls, value: list[dict[str, JSON]]) -> list[dict[str, JSON]]:
        if not all(is_file_info(item) for item in value):
            raise ValueError('attachments are stored files: write "%{data:key}", where the key holds one')
        return value


@task_script(
    "http_request",
    config=HttpRequestConfig,
    aliases=("httpRequest",),
    example=Example(
        definition=[
            {
                "name": "ask",
                "script": "http_request",
                "config": {
                    "connection": "${service}",
                    "url": "orders/%{data:number}",
                    "expect": [200, 404],
                    "into": "order",
                },
                "next": {"404": "unknown", "*": True},
            },
            {"name": "show", "script": "show_page", "config": {"text": "Found."}, "next": False},
            {"name": "unknown", "script": "show_page", "config": {"text": "There is no such order."}},
        ],
        bindings={"service": {"credential": "order-service"}},
        data={"number": "A-17"},
    ),
    errors={
        "outbound_refused": "The request may not leave: its host isn't allowed, its address leads out of the "
        "connection's, or a header can't be sent.",
        "outbound_status": "The status isn't one of those in `expect`; `fields` hold `status` and the beginning of "
        "`text`. 408, 425, 429 and those from 500 are tried again, where the action has a retry policy.",
        "outbound_timeout": "The answer wasn't complete in time.",
        "outbound_failed": "There was no answer: no such host, no connection, a bad certificate, no HTTP.",
        "outbound_too_large": "The answer has more than `max_bytes`.",
        "connection_not_bound": "The process that is running doesn't bind the connection.",
        "connection_missing": "The connection was deleted, or leads to a mail server.",
        "no_credentials": "`credentials` are asked for, and the caller hasn't lent any.",
        "authority": "The caller's credentials were removed or have expired.",
        "secret_unreadable": "The connection's secret was encrypted with a key that isn't there.",
    },
)
def http_request(app: Application) -> None:
    """Send an HTTP request, and put the answer into the data.

    The state is the status as text (`"200"`), so that `next` can tell them apart. The answer is
    `{"status", "headers", "json"}`, or with `"text"` instead where it isn't JSON; of its headers those are kept that
    say what it is and where it leads. Requests that may change something bear an `Idempotency-Key`, which is the same
    in every attempt at this step, so that a service that knows it does the work once.
    """
    config: HttpRequestConfig = app.config
    headers = dict(config.headers)
    if config.method not in _SAFE_METHODS and "idempotency-key" not in {name.lower() for name in headers}:
        headers["Idempotency-Key"] = _step_key(app)
    answer = app.outside.request(
        OutboundRequest(
            method=config.method,
            url=config.url,
            headers=headers,
            query=config.query,
            json=config.json_body,
            form=config.form,
            body=config.body,
            connection=_bound(app, config.connection),
            timeout_seconds=config.timeout_seconds,
            max_bytes=config.max_bytes,
            redirects=config.redirects,
            grant=credentials_of(app, scope="http") if config.credentials else None,
        )
    )
    if not _is_expected(answer.status, config.expect):
        raise _status_error(answer)
    kept = {name: value for name, value in answer.headers.items() if name in KEPT_HEADERS}
    content: dict[str, JSON] = {"text": answer.text} if answer.json is None else {"json": answer.json}
    app.data[config.into] = {"status": answer.status, "headers": kept, **content}
    app.state = str(answer.status)


@task_script(
    "send_email",
    config=SendEmailConfig,
    aliases=("sendEmail", "sendMail"),
    example=Example(
        definition=[
            {
                "name": "tell",
                "script": "send_email",
                "config": {
                    "connection": "${mail}",
                    "to": "%{data:address}",
                    "subject": "Your order %{data:number}",
                    "text": "It is on its way.",
                },
            }
        ],
        bindings={"mail": {"credential": "company-mail"}},
        data={"number": "A-17", "address": "ann@example.com"},
    ),
    errors={
        "mail_refused": "The mail can't be sent: an address isn't one, the subject has several lines, the attachments "
        "are too large, the mail server refuses for good, or the site has none.",
        "mail_failed": "The mail server can't be reached, or asks to try again later.",
        "file_not_found": "An attachment isn't there, or isn't this caller's.",
        "connection_not_bound": "The process that is running doesn't bind the connection.",
        "connection_missing": "The connection was deleted, or leads to a web service.",
        "secret_unreadable": "The connection's secret was encrypted with a key that isn't there.",
        "outbound_refused": "The connection's mail server has a private address, which isn't allowed.",
    },
)
def send_email(app: Application) -> str:
    """Send a mail, and return its Message-ID.

    The Message-ID is the same in every attempt at this step: should a worker die between sending and its checkpoint,
    the mail is sent again, and mail programs recognise it as the same one.
    """
    config: SendEmailConfig = app.config
    for info in config.attachments:
        # Another's file, named by its id, must not leave by mail.
        find_file(info, caller=caller_of(app))
    message_id = _message_id(app, config.sender)
    app.outside.send(
        Mail(
            to=config.to,
            subject=config.subject,
            text=config.text,
            html=config.html,
            cc=config.cc,
            bcc=config.bcc,
            reply_to=config.reply_to,
            sender=config.sender,
            attachments=[Attachment(file=info) for info in config.attachments],
            connection=_bound(app, config.connection),
            message_id=message_id,
        )
    )
    return message_id


def _bound(app: Application, name: str | None) -> str | None:
    """Return the name of a connection that the running process binds; raises PermanentError for any other."""
    bindings = {} if app.process is None else app.process.bindings
    targets = [target for target in bindings.values() if isinstance(target, Binding)]
    if name is None or any(target.kind == "credential" and target.target == name for target in targets):
        return name
    raise PermanentError(
        f'This process doesn\'t bind the connection "{name}". Add a binding {{"credential": "{name}"}} and publish.',
        code="connection_not_bound",
    )


def _step_key(app: Application) -> str:
    # A run in the foreground is never repeated, and has no name that would make its steps unique.
    return app.idempotency_key if app.execution else str(uuid.uuid4())


def _message_id(app: Application, sender: str | None) -> str:
    unique = hashlib.sha256(_step_key(app).encode()).hexdigest()[:32]
    domain = (sender or "").rpartition("@")[2].strip("<> ")
    return f"<{unique}@{domain if re.fullmatch(r'[A-Za-z0-9.-]+', domain) else 'stepline.invalid'}>"


def _is_expected(status: int, expected: list[int | str]) -> bool:
    return any(item in (status, "*", f"{status // 100}xx") for item in expected)


def _status_error(answer: Answer) -> OutboundStatusError | PermanentError:
    message = f"The service answered with the status {answer.status}, which isn't expected."
    fields = {"status": answer.status, "text": answer.text[:_SHOWN_CHARS]}
    if answer.status >= 500 or answer.status in _PASSING:
        return OutboundStatusError(message, fields=fields)
    return PermanentError(message, code=OutboundStatusError.code, fields=fields)
