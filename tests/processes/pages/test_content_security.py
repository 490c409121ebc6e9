"""Every page that a link leads to bears the policy, and nothing in it that the policy would have to block."""

import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from urllib.parse import urldefrag, urljoin, urlsplit

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.http.response import HttpResponseBase
from django.test import Client

from config.csp import HEADER, policy
from processes.models import ProcessTemplate
from processes.services.instances import create_instance
from tasks.models import Node, TaskRoot
from tests.processes.services.published import form, page, publish_process

pytestmark = pytest.mark.django_db

#: Pages that differ only in what they are about: enough of each kind, and not all of them.
MOST_OF_A_KIND = 3
MOST_PAGES = 250
_NUMBERS = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d+|(?<=data=)[\w-]{22}")
#: Scripts in other words than JavaScript are data, which no browser runs.
_DATA = {"application/json", "text/template"}
#: What is run wherever it stands.
_DANGEROUS = re.compile(r"^\s*(javascript|vbscript|data:text/html)", re.IGNORECASE)

#: What Django's list of objects holds, on each of its pages.
_CHANGE_LISTS = ["input display:none"]


def _of_the_admin(target: str) -> bool:
    # Its lists link to themselves in every order, and by every filter.
    left_out = ("/admin/logout/", "/admin/jsi18n/", "/admin/r/")
    return target.startswith("/admin/") and not target.startswith(left_out) and "?" not in target


class _Reader(HTMLParser):
    """Gather a page's links, and what a policy without 'unsafe-inline' blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.inline: list[str] = []
        self.styles: list[str] = []
        self.elsewhere: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        if tag == "script" and "src" not in given and given.get("type") not in _DATA:
            self.inline.append("<script>")
        self.inline += [f"{tag} {name}" for name in given if name.startswith("on")]
        self.inline += [f"{tag} {name}={value}" for name, value in given.items() if _DANGEROUS.match(value)]
        if tag == "style" or "style" in given:
            self.styles.append(f"{tag} {given.get('style', '')}")
        loaded = [given.get("src", ""), given.get("href", "") if tag == "link" else ""]
        self.elsewhere += [url for url in loaded if urlsplit(url).netloc or url.startswith("//")]


def crawl(
    client: Client, *starts: str, within: Callable[[str], bool]
) -> Iterator[tuple[str, HttpResponseBase, _Reader]]:
    """Yield every page that links lead to and that lies within, a few of each kind."""
    waiting, seen, kinds = list(starts), set(starts), dict.fromkeys(starts, 0)
    while waiting:
        path = waiting.pop(0)
        response = client.get(path)
        reader = _Reader()
        if not response.streaming and response.headers.get("Content-Type", "").startswith("text/html"):
            reader.feed(response.content.decode())
        yield path, response, reader
        leads = [*reader.links, *([response.headers["Location"]] if response.status_code in (301, 302, 303) else [])]
        for target in (urldefrag(urljoin(path, link)).url for link in leads):
            kind = _NUMBERS.sub("#", re.sub(r"(?<==)[^&]*", "", target))
            is_ours = target.startswith("/") and not target.startswith("//")
            if not is_ours or not within(target) or target in seen or kinds.get(kind, 0) >= MOST_OF_A_KIND:
                continue
            seen.add(target)
            kinds[kind] = kinds.get(kind, 0) + 1
            assert len(seen) <= MOST_PAGES, f"too many kinds of pages: {sorted(kinds)}"
            waiting.append(target)


@pytest.fixture
def site() -> User:
    """Fill the site with something of everything, and return to whom it belongs."""
    call_command("load_examples", verbosity=0)
    user = User.objects.create_superuser("admin")
    publish_process("claim", [form("ask", "show", {"name": "a"}, {"name": "f", "type": "file"}), page("show", "x")])
    publish_process("forbidden", [page("show", "%{param:missing}")])
    template = ProcessTemplate.objects.get(slug="claim")
    create_instance(template=template, owner=user, title="Train")
    for status in ("running", "failed", "completed"):
        closed = status != "running"
        root = TaskRoot.objects.create(title=status, owner=user, status=status, closed=closed, output="one\n")
        Node.objects.create(root=root, ordinal=0, type="action", title="a", status="running", current=1, total=2)
    return user


@pytest.mark.parametrize("who", ["visitor", "user"])
def test_our_pages_bear_the_policy_and_hold_nothing_inline(client: Client, site: User, who: str) -> None:
    if who == "user":
        client.force_login(site)
    seen = []
    starts = ("/", "/nowhere/", "/p/nothing/", "/work/finished/", "/accounts/login/")
    for path, response, reader in crawl(client, *starts, within=lambda path: not path.startswith("/admin/")):
        seen.append(path)
        assert response.headers[HEADER] == policy() or path.startswith("/files/"), path
        assert (reader.inline, reader.styles, reader.elsewhere) == ([], [], []), path
    kinds = ["/", "/nowhere/", "/p/csv-import/", "/p/claim/", "/p/forbidden/"]
    kinds += ["/progress/", "/instances/"] if who == "user" else []
    assert [kind for kind in kinds if not any(path.startswith(kind) for path in seen)] == []


def test_the_admins_pages_bear_the_policy_and_run_nothing_inline(client: Client, site: User) -> None:
    client.force_login(site)
    seen = []
    # Django's pages have a few inline styles, and a page of Celery's beat has a script: both are blocked, and the pages
    # work without them.
    for path, response, reader in crawl(client, "/admin/", within=_of_the_admin):
        seen.append(path)
        assert response.headers[HEADER] == policy(), path
        assert reader.elsewhere == [], path
        assert reader.inline == [] or path.startswith("/admin/django_celery_beat/periodictask/"), path
        assert "/processes/" not in path or reader.styles in ([], _CHANGE_LISTS), (path, reader.styles)
    assert len([path for path in seen if "/processes/" in path]) > 10


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("post", "/p/claim/", 403), ("post", "/", 403), ("options", "/p/claim/", 405), ("get", "/p/forbidden/", 400)],
)
@pytest.mark.usefixtures("site")
def test_refusals_bear_it_too(method: str, path: str, status: int) -> None:
    response = getattr(Client(enforce_csrf_checks=True), method)(path)
    assert response.status_code == status
    assert response.headers[HEADER] == policy()


def test_the_policy_lets_nothing_in_but_what_is_ours() -> None:
    directives = dict(part.split(" ", 1) for part in policy().split("; "))
    assert directives["script-src"] == directives["style-src"] == "'self'"
    assert directives["object-src"] == directives["frame-ancestors"] == directives["base-uri"] == "'none'"
    assert "unsafe" not in policy()
    assert "*" not in policy()
