"""A team makes the pages its own: by a name, a theme, templates. What docs/theming.md shows is what is carried out."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.contrib.staticfiles import finders
from django.template.loader import get_template, render_to_string
from django.test import Client, RequestFactory
from django.test.utils import override_settings

from processes.services.site import DEFAULT_NAME, check_site, this_site
from tests.processes.services.published import form, publish_process

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs" / "theming.md").read_text()
SHEETS = ("stepline.css", "forms.css", "progress.css", "home.css")
_FILE = re.compile(r"^```\w+ file=(\S+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_BLOCK = re.compile(r"\{% block (\w+) %\}")


def stylesheet(name: str) -> str:
    return (ROOT / "static" / "processes" / name).read_text()


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Path]:
    """Make the project that the guide shows, in whose surroundings the pages then are."""
    for path, content in _FILE.findall(GUIDE):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    [templates] = django_settings.TEMPLATES
    changed = {
        "STEPLINE_SITE_NAME": "Acme",
        "STEPLINE_THEME": "acme/theme.css",
        "TEMPLATES": [{**templates, "DIRS": [tmp_path / "templates", *templates["DIRS"]]}],
        "STATICFILES_DIRS": [tmp_path / "static", *django_settings.STATICFILES_DIRS],
    }
    with override_settings(**changed):
        finders.get_finder.cache_clear()
        yield tmp_path
    finders.get_finder.cache_clear()


@pytest.mark.django_db
def test_the_guides_example_names_themes_and_extends_every_page(team: Path, client: Client) -> None:
    for path in ("/", "/accounts/login/", "/p/nothing/", "/work/running/"):
        text = client.get(path).content.decode()
        assert " · Acme</title>" in text
        assert "<span>Acme</span>" in text
        assert '<a href="/help/">Help</a>' in text
        assert "Acme Ltd., 1 Long Road" in text
        assert "Times are shown in UTC." in text
        # The theme comes last, so that it wins.
        assert text.index('href="/static/acme/theme.css"') > text.rindex('href="/static/processes/')
    assert check_site(None) == []


def test_the_guides_theme_sets_properties_that_there_are(team: Path) -> None:
    theme = (team / "static" / "acme" / "theme.css").read_text()
    known = set(re.findall(r"^  (--[\w-]+):", stylesheet("stepline.css"), re.MULTILINE))
    assert set(re.findall(r"^  (--[\w-]+):", theme, re.MULTILINE)) <= known
    told = {
        name for row in re.findall(r"^\| (`--.*?) \|", GUIDE, re.MULTILINE) for name in re.findall(r"--[\w-]+", row)
    }
    told |= {f"{name}-soft" for name in ("--good", "--warn", "--bad")}
    assert told == known


def test_the_guide_names_the_blocks_that_there_are() -> None:
    frame = (ROOT / "templates" / "processes" / "base.html").read_text()
    rows = GUIDE.partition("| block | holds |")[2].partition("\n\n")[0]
    told = {name for row in rows.splitlines() for name in re.findall(r"`(\w+)`", row.partition(" | ")[0])}
    assert told == set(_BLOCK.findall(frame))


def test_the_guide_names_templates_that_there_are() -> None:
    rows = GUIDE.partition("| template | page |")[2].partition("\n\n")[0]
    names = [name for row in rows.splitlines() for name in re.findall(r"`([\w/*]+\.html)`", row)]
    assert len(names) >= 8
    for name in names:
        assert list((ROOT / "templates").glob(name)), name


@pytest.mark.parametrize("sheet", SHEETS)
def test_styles_draw_from_properties_that_are_set(sheet: str) -> None:
    text = stylesheet(sheet)
    known = set(re.findall(r"(--[\w-]+):", stylesheet("stepline.css") + text))
    assert set(re.findall(r"var\((--[\w-]+)", text)) <= known


@pytest.mark.parametrize("sheet", SHEETS)
def test_colours_are_set_in_one_place_only(sheet: str) -> None:
    rules = stylesheet(sheet).partition("/* --- ground")[2] if sheet == "stepline.css" else stylesheet(sheet)
    assert re.findall(r"#[0-9a-fA-F]{3,8}\b|\brgba?\(", rules) == []


# --- settings ---------------------------------------------------------------------------------------------------------


def test_without_settings_it_is_stepline(settings) -> None:
    del settings.STEPLINE_SITE_NAME
    del settings.STEPLINE_THEME
    site = this_site()
    assert (site.name, site.themes) == (DEFAULT_NAME, ())
    assert check_site(None) == []


def test_several_themes_are_linked_in_their_order(settings) -> None:
    settings.STEPLINE_THEME = ["processes/forms.css", "processes/home.css"]
    text = render_to_string("processes/base.html")
    assert text.index("processes/forms.css") < text.index("processes/home.css")


@pytest.mark.parametrize(
    ("theme", "ids"),
    [
        ("processes/home.css", []),
        ("nowhere/theme.css", ["stepline.W010"]),
        ("/static/processes/home.css", ["stepline.W010"]),
        ("https://elsewhere.example/theme.css", ["stepline.W010"]),
        ("../settings.py", ["stepline.W010"]),
        (["processes/home.css", "nowhere.css"], ["stepline.W010"]),
        ([""], ["stepline.E010"]),
        ([7], ["stepline.E010"]),
        (7, ["stepline.E010"]),
    ],
)
def test_a_theme_that_is_not_there_is_told_when_the_server_starts(settings, theme: object, ids: list[str]) -> None:
    settings.STEPLINE_THEME = theme
    assert [message.id for message in check_site(None)] == ids


def test_a_name_is_escaped(settings) -> None:
    settings.STEPLINE_SITE_NAME = "<Acme & Co>"
    assert "&lt;Acme &amp; Co&gt;" in render_to_string("processes/base.html")


# --- the frame needs nothing but Django -------------------------------------------------------------------------------


def test_the_frame_renders_without_context_processors_and_without_optional_addresses() -> None:
    bare = [
        {"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": [ROOT / "templates"], "APP_DIRS": True}
    ]
    with override_settings(TEMPLATES=bare, ROOT_URLCONF="tests.processes.pages.bare_urls"):
        request = RequestFactory().get("/")
        text = get_template("processes/base.html").render({}, request)
    assert "Stepline" in text
    assert "Sign in" not in text
    assert 'name="language"' not in text


def test_the_page_for_a_broken_server_needs_no_database_and_speaks_the_readers_language(client: Client) -> None:
    text = render_to_string("processes/server_error.html")
    assert '<html lang="en">' in text
    assert "processes/stepline.css" in text


# --- languages --------------------------------------------------------------------------------------------------------


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def tags(text: str) -> list[tuple[str, dict[str, str | None]]]:
    reader = _Tags()
    reader.feed(text)
    return reader.found


@pytest.mark.django_db
def test_the_language_is_chosen_in_the_footer_and_stays() -> None:
    client = Client(enforce_csrf_checks=True)
    text = client.get("/?q=room").content.decode()
    buttons = {tag["value"]: tag for name, tag in tags(text) if name == "button" and tag.get("name") == "language"}
    assert set(buttons) == {"en", "de"}
    assert "aria-current" in buttons["en"]
    assert buttons["de"]["lang"] == "de"
    hidden = {tag["name"]: tag["value"] for name, tag in tags(text) if tag.get("type") == "hidden"}
    answer = client.post("/i18n/setlang/", {**hidden, "language": "de"})
    assert answer.headers["Location"] == "/?q=room"
    for path in ("/", "/accounts/login/", "/nowhere/"):
        assert '<html lang="de">' in client.get(path).content.decode()


@pytest.mark.django_db
def test_one_language_needs_no_choice(settings, client: Client) -> None:
    settings.LANGUAGES = [("en", "English")]
    assert 'name="language"' not in client.get("/").content.decode()


@pytest.mark.django_db
def test_pages_turn_around_for_languages_that_run_from_right_to_left(settings, client: Client) -> None:
    settings.LANGUAGES = [("en", "English"), ("ar", "Arabic")]
    text = client.get("/", headers={"Accept-Language": "ar"}).content.decode()
    assert '<html lang="ar" dir="rtl">' in text


# --- the menu ---------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_menu_offers_what_its_reader_can_use(client: Client) -> None:
    text = client.get("/p/nothing/?a=1&b=2").content.decode()
    assert 'href="/accounts/login/?next=%2Fp%2Fnothing%2F%3Fa%3D1%26b%3D2"' in text
    assert "Admin" not in text
    client.force_login(User.objects.create_user("ada"))
    text = client.get("/").content.decode()
    assert "Sign out" in text
    assert "/admin/" not in text
    client.force_login(User.objects.create_user("staff", is_staff=True))
    assert '<a href="/admin/">Admin</a>' in client.get("/").content.decode()


@pytest.mark.django_db
def test_who_signs_out_is_told_so(client: Client) -> None:
    client.force_login(User.objects.create_user("ada"))
    response = client.post("/accounts/logout/")
    text = response.content.decode()
    assert response.status_code == 200
    assert "You have signed out" in text
    assert 'href="/accounts/login/"' in text
    assert "Sign out" not in text
    # Nothing leads back to where they signed out, which can't be asked for.
    assert "logout" not in text


@pytest.mark.django_db
def test_a_form_that_was_refused_can_be_opened_again_in_another_language_or_after_signing_in() -> None:
    publish_process("work", [form("ask", "ask", {"name": "a"})])
    text = Client(enforce_csrf_checks=True).post("/p/work/?b=1", {"a": "1"}).content.decode()
    assert 'name="next" value="/p/work/"' in text
    assert 'href="/accounts/login/?next=%2Fp%2Fwork%2F"' in text
