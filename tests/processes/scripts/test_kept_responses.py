"""Responses that were kept in the data: what comes back, what is cleaned, what is refused."""

from typing import Any

import pytest

from processes.domain.response import Response
from processes.errors import ProcessError
from processes.services.page_content.kept import restore_response
from processes.testing import run
from tests.processes.services.published import action

INFO = {"type": "FILE_INFO", "id": "0193a000-0000-7000-8000-000000000001", "name": "a.csv", "size": 47}
REL = 'rel="noopener noreferrer"'
META = '<meta name="a" content="b">'
LEFT = {"name": "show", "script": "copy_data_to_response"}


def restored(*, others: list[dict[str, Any]] | None = None, **kept: Any) -> Response:
    ran = run([{**LEFT, "next": False}, *(others or [])], data={"response": kept})
    return ran.or_raise().response


@pytest.mark.parametrize(
    ("name", "kept", "shown"),
    [
        ("content", "<table><caption>c</caption><thead><tr><th scope=\"col\">a</th></tr></thead></table>", None),
        ("content", '<div class="table-box" tabindex="0" role="region" aria-label="T"></div>', None),
        ("content", f'<a class="download" href="/files/1/" download="" {REL}>a</a>', None),
        ("content", f'<a href="/p/x/?action=a&amp;data=r" class="button" {REL}>a</a>', None),
        ("content", '<time datetime="2026-11-20">today</time>', None),
        ("content", '<div tabindex="9" onfocus="x" style="x" data-cancel-url="/x/">a</div>', "<div>a</div>"),
        ("content", '<form action="/x"><input name="a"><button>b</button></form>', "b"),
        ("content", '<button form="page-steps" name="action" value="evil">b</button>', "b"),
        ("content", '<iframe src="//evil"></iframe><base href="//evil"><meta http-equiv="refresh"><link rel=x>', ""),
        ("content", '<svg><script>1</script></svg><math href="javascript:1"></math>', ""),
        ("content", '<a href="ftp://x">a</a><a href="data:text/html,x">b</a>', f"<a {REL}>a</a><a {REL}>b</a>"),
        ("content", "{{ data.secret }}{% debug %}%{data:secret}", None),
        ("head", f"{META}<script>1</script><style>x</style><title>t</title>", META),
        ("title", "<b>", None),
        ("redirect", "/orders/", None),
        ("json", {"a": [1]}, None),
        ("json", 0, None),
        ("file", INFO, None),
        ("status_code", 404, None),
    ],
)  # fmt: skip
def test_each_part_of_a_response_comes_back_clean(name: str, kept: Any, shown: Any) -> None:
    assert getattr(restored(**{name: kept}), name) == (kept if shown is None else shown)


@pytest.mark.parametrize(
    ("content_type", "content", "shown"),
    [
        ("text/csv; charset=utf-8", "<b>,&", ("text/csv", "<b>,&")),
        ("text/html; charset=iso-2022-jp", "<b>x</b>", ("text/html", "<b>x</b>")),
        ("application/json", "null", ("application/json", "null")),
        ("text/html", "<script>1</script><b>x</b>", ("text/html", "<b>x</b>")),
        ("image/svg+xml", "<svg onload=x>", ("image/svg+xml", "")),
        ("application/javascript", "alert(1)", (None, "alert(1)")),
        ("text/css", "a{}", (None, "a{}")),
        ("application/rss+xml", "<script>1</script>x", (None, "x")),
        (None, "<script>1</script>x", (None, "x")),
    ],
)
def test_only_plain_types_come_back_as_they_are(content_type: str | None, content: str, shown: Any) -> None:
    response = restored(content=content, **({"content_type": content_type} if content_type else {}))
    assert (response.content_type, response.content) == shown


@pytest.mark.parametrize(
    ("kept", "part"),
    [
        ({"title": ["x"]}, "title"),
        ({"content": {"a": 1}}, "content"),
        ({"redirect": 7}, "redirect"),
        ({"status_code": "200"}, "status_code"),
        ({"status_code": 99}, "status_code"),
        ({"status_code": True}, "status_code"),
        ({"file": {"id": "x"}}, "file"),
        ({"content_type": "text/html\r\nX: y", "content": "a"}, "content_type"),
        ({"content_type": "nonsense", "content": "a"}, "content_type"),
        ({"parts": "x"}, "parts"),
        ({"parts": ["x"]}, "parts"),
        ({"template": "processes/form.html"}, "template"),
        ({"template": "admin/index.html"}, "template"),
    ],
)
def test_what_cannot_be_a_response_names_the_part(kept: dict[str, Any], part: str) -> None:
    with pytest.raises(ProcessError) as caught:
        restored(**kept)
    assert caught.value.code == "no_response"
    assert part in caught.value.message


def test_a_template_comes_back_where_the_process_names_it() -> None:
    names = action("page", "show_page", config={"template": "shop/receipt.html"})
    response = restored(others=[names], template="shop/receipt.html", context={"n": 1})
    assert (response.template, response.context) == ("shop/receipt.html", {"n": 1})
    assert restored(context={"n": 1}).context is None


def test_neither_forms_nor_buttons_that_post_come_back() -> None:
    links = [
        {"label": "L", "url": "/x/", "style": "quiet", "external": False},
        {"label": "E", "url": "javascript:alert(1)", "style": "onclick"},
        {"label": "B", "action": "delete", "method": "post", "url": "", "style": "primary"},
        "junk",
    ]
    response = restored(
        form={"name": "x"}, step={"url": "/p/x/", "data": "r"}, parts=[{"kind": "links", "links": links}, {"kind": "x"}]
    )
    assert (response.form, response.step) == (None, None)
    assert response.parts == [
        {
            "kind": "links",
            "links": [
                {"label": "L", "url": "/x/", "external": False, "style": "quiet"},
                {"label": "E", "url": "", "external": False},
            ],
        }
    ]


def test_parts_come_back_clean() -> None:
    table = {"kind": "table", "columns": [{"label": "<a>", "align": "right"}], "rows": [["<b>"]], "caption": "c"}
    odd = {"kind": "table", "columns": 7, "rows": ["x", 7], "caption": [1], "more": "<b>", "evil": 1}
    files = [{"label": "F", "file": INFO}, {"label": "G", "file": {"id": 1}}, 7]
    response = restored(
        parts=[{"kind": "html", "html": "<script>1</script>x"}, table, odd, {"kind": "downloads", "files": files}]
    )
    assert response.parts == [
        {"kind": "html", "html": "x"},
        table,
        {"kind": "table", "columns": [], "rows": []},
        {"kind": "downloads", "files": [{"label": "F", "file": INFO}]},
    ]


def test_a_restored_response_takes_the_place_of_the_one_before() -> None:
    ran = run(
        [action("json", "send_json", config={"value": 1}), LEFT], data={"response": {"title": "T", "content": "c"}}
    )
    assert ran.or_raise().response.to_json() == {"title": "T", "content": "c"}


@pytest.mark.parametrize(
    ("value", "response"),
    [
        ({"a": "%{data:n}"}, {"json": {"a": 17}, "status_code": 202}),
        (False, {"json": False, "status_code": 202}),
        ([], {"json": [], "status_code": 202}),
        (None, {"content": "null", "content_type": "application/json", "status_code": 202}),
    ],
)
def test_any_json_can_be_sent(value: Any, response: dict[str, Any]) -> None:
    ran = run([action("send", "send_json", config={"value": value, "status": 202})], data={"n": 17})
    assert ran.or_raise().response.to_json() == response


def test_what_is_not_json_cannot_be_sent() -> None:
    ran = run([action("call", "calls")], scripts={"calls": lambda app: app.call("send_json", config={"value": {1}})})
    assert ran.error is not None
    assert ran.error.code == "not_json"


@pytest.mark.django_db
@pytest.mark.parametrize(("file", "code"), [("a.csv", "no_file"), (INFO, "file_not_found")])
def test_only_a_file_of_ones_own_can_be_sent(file: Any, code: str) -> None:
    ran = run([action("send", "send_file", config={"file": "%{data:file}"})], data={"file": file})
    assert ran.error is not None
    assert ran.error.code == code


def test_an_error_can_have_a_status() -> None:
    ran = run([action("stop", "fail", config={"code": "gone", "status": 410, "fields": {"a": 1}})])
    assert ran.error is not None
    assert ran.error.fields == {"a": 1, "status": 410}


def test_what_opens_many_elements_anew_is_shown_as_text() -> None:
    bomb = "<p>" + "".join(f"<b id=b{number}>" for number in range(200)) + "<p>x" * 200
    content = restored(content=bomb).content
    assert content is not None
    assert content.startswith("&lt;p&gt;")
    assert len(content) < 3 * len(bomb)
    ordinary = "<p>" + "<b>a</b> <em>b</em> " * 200 + "</p>"
    assert restored(content=ordinary).content == ordinary


def test_what_the_site_says_of_itself_is_not_taken_from_data() -> None:
    kept = {"template": "x.html", "context": {"user": "root", "request": 1, "rows": [1]}}
    assert restore_response(kept, templates=["x.html"]).context == {"rows": [1]}
