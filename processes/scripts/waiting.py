"""The task script that waits for a moment."""

from datetime import datetime, timedelta

from django.utils import timezone
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from processes.domain.application import Application
from processes.domain.directives import Park
from processes.domain.moments import after, check_cron, moment_in, next_by_cron, zone_of
from processes.domain.scripts import Example
from processes.errors import ConfigError
from processes.registry import task_script

__all__ = ["TIMER", "WaitConfig"]

#: Why a run waits that waits for a moment.
TIMER = "timer"


class WaitConfig(BaseModel):
    """Configure `wait`."""

    model_config = ConfigDict(extra="forbid")

    duration: timedelta | None = Field(
        None, description="For how long: seconds, or as ISO 8601 writes it: `PT90S`, `PT8H`, `P3D`, `P1W`."
    )
    until: datetime | None = Field(
        None, description="Until when, as ISO 8601 writes it: `2026-12-01T09:00:00+01:00`, `2026-12-01`."
    )
    cron: str | None = Field(
        None, description="Until the next time that a line of crontab is due: `0 9 * * 1-5` is nine on a weekday."
    )
    time_zone: str | None = Field(
        None, description="The zone in which `cron`, and an `until` without one, are read; by default the site's."
    )

    @field_validator("cron")
    @classmethod
    def _check_cron(cls, value: str | None) -> str | None:
        return None if value is None else check_cron(value)

    @field_validator("time_zone")
    @classmethod
    def _check_zone(cls, value: str | None) -> str | None:
        return None if value is None else zone_of(value).key

    @model_validator(mode="after")
    def _check_one(self) -> "WaitConfig":
        given = [name for name in ("duration", "until", "cron") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("Say how long: one of `duration`, `until` and `cron`")
        return self

    def due(self, *, now: datetime) -> datetime:
        """Return the moment that is waited for; raises ValueError where there is none."""
        zone = zone_of(self.time_zone or timezone.get_default_timezone_name())
        if self.duration is not None:
            return after(self.duration, now=now)
        if self.until is not None:
            return moment_in(self.until, zone=zone)
        return next_by_cron(self.cron or "", now=now, zone=zone)


@task_script(
    "wait",
    config=WaitConfig,
    effect="pure",
    durable=True,
    example=Example(
        definition=[
            {"name": "send_offer", "script": "noop"},
            {"name": "think_it_over", "script": "wait", "config": {"duration": "P3D"}},
            {"name": "remind", "script": "noop"},
        ],
    ),
    errors={"config": "a time span is negative, or longer than a century"},
)
def wait(app: Application) -> Park | None:
    """Wait for a moment; a run that waits takes no worker and no memory, and goes on within two seconds of its time.

    What is past already isn't waited for. In the foreground the run goes on in the background from here.
    """
    config: WaitConfig = app.config
    now = app.now()
    try:
        due = config.due(now=now)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return Park(reason=TIMER, until=due) if due > now else None
