"""What every response bears, and how static files are served."""

import asyncio
import gzip
import re
from base64 import b64encode
from hashlib import sha256

import pytest
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.management import call_command
from django.http import Http404, HttpResponse
from django.test import AsyncRequestFactory, RequestFactory, override_settings
from django.views.csrf import csrf_failure
from django.views.debug import technical_404_response
from pytest_django import Settings

from config.csp import HEADER, content_security_policy, policy
from config.static_files import CollectedOrFound, static_files

ADMIN_STYLE = "/static/admin/css/base.css"


@pytest.fixture(autouse=True)
def as_in_production(settings: Settings) -> None:
    """Look for static files once, as servers do."""
    settings.WHITENOISE_AUTOREFRESH = False


def answer(status: int = 200, **headers: str):
    return lambda request: HttpResponse("text", status=status, headers=headers)


def test_a_page_runs_no_script_but_our_own():
    response = content_security_policy(answer())(RequestFactory().get("/"))
    directives = dict(part.split(" ", 1) for part in response.headers[HEADER].split("; "))
    assert directives["script-src"] == "'self'"
    assert directives["style-src"] == "'self'"
    assert directives["object-src"] == "'none'"
    assert directives["base-uri"] == "'none'"
    assert directives["frame-ancestors"] == "'none'"


def test_a_view_may_bring_a_policy_of_its_own():
    response = content_security_policy(answer(**{HEADER: "sandbox"}))(RequestFactory().get("/"))
    assert response.headers[HEADER] == "sandbox"


@pytest.mark.parametrize(
    ("debug", "status", "relaxed"), [(False, 500, False), (True, 500, True), (True, 200, False), (False, 404, False)]
)
def test_only_djangos_own_error_page_is_let_through_under_debug(settings, debug, status, relaxed):
    settings.DEBUG = debug
    response = content_security_policy(answer(status))(RequestFactory().get("/"))
    assert response.headers[HEADER] == policy(for_error_page=relaxed)


@pytest.mark.parametrize("status", [403, 404])
def test_of_djangos_other_pages_under_debug_just_their_own_style_is_let_in(settings, status):
    settings.DEBUG = True
    response = content_security_policy(answer(status))(RequestFactory().get("/"))
    directives = dict(part.split(" ", 1) for part in response.headers[HEADER].split("; "))
    own, style = directives["style-src"].split(" ")
    request = RequestFactory().get("/nope/")
    page = csrf_failure(request) if status == 403 else technical_404_response(request, Http404())
    (shown,) = re.findall(r"<style[^>]*>(.*?)</style>", page.content.decode(), re.DOTALL)
    assert (own, style) == ("'self'", f"'sha256-{b64encode(sha256(shown.encode()).digest()).decode()}'")
    assert response.headers[HEADER].replace(f" {style}", "") == policy()


async def test_async_views_stay_in_the_event_loop():
    loops = []

    async def view(request):
        loops.append(asyncio.get_running_loop())
        return HttpResponse("text")

    middleware = content_security_policy(static_files(view))
    response = await middleware(AsyncRequestFactory().get("/"))
    assert response.headers[HEADER] == policy()
    assert loops == [asyncio.get_running_loop()]


async def test_static_files_are_served_without_collecting_them():
    async def view(request):
        return HttpResponse("from the view", status=404)

    response = await static_files(view)(AsyncRequestFactory().get(ADMIN_STYLE))
    assert response.status_code == 200
    assert response.headers["Content-Type"] == 'text/css; charset="utf-8"'
    assert b"body" in response.content
    missing = await static_files(view)(AsyncRequestFactory().get("/static/admin/none.css"))
    assert missing.content == b"from the view"


def test_static_files_answer_conditional_and_head_requests():
    serve = static_files(answer(404))
    first = serve(RequestFactory().get(ADMIN_STYLE))
    again = serve(RequestFactory().get(ADMIN_STYLE, headers={"if-modified-since": first.headers["Last-Modified"]}))
    assert again.status_code == 304
    assert again.content == b""
    head = serve(RequestFactory().head(ADMIN_STYLE))
    assert head.status_code == 200
    assert head.content == b""


def test_texts_that_are_not_collected_are_compressed_for_those_who_can_read_them():
    serve = static_files(answer(404))
    plain = serve(RequestFactory().get(ADMIN_STYLE))
    packed = serve(RequestFactory().get(ADMIN_STYLE, headers={"accept-encoding": "br, gzip"}))
    assert packed.headers["Content-Encoding"] == "gzip"
    assert int(packed.headers["Content-Length"]) == len(packed.content) < len(plain.content) / 2
    assert gzip.decompress(packed.content) == plain.content
    assert "Content-Encoding" not in plain.headers
    assert plain.headers["Vary"] == packed.headers["Vary"] == "Accept-Encoding"


@pytest.mark.parametrize(
    "path", ["/static/../settings.py", "/static/%2e%2e/manage.py", "/static//etc/passwd", "/static/"]
)
@pytest.mark.parametrize("debug", [False, True])
def test_nothing_else_is_served(settings, path, debug):
    settings.DEBUG = debug
    assert static_files(answer(404))(RequestFactory().get(path)).status_code == 404


def test_uncollected_files_keep_their_names():
    assert staticfiles_storage.url("admin/css/base.css") == ADMIN_STYLE


def test_collected_files_are_named_by_content(tmp_path):
    with override_settings(STATIC_ROOT=tmp_path, DEBUG=False):
        call_command("collectstatic", interactive=False, verbosity=0)
        url = CollectedOrFound(location=tmp_path).url("admin/css/base.css")
        assert url != ADMIN_STYLE
        assert url.startswith("/static/admin/css/base.")
        response = static_files(answer(404))(RequestFactory().get(url))
        assert response.status_code == 200
        assert "immutable" in response.headers["Cache-Control"]
        # A page's modules import each other by these names: two releases never mix.
        (module,) = tmp_path.glob("tasks/progress-page.????????????.js")
        imported = re.findall(r'from "\./([^"]+)"', module.read_text())
        assert imported
        assert all((tmp_path / "tasks" / name).exists() and name.count(".") == 2 for name in imported)
