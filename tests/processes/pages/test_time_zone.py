"""Times are shown in the zone that the visitor's browser has told, and nonsense in its cookie changes nothing."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from asgiref.sync import async_to_sync, iscoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.template import Context, Template
from django.test import RequestFactory
from django.utils import timezone

from processes.pages.time_zone import COOKIE, user_time_zone, zone_of

SUMMER = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
WINTER = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)


def request_with(value: str | None) -> HttpRequest:
    request = RequestFactory().get("/")
    if value is not None:
        request.COOKIES[COOKIE] = value
    return request


def show(_: HttpRequest) -> HttpResponse:
    times = Context({"summer": SUMMER, "winter": WINTER})
    return HttpResponse(Template('{{ summer|date:"H:i" }} {{ winter|date:"H:i" }}').render(times))


async def show_async(request: HttpRequest) -> HttpResponse:
    return show(request)


def shown(value: str | None) -> str:
    return user_time_zone(show)(request_with(value)).content.decode()  # type: ignore[union-attr]


def shown_async(value: str | None) -> str:
    respond = user_time_zone(show_async)
    assert iscoroutinefunction(respond)
    return async_to_sync(respond)(request_with(value)).content.decode()  # type: ignore[arg-type]


@pytest.mark.parametrize("seen", [shown, shown_async])
@pytest.mark.parametrize(
    ("zone", "times"),
    [
        ("Europe/Berlin", "14:00 13:00"),  # two hours ahead in summer, one in winter
        ("America/New_York", "08:00 07:00"),
        ("Asia/Kolkata", "17:30 17:30"),  # half an hour, and no summer time
        ("Pacific/Chatham", "00:45 01:45"),  # the southern summer
        ("Etc/GMT+5", "07:00 07:00"),
        ("UTC", "12:00 12:00"),
    ],
)
def test_times_are_shown_in_the_visitors_zone_in_summer_and_winter(seen, zone: str, times: str) -> None:
    assert seen(zone) == times


NONSENSE = [
    "",
    "Nowhere/City",
    "europe",
    "\0",
    "Europe/Berlin\0",
    "../../etc/passwd",
    "/etc/passwd",
    "/usr/share/zoneinfo/Europe/Berlin",
    "Europe/../Europe/Berlin",
    "..",
    ".",
    "Europe",
    "Europe/",
    "tzdata.zi",
    "leapseconds",
    "C:\\Windows",
    "Európa/Berlin",
    "\ud800",
    "<script>",
    "%2e%2e/",
    "A" * 65,
    "A" * 100_000,
    " Europe/Berlin",
]


@pytest.mark.parametrize("seen", [shown, shown_async])
@pytest.mark.parametrize("value", [None, *NONSENSE], ids=lambda value: repr(value)[:30])
def test_whatever_else_the_cookie_holds_the_settings_zone_counts(seen, value: str | None, settings) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"
    timezone.get_default_timezone.cache_clear()
    try:
        assert seen(value) == "21:00 21:00"
    finally:
        settings.TIME_ZONE = "UTC"
        timezone.get_default_timezone.cache_clear()


@pytest.mark.parametrize("value", NONSENSE, ids=lambda value: repr(value)[:30])
def test_nonsense_names_no_zone(value: str) -> None:
    assert zone_of(request_with(value)) is None


def test_the_hour_that_comes_twice_is_told_apart_by_its_offset() -> None:
    zone = zone_of(request_with("Europe/Berlin"))
    assert zone == ZoneInfo("Europe/Berlin")
    first, second = (datetime(2026, 10, 25, hour, 30, tzinfo=UTC).astimezone(zone) for hour in (0, 1))
    assert (first.strftime("%H:%M"), second.strftime("%H:%M")) == ("02:30", "02:30")
    assert first.isoformat().endswith("+02:00")
    assert second.isoformat().endswith("+01:00")


@pytest.mark.parametrize("middleware", [shown, shown_async])
def test_the_next_visitors_zone_is_not_that_of_the_last(middleware) -> None:
    before = timezone.get_current_timezone()
    middleware("Asia/Kolkata")
    assert timezone.get_current_timezone() == before


def test_a_zone_is_given_up_where_the_page_fails() -> None:
    def fail(_: HttpRequest) -> HttpResponse:
        raise RuntimeError("broken")

    before = timezone.get_current_timezone()
    with pytest.raises(RuntimeError, match="broken"):
        user_time_zone(fail)(request_with("Asia/Kolkata"))
    assert timezone.get_current_timezone() == before
