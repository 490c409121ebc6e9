"""show_page: content, tables, links, downloads, and pages that several actions build up."""

from typing import Any

import pytest
from django.template import engines
from django.template.loader import render_to_string
from django.test import RequestFactory
from django.utils import translation

from processes.domain.application import Application
from processes.domain.response import Response
from processes.errors import DefinitionError, ProcessError
from processes.models import DataNode
from processes.registry import scripts
from processes.testing import FakeUser, run
from tests.processes.services.published import action

INFO = {
    "type": "FILE_INFO", "id": "0193a000-0000-7000-8000-000000000001", "name": "a.csv", "size": 47,
    "content_type": "text/csv", "extension": "csv",
}  # fmt: skip
ROWS = [{"name": "Ada", "sum": 12.5, "buyer": {"city": "London"}}, {"name": "<b>", "sum": None, "new": [1, 2]}]


def page(**config: Any) -> dict[str, Any]:
    return action("show", "show_page", config=config)


def shown(*, data: Any = None, **config: Any) -> Response:
    return run([page(**config)], data=data).or_raise().response


def problem(**config: Any) -> dict[str, Any]:
    with pytest.raises(DefinitionError) as caught:
        run([page(**config)])
    found: dict[str, Any] = caught.value.problems[0].to_json()
    return found


# -- content ----------------------------------------------------------------------------------------------------------


def test_content_is_a_template_over_data_and_the_caller() -> None:
    content = "{% for n in data.names %}{{ n }} {% endfor %}{{ user.username }} {{ param.q }} {{ attr.room }} %{data:x}"
    ran = run(
        [page(content=content)],
        data={"names": ["Ada", "<i>"], "x": "{{ data.names }}"},
        parameters={"q": "&"},
        attributes={"room": "Hall"},
        user=FakeUser("ada"),
    )
    assert ran.or_raise().response.content == "Ada &lt;i&gt; ada &amp; Hall {{ data.names }}"


@pytest.mark.parametrize(
    "text", ["{% load x %}", "{{ data.secret }}", "%{data:secret}", "{{", "{%", "<script>", "{% endverbatim %}"]
)
@pytest.mark.parametrize("content", ["%{data:x}", "<p>%{data:x}</p>", "{{ data.x }}"])
def test_data_in_content_is_text_whatever_it_looks_like(content: str, text: str) -> None:
    escaped = text.replace("<", "&lt;").replace(">", "&gt;")
    assert shown(content=content, data={"x": text, "secret": 1}).content in (escaped, f"<p>{escaped}</p>")


def test_content_from_python_code_is_the_codes_own_html() -> None:
    def tells(app: Application) -> None:
        app.call("show_page", config={"content": "<b>{{ data.x }}</b>"})

    ran = run([action("tells", "tells")], data={"x": 1}, scripts={"tells": tells})
    assert ran.or_raise().response.content == "<b>{{ data.x }}</b>"


@pytest.mark.parametrize("content", ["{% fro %}", "<p>%{data:x}</p>{% fro %}", "%{data:x}\n{{ x|safe }}"])
def test_what_cannot_be_read_is_found_when_the_process_is_saved(content: str) -> None:
    found = problem(content=content)
    assert found["path"].endswith("/config/content")
    assert found["message"].startswith("Line ")
    assert found["suggestion"]


def test_what_only_data_can_show_is_an_error_of_the_run() -> None:
    ran = run([page(content="a\n{% for x in data.n %}{% endfor %}")], data={"n": 5})
    assert ran.error is not None
    assert (ran.error.code, ran.error.fields["line"]) == ("content", 2)


def test_the_error_can_be_told_on_the_page() -> None:
    ran = run(
        [
            action("work", "fail", config={"code": "sold_out", "message": "Sold <out>"}),
            action("tell", "show_page", config={"content": "never"}),
            action("@error", "show_page", config={"content": "<p>{{ error.code }}: {{ error.message }}</p>"}),
        ]
    )
    assert ran.response.content == "<p>sold_out: Sold &lt;out&gt;</p>"


# -- tables -----------------------------------------------------------------------------------------------------------


def test_a_table_has_the_chosen_columns() -> None:
    columns = ["name", {"key": "sum", "label": "Total", "type": "number", "decimals": 2}, {"key": "buyer.city"}]
    response = shown(tables=[{"rows": "%{data:rows}", "columns": columns, "caption": "Orders"}], data={"rows": ROWS})
    assert response.parts == [
        {
            "kind": "table",
            "caption": "Orders",
            "columns": [
                {"label": "Name", "align": "left"},
                {"label": "Total", "align": "right", "type": "number", "decimals": 2},
                {"label": "City", "align": "left"},
            ],
            "rows": [["Ada", 12.5, "London"], ["<b>", None, None]],
        }
    ]


def test_without_columns_a_table_shows_what_there_is() -> None:
    (table,) = shown(tables=[{"rows": "%{data:rows}"}], data={"rows": ROWS}).parts or []
    assert [column["label"] for column in table["columns"]] == ["Name", "Sum", "Buyer", "New"]
    assert table["rows"][1] == ["<b>", None, None, "1, 2"]
    assert table["rows"][0][2] == '{"city":"London"}'


def test_lists_are_rows_too() -> None:
    (table,) = shown(tables=[{"rows": [["a", 1], ["b"]]}]).parts or []
    assert [(column["label"], column["align"]) for column in table["columns"]] == [("", "left"), ("", "right")]
    assert table["rows"] == [["a", 1], ["b", None]]


def test_a_limit_tells_how_many_rows_are_left_out() -> None:
    (table,) = shown(tables=[{"rows": "%{data:rows}", "limit": 2}], data={"rows": [[n] for n in range(5)]}).parts or []
    assert (len(table["rows"]), table["more"]) == (2, 3)


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([1, 2], "bad_table"),
        (["x"], "bad_table"),
        ([[0] * 50] * 1_001, "bad_table"),
        ([[0] * 101], "bad_table"),
        ("x", "config"),
    ],
)
def test_what_is_no_table_is_refused(rows: Any, code: str) -> None:
    ran = run([page(tables=[{"rows": "%{data:rows}"}])], data={"rows": rows})
    assert ran.error is not None
    assert ran.error.code == code


# -- links and downloads ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "described"),
    [
        ("/orders/", {"url": "/orders/", "external": False}),
        ("?page=2", {"url": "?page=2", "external": False}),
        ("https://example.org/a?b=c", {"url": "https://example.org/a?b=c", "external": True}),
        *(
            (bad, {"url": "", "external": False})
            for bad in (
                "javascript:alert(1)", "JaVaScRiPt:alert(1)", " javascript:alert(1)", "java\tscript:alert(1)",
                "\x01javascript:alert(1)", "data:text/html,x", "vbscript:x", "//evil.example", "/\\evil.example",
                "\\\\evil.example", "https:evil.example", "https:/evil.example", "http://",
                "https://user:pw@evil.example", "ftp://example.org", "mailto:a@example.org", "file:///etc/passwd",
                "", "https://[::1", "x" * 2_001, ":x",
            )
        ),
    ],
)  # fmt: skip
def test_links_lead_to_this_site_or_the_web(url: str, described: dict[str, Any]) -> None:
    (part,) = shown(links=[{"label": "Go", "url": "%{data:url}"}], data={"url": url}).parts or []
    assert part == {"kind": "links", "links": [{"label": "Go", **described}]}
    content = shown(content='{% link data.url "Go" %}', data={"url": url}).content or ""
    assert ("javascript" in content) is False
    assert (f'href="{described["url"].replace("&", "&amp;")}"' in content) is bool(described["url"])
    assert ("noopener" in content) is described["external"]
    if not described["url"] and url:
        assert "http:// or https:// address" in problem(links=[{"label": "Go", "url": url}])["message"]


@pytest.mark.parametrize(
    ("link", "message"),
    [
        ({}, 'give either "url" or "action"'),
        ({"url": "/x/", "action": "a"}, 'give either "url" or "action"'),
        ({"url": "/x/", "method": "post"}, "go with an action"),
        ({"url": "/x/", "parameters": {"a": 1}}, "go with an action"),
        ({"action": "a", "method": "post", "data": False}, "carries the data"),
    ],
)
def test_a_link_that_makes_no_sense_is_refused(link: dict[str, Any], message: str) -> None:
    assert message in problem(links=[{"label": "x", **link}])["message"]


def test_downloads_are_file_infos_lists_of_them_and_labelled_ones() -> None:
    data = {"one": INFO, "several": [INFO, INFO], "none": None}
    given = ["%{data:one}", "%{data:several}", "%{data:none}", {"file": "%{data:one}", "label": "The report"}]
    (part,) = shown(downloads=given, data=data).parts or []
    assert [item["label"] for item in part["files"]] == ["a.csv", "a.csv", "a.csv", "The report"]
    assert shown(downloads="%{data:one}", data=data).parts == [
        {"kind": "downloads", "files": [{"label": "a.csv", "file": INFO}]}
    ]
    assert shown(downloads="%{data:none}", data=data).parts is None


@pytest.mark.parametrize("value", ["a.csv", {"id": "x"}, 7, [["x"]]])
def test_what_is_no_file_info_is_no_download(value: Any) -> None:
    ran = run([page(downloads=["%{data:file}"])], data={"file": value})
    assert ran.error is not None
    assert ran.error.code == "no_file"


# -- leading to actions -----------------------------------------------------------------------------------------------


STEPS = [
    action("safe", "noop", safe=True),
    action("change", "noop"),
    action("inner", "noop", entry=False),
    action("@display", "noop"),
]


def answer(*links: dict[str, Any], data: Any = None, **config: Any) -> Response:
    shows = {**page(links=[{"label": "x", **link} for link in links], **config), "next": False}
    return run([shows, *STEPS], data=data).or_raise().response


def url_of(response: Response) -> str:
    return str((response.parts or [])[-1]["links"][-1]["url"])


def test_a_link_to_a_safe_action_without_data_stores_nothing() -> None:
    assert url_of(answer({"action": "safe", "parameters": {"page": 2, "all": True, "q": None}})).endswith(
        "/?action=safe&page=2&all=true"
    )


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("link", "data"),
    [({"action": "change"}, {}), ({"action": "safe"}, {"a": 1}), ({"action": "safe", "data": True}, {})],
)
def test_the_data_go_along_where_there_are_any_or_the_action_needs_them(link: dict[str, Any], data: Any) -> None:
    response = answer(link, {"action": "@display", "data": False}, link, data=data)
    node = DataNode.objects.get()
    assert node.data == data
    assert f"data={node.reference}" in url_of(response)
    assert response.step is None


@pytest.mark.django_db
def test_a_button_that_posts_sends_data_and_revision() -> None:
    response = answer({"action": "change", "method": "post", "parameters": {"n": 1}}, data={"a": 1})
    node = DataNode.objects.get()
    assert response.step is not None
    assert (response.step["data"], response.step["revision"]) == (node.reference, node.revision)
    assert (response.parts or [])[0]["links"][0] == {
        "label": "x", "action": "change", "method": "post", "style": "primary", "url": f"{response.step['url']}?n=1",
    }  # fmt: skip


def test_a_button_without_data_stores_nothing() -> None:
    response = answer({"action": "change", "method": "post"})
    assert set(response.step or {}) == {"url"}


@pytest.mark.parametrize(
    ("link", "what"),
    [
        ({"action": "chnage"}, 'Did you mean "change"'),
        ({"action": "inner"}, 'no action "inner"'),
        ({"action": "inner", "method": "post"}, 'no action "inner"'),
        ({"action": "change", "data": False}, 'mark that action "safe"'),
        ({"action": "safe", "parameters": {"data": "x"}}, "meaning of its own"),
        ({"action": "safe", "parameters": {"x": [1]}}, "neither a text nor a number"),
    ],
)
def test_a_link_that_would_lead_nowhere_is_an_error(link: dict[str, Any], what: str) -> None:
    ran = run([{**page(links=[{"label": "x", **link}]), "next": False}, *STEPS])
    assert ran.error is not None
    assert ran.error.code == "bad_link"
    assert what in ran.error.message


@pytest.mark.django_db
def test_content_leads_to_actions_too() -> None:
    content = (
        '{% action_link "safe" data.label page=2 %}{% action_button "change" "Now" style="danger" %}'
        "{% download data.file %}{% table data.rows columns='n:No:right' caption='T' %}"
    )
    data = {"label": "<b>", "file": INFO, "rows": [{"n": "&"}]}
    response = run([{**page(content=content), "next": False}, *STEPS], data=data).or_raise().response
    reference = DataNode.objects.get().reference
    html = response.content or ""
    assert f'?action=safe&amp;data={reference}&amp;page=2">&lt;b&gt;</a>' in html
    assert (
        '<button type="submit" form="page-steps" name="action" value="change" class="button button-danger">Now<' in html
    )
    assert f'<a class="download" href="/files/{INFO["id"]}/" download>a.csv</a>' in html
    assert '<td class="number">&amp;</td>' in html
    assert response.step is not None


@pytest.mark.parametrize(
    "content",
    [
        '{% action_link "nothing" "x" %}', '{% action_link "safe" "x" style="evil" %}', "{% download data %}",
        "{% table data.n %}", "{% table data.rows columns='a:b:c:d' %}", "{% table data.rows limit=0 %}",
        '{% action_link "safe" "x" form="y" %}',
    ],
)  # fmt: skip
def test_a_tag_that_makes_no_sense_names_its_line(content: str) -> None:
    ran = run([{**page(content="\n" + content), "next": False}, *STEPS], data={"n": 5, "rows": []})
    assert ran.error is not None
    assert ran.error.code in ("bad_link", "content", "no_file", "bad_table")
    assert ran.error.code == "bad_link" or "Line 2" in ran.error.message


# -- built up by several actions --------------------------------------------------------------------------------------


def test_appended_parts_stand_in_the_order_in_which_they_came() -> None:
    ran = run(
        [
            action("a", "show_page", config={"title": "T", "text": "one", "tables": [{"rows": [[1]]}]}),
            action("b", "show_page", config={"content": "<p>two</p>", "append": True}),
            action("c", "show_page", config={"links": [{"label": "l", "url": "/"}], "append": True}),
        ]
    )
    response = ran.or_raise().response
    assert (response.title, response.content) == ("T", "<p>one</p>")
    assert [part["kind"] for part in response.parts or []] == ["table", "html", "links"]


def test_a_new_page_replaces_all_of_the_one_before() -> None:
    ran = run(
        [
            action("j", "send_json", config={"value": [1]}),
            action("a", "show_page", config={"text": "one", "tables": [{"rows": [[1]]}], "template": "x.html"}),
            action("b", "show_page", config={"text": "two"}),
        ]
    )
    assert ran.or_raise().response.to_json() == {"content": "<p>two</p>"}


def test_a_page_can_be_built_up_in_the_data_and_shown_later() -> None:
    ran = run(
        [
            action("a", "show_page", config={"title": "Report", "text": "<one>", "into": "report"}),
            action("b", "show_page", config={
                "tables": [{"rows": [{"n": 1}]}], "append": True, "into": "report",
                "links": [{"label": "Web", "url": "https://example.org/"}], "downloads": [INFO], "status": 201,
            }),
            action("c", "show_page", config={"text": "something else"}),
            action("d", "copy_data_to_response", config={"key": "report"}),
        ]
    )  # fmt: skip
    response = ran.or_raise().response
    assert (response.title, response.content, response.status_code) == ("Report", "<p>&lt;one&gt;</p>", 201)
    assert [part["kind"] for part in response.parts or []] == ["table", "downloads", "links"]


def test_what_is_not_a_response_in_the_data_is_begun_anew() -> None:
    ran = run([page(text="a", append=True, into="x")], data={"x": "junk"})
    assert ran.or_raise().data == {"x": {"content": "<p>a</p>"}}


def test_buttons_that_post_cannot_be_kept_in_the_data() -> None:
    assert "can't be kept" in problem(links=[{"label": "x", "action": "a", "method": "post"}], into="x")["message"]
    ran = run([page(content='{% action_button "show" "x" %}', into="x")])
    assert ran.error is not None
    assert ran.error.code == "bad_link"


# -- the templates ----------------------------------------------------------------------------------------------------


def draw(response: Response, **context: Any) -> str:
    request = RequestFactory().get("/p/x/")
    return render_to_string("processes/page.html", {"title": "T", "response": response, **context}, request)


def test_a_table_is_drawn_in_a_box_of_its_own_with_headings() -> None:
    columns = [
        {"key": "name", "header": True},
        {"key": "sum", "type": "number", "decimals": 2},
        {"key": "day", "type": "date"},
        {"key": "ok"},
        {"key": "file"},
    ]
    rows = [
        {"name": "<Ada>", "sum": 12345.5, "day": "2026-11-20", "ok": True, "file": INFO},
        {"sum": "x", "day": "soon"},
    ]
    response = shown(tables=[{"rows": rows, "columns": columns, "caption": "<Orders>"}])
    html = draw(response)
    for piece in (
        '<div class="table-box" tabindex="0" role="region" aria-label="&lt;Orders&gt;">',
        "<caption>&lt;Orders&gt;</caption>",
        '<th scope="col" class="number">Sum</th>',
        '<th scope="row">&lt;Ada&gt;</th>',
        '<td class="number">12,345.50</td>',
        '<time datetime="2026-11-20">Nov. 20, 2026</time>',
        "<td>Yes</td>",
        f'<a href="/files/{INFO["id"]}/" download>a.csv</a>',
        "<td>soon</td>",
    ):
        assert piece in html
    with translation.override("de"):
        assert '<td class="number">12.345,50</td>' in draw(response)


def test_an_empty_table_says_so() -> None:
    html = draw(shown(tables=[{"rows": [], "caption": "Orders", "empty": "No orders yet."}]))
    assert "Orders: No orders yet." in html
    assert "<table" not in html


def test_responses_of_an_earlier_release_are_still_drawn() -> None:
    old = {"title": "T", "content": "<p>a</p>", "template": None, "context": {"x": 1}}
    assert Response.from_json(old).parts is None


def test_tags_in_template_files_lead_to_the_process() -> None:
    step = {"url": "/p/x/", "data": "r" * 22, "revision": 3}
    template = engines["django"].from_string(
        '{% load stepline %}{% action_link "a" "L" page=2 %}{% action_button "b" "B" %}{% link "javascript:x" "E" %}'
        '{% table rows columns="n" %}{% download file %}{{ "javascript:x"|safe_url }}{{ file|file_url }}'
    )
    context = {"response": Response(step=step), "rows": [{"n": "<"}], "file": INFO}
    html = template.render(context, RequestFactory().get("/p/x/"))
    assert f'href="/p/x/?action=a&amp;data={"r" * 22}&amp;page=2"' in html
    assert 'name="csrfmiddlewaretoken"' in html
    assert '<input type="hidden" name="revision" value="3">' in html
    assert "<span>E</span>" in html
    assert "<td>&lt;</td>" in html
    assert f"#/files/{INFO['id']}/" in html


def test_a_template_that_needs_data_which_were_not_saved_says_so() -> None:
    template = engines["django"].from_string('{% load stepline %}{% action_link "a" "L" data=True %}')
    with pytest.raises(ProcessError, match='"data": true'):
        template.render({"response": Response(step={"url": "/p/x/"})}, RequestFactory().get("/p/x/"))


@pytest.mark.django_db
def test_a_template_links_with_the_data_that_the_page_saved() -> None:
    response = run([{**page(text="a", data=True), "next": False}], data={"a": 1}).or_raise().response
    assert response.step is not None
    assert response.step["data"] == DataNode.objects.get().reference


def test_show_page_keeps_its_names() -> None:
    assert scripts.get("showPage") is scripts.get("show_page")
