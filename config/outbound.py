"""Where processes may send requests and mail."""

from collections.abc import Callable, Mapping
from email.utils import parseaddr

from environ import Env

from config.problems import EnvironmentProblem
from config.variables import Variables
from processes.domain.hosts import parse_host, parse_private

# Not "smtps": it would be taken for plain SMTP, and the password sent in the clear.
_MAIL_SCHEMES = ("smtp", "smtp+tls", "smtp+ssl", "consolemail")


def read_hosts(read: Variables, name: str) -> tuple[str, ...]:
    """Return a list of host patterns, each checked."""
    return _checked(read, name, parse_host)


def read_private(read: Variables, name: str) -> tuple[str, ...]:
    """Return a list of hosts and networks that may be private, each checked."""
    return _checked(read, name, parse_private)


def read_mail(read: Variables, name: str) -> Mapping[str, object]:
    """Return Django's settings of a mail server from its URL; none without one."""
    url = read.text(name, "")
    if not url:
        return {}
    example = "write smtp+tls://user:password@mail.example.com:587"
    if url.partition(":")[0] not in _MAIL_SCHEMES:
        raise EnvironmentProblem(f"{name} isn't the URL of a mail server: {example}")
    try:
        config = Env.email_url_config(url)
    except ValueError as error:
        raise EnvironmentProblem(
            f"{name} can't be read: {example}, with special characters of the password percent-encoded"
        ) from error
    settings = {key: value for key, value in config.items() if key.startswith("EMAIL_") and value is not None}
    if "smtp" in url.partition(":")[0] and not settings.get("EMAIL_HOST"):
        raise EnvironmentProblem(f"{name} names no host: {example}")
    return settings


def read_sender(read: Variables, name: str) -> str:
    """Return whom mail is from, where nothing else is said."""
    sender = read.text(name, "webmaster@localhost")
    if "@" not in parseaddr(sender)[1] or "\n" in sender:
        raise EnvironmentProblem(f"{name}={sender!r} isn't a mail address: write Stepline <stepline@example.com>")
    return sender


def _checked(read: Variables, name: str, parse: Callable[[str], object]) -> tuple[str, ...]:
    words = read.words(name, ())
    for word in words:
        try:
            parse(word)
        except ValueError as error:
            raise EnvironmentProblem(f"{name}: {error}") from None
    return words
