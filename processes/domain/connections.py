"""Describe connections to other systems: what is stored of them in the clear, and what their secrets may hold."""

import re
from collections.abc import Mapping
from email.utils import parseaddr
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from processes.domain.config_check import in_words
from processes.domain.hosts import parse_address
from processes.domain.json_values import JSON, pointer
from processes.errors import DefinitionError, Problem

__all__ = [
    "FORBIDDEN_HEADERS",
    "HEADER_NAME",
    "HttpSettings",
    "Settings",
    "SmtpSettings",
    "parse_settings",
    "secret_problem",
    "target_of",
]

#: A field name of RFC 9110, 5.1.
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
#: They say where a message goes and where it ends: what sends it sets them.
FORBIDDEN_HEADERS = frozenset(
    {
        "accept-encoding", "connection", "content-length", "expect", "host", "keep-alive", "proxy-authorization",
        "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
    }
)  # fmt: skip

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,250}[A-Za-z0-9])?", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class HttpSettings(_Settings):
    """Say where a web service is, and how a request proves who asks."""

    base_url: str = Field(max_length=1000, description="Every request goes to this address or below it.")
    scheme: Literal["none", "bearer", "basic", "header"] = Field(
        "none", description="How the secret is sent: not at all, as a bearer token, as a password, in a header."
    )
    username: str = Field("", max_length=200, description="For basic: whose password the secret is.")
    header: str = Field("", max_length=100, description="For header: the header's name, such as X-Api-Key.")

    @field_validator("base_url")
    @classmethod
    def _web_address(cls, value: str) -> str:
        value = value.strip()
        try:
            parts = urlsplit(value)
            host, _ = parts.hostname, parts.port
        except ValueError:
            raise ValueError("this isn't a web address: write it like https://api.example.com/v1") from None
        if parts.scheme not in ("http", "https") or not host or not value.isascii() or not value.isprintable():
            raise ValueError("this isn't a web address: write it like https://api.example.com/v1")
        if parts.username is not None or parts.password is not None:
            raise ValueError("leave user and password out of the address, and enter them below")
        if parts.query or parts.fragment or value.endswith(("?", "#")):
            raise ValueError("leave out what begins with ? or #: requests add it")
        if any(part in (".", "..") for part in re.split(r"[/\\]", parts.path.replace("%2e", ".").replace("%2E", "."))):
            raise ValueError("leave . and .. out of the path")
        return value

    @model_validator(mode="after")
    def _complete(self) -> "HttpSettings":
        if self.scheme == "basic" and (not self.username or ":" in self.username or _CONTROL.search(self.username)):
            raise ValueError('"basic" needs a username without a colon')
        if self.scheme == "header":
            if not HEADER_NAME.fullmatch(self.header):
                raise ValueError('"header" needs the name of a header, such as X-Api-Key')
            if self.header.lower() in FORBIDDEN_HEADERS:
                raise ValueError(f"the header {self.header} can't bear a secret")
        return self


class SmtpSettings(_Settings):
    """Say where a mail server is, and whose mail it takes."""

    host: str = Field(description="The mail server.")
    port: int = Field(587, ge=1, le=65535, description="587 for STARTTLS, 465 for TLS, 25 for neither.")
    security: Literal["none", "starttls", "tls"] = Field(
        "starttls", description="Encrypted from the start (tls), once connected (starttls), or not at all."
    )
    username: str = Field("", max_length=200, description="Whose password the secret is; empty to send without.")
    from_address: str = Field(max_length=200, description="Whom mail is from, unless it says.")

    @field_validator("host")
    @classmethod
    def _host_name(cls, value: str) -> str:
        if parse_address(value) is None and not _HOST.fullmatch(value):
            raise ValueError("this isn't a host: write it like mail.example.com")
        return value

    @field_validator("from_address")
    @classmethod
    def _sender(cls, value: str) -> str:
        if "@" not in parseaddr(value)[1] or _CONTROL.search(value):
            raise ValueError("this isn't a mail address: write it like Stepline <stepline@example.com>")
        return value

    @field_validator("username")
    @classmethod
    def _user_name(cls, value: str) -> str:
        if _CONTROL.search(value):
            raise ValueError("this has a control character in it")
        return value


Settings: TypeAlias = HttpSettings | SmtpSettings

_MODELS: Mapping[str, type[Settings]] = {"http": HttpSettings, "smtp": SmtpSettings}


def parse_settings(kind: str, value: JSON) -> Settings:
    """Read the settings of a connection; raises DefinitionError with every problem, at `/settings/…`."""
    try:
        return _MODELS[kind].model_validate(value)
    except KeyError:
        raise DefinitionError([Problem("/kind", f"Must be one of {', '.join(_MODELS)}", kind)]) from None
    except ValidationError as error:
        problems = [
            Problem(pointer("settings", *detail["loc"]), in_words(detail))
            for detail in error.errors(include_url=False, include_input=False)
        ]
    raise DefinitionError(problems)


def secret_problem(settings: Settings, secret: str) -> str | None:
    """Return what is wrong with a secret, without telling it; None where nothing is."""
    if isinstance(settings, HttpSettings) and settings.scheme in ("bearer", "header"):
        # What goes into a header in one piece.
        if not secret.isascii() or _CONTROL.search(secret) or secret != secret.strip():
            return "A secret that is sent in a header is one line of ASCII characters, without blanks around it."
    elif _CONTROL.search(secret):
        return "A password has no line breaks or other control characters."
    return None


def target_of(settings: Settings) -> str:
    """Return whom the secret is given to: whoever changes that must know the secret."""
    if isinstance(settings, SmtpSettings):
        return f"{settings.host.lower()}:{settings.port} ({settings.security})"
    parts = urlsplit(settings.base_url)
    return f"{parts.scheme}://{parts.netloc.lower()}"
