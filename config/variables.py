"""Typed reading of environment variables; every refusal is one line with the variable, the value and the cure."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from environ import Env

from config.problems import EnvironmentProblem

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})
_DATABASE_SCHEMES = ("sqlite", "postgres", "postgresql")


class Variables:
    """Read variables by kind; an unset variable and an empty one are the same."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def text(self, name: str, default: str) -> str:
        """Return the value without surrounding blanks."""
        return self._values.get(name, "").strip() or default

    def flag(self, name: str, default: bool) -> bool:
        """Return a yes or no; anything unclear is refused, since DEBUG=maybe must not pass for either."""
        value = self.text(name, "").lower()
        if not value:
            return default
        if value in _TRUE:
            return True
        if value in _FALSE:
            return False
        raise EnvironmentProblem(f"{name}={value!r} is neither yes nor no: write 1 or 0")

    def number(self, name: str, default: int, *, minimum: int) -> int:
        """Return a whole number of at least `minimum`."""
        value = self.text(name, "")
        if not value:
            return default
        try:
            number = int(value)
        except ValueError:
            raise EnvironmentProblem(f"{name}={value!r} isn't a whole number: write, for example, {default}") from None
        if number < minimum:
            raise EnvironmentProblem(f"{name}={number} is too small: write {minimum} or more")
        return number

    def words(self, name: str, default: tuple[str, ...]) -> tuple[str, ...]:
        """Return a comma-separated list."""
        value = self.text(name, "")
        if not value:
            return default
        return tuple(word for part in value.split(",") if (word := part.strip()))

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        """Return one of the upper-case choices."""
        value = self.text(name, default).upper()
        if value not in choices:
            raise EnvironmentProblem(f"{name}={value!r} is unknown: write one of {', '.join(choices)}")
        return value

    def path(self, name: str, default: Path) -> Path:
        """Return an absolute path; `~` is the home folder."""
        value = self.text(name, "")
        return Path(value).expanduser().absolute() if value else default

    def time_zone(self, name: str, default: str) -> str:
        """Return the name of a known time zone."""
        value = self.text(name, default)
        try:
            ZoneInfo(value)
        except (KeyError, OSError, ValueError):
            raise EnvironmentProblem(
                f"{name}={value!r} is not a known time zone: write one like UTC or Europe/Berlin"
            ) from None
        return value

    def url(self, name: str, schemes: tuple[str, ...]) -> str:
        """Return a URL whose scheme is allowed, or an empty text when there is none."""
        value = self.text(name, "")
        if not value:
            return ""
        try:
            parts = urlsplit(value)
            located = bool(parts.hostname or parts.path) and (parts.port is None or parts.port > 0)
        except ValueError:
            located = False
            parts = None
        if parts is None or not located or parts.scheme not in schemes:
            # The value may hold a password: name its scheme at most.
            allowed = ", ".join(f"{scheme}://" for scheme in schemes)
            raise EnvironmentProblem(f"{name} isn't a URL that can be used here: start it with one of {allowed}")
        return value

    def database(self, name: str, default_file: Path) -> Mapping[str, object]:
        """Return Django's settings of the database; without a URL, a SQLite file."""
        url = self.text(name, "")
        if not url:
            return {"ENGINE": "django.db.backends.sqlite3", "NAME": str(default_file)}
        scheme = url.partition(":")[0]
        if scheme not in _DATABASE_SCHEMES:
            raise EnvironmentProblem(
                f"{name} must be a PostgreSQL or SQLite URL: write postgres://user:password@host:5432/name"
                " or sqlite:////absolute/path.sqlite3"
            )
        try:
            config = Env.db_url_config(url)
        except ValueError as error:
            raise EnvironmentProblem(
                f"{name} can't be read: write postgres://user:password@host:5432/name, with special characters of the"
                " password percent-encoded"
            ) from error
        if not config.get("NAME"):
            raise EnvironmentProblem(f"{name} names no database: write postgres://user:password@host:5432/name")
        return {key: value for key, value in config.items() if value not in ("", None)}
