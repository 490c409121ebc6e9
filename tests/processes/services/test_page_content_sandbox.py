"""The sandbox of page content: what it can do, and what nobody gets it to do."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from django.utils import translation
from django.utils.safestring import mark_safe

from processes.domain.placeholders import Context
from processes.errors import ContentError, PlaceholderError
from processes.services.page_content import Source, compile_content
from processes.services.page_content import limits as bounds

NOW = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
EVIL = "<script>alert(1)</script>"
ESCAPED = "&lt;script&gt;alert(1)&lt;/script&gt;"


def show(content: str, data: Any = None, param: Mapping[str, Any] | None = None, **variables: Any) -> str:
    """Render content over data and parameters."""
    seen = {"data": data or {}, "param": param or {}, "now": NOW, "user": {"username": "ada"}, **variables}
    sources = {name: Source(lambda value=value: value) for name, value in seen.items()}  # type: ignore[misc]
    fillings = Context(
        parameters=param or {}, data=data or {}, attribute=dict(seen.get("attr") or {}).__getitem__, now=lambda: NOW
    )
    return compile_content(content).render(variables=sources, fillings=fillings)


# -- what it can do ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ("plain <b>HTML</b>", "plain <b>HTML</b>"),
        ("{{ data.name }}", "Ada"),
        ("{{ data.rows.1.n }}", "2"),
        ("{{ data.rows.9.n }}|{{ data.nothing }}|{{ data.null }}", "||"),
        ("{{ data.yes }}", "true"),
        ("{{ data.rows.0 }}", "{&quot;n&quot;:1,&quot;t&quot;:&quot;b&quot;}"),
        ("{% for row in data.rows %}{{ forloop.counter }}:{{ row.n }} {% endfor %}", "1:1 2:2 "),
        ("{% for row in data.none %}x{% empty %}none{% endfor %}", "none"),
        ("{% for key in data.rows.0 %}{{ key }}{% endfor %}", "nt"),
        ("{% for key, value in data.rows.0.items %}{{ key }}={{ value }} {% endfor %}", "n=1 t=b "),
        ("{% for a, b in data.pairs %}{{ a }}{{ b }} {% endfor %}", "12 34 "),
        ("{% for c in data.name reversed %}{{ c }}{% endfor %}", "adA"),
        ("{% if data.rows|length > 1 and not data.null %}many{% else %}few{% endif %}", "many"),
        ('{% if "x" in data.tags %}yes{% elif "y" in data.tags %}y{% endif %}', "y"),
        ("{% if data.rows == data.same %}same{% endif %}", "same"),
        ("{% with total=data.n %}{{ total }}{% endwith %}", "1234567"),
        ("{% firstof data.null data.name %}", "Ada"),
        ("{% for r in data.rows %}{% cycle 'odd' 'even' %} {% endfor %}", "odd even "),
        ("{% for r in data.same %}{% ifchanged r.t %}{{ r.t }}{% endifchanged %}{% endfor %}", "ba"),
        ("{% spaceless %}<p> <b>x</b> </p>{% endspaceless %}", "<p><b>x</b></p>"),
        ("{# nothing #}{% comment %}{{ nothing at all }}{% endcomment %}", ""),
        ("{% verbatim %}{{ data.name }} {% nothing %}{% endverbatim %}", "{{ data.name }} {% nothing %}"),
        ("{% templatetag openvariable %}", "{{"),
        ('{{ data.name|upper }} {{ data.null|default:"–" }} {{ data.name|truncatechars:2 }}', "ADA – A…"),
        ("{{ data.tags|join:', ' }} {{ data.tags|first }}{{ data.tags|last }}", "y, z yz"),
        ("{{ data.tags|slice:':1' }}", "[&quot;y&quot;]"),
        ("{% for r in data.rows|dictsort:'t' %}{{ r.t }}{% endfor %}", "ab"),
        ("{% for r in data.rows|dictsortreversed:'n' %}{{ r.n }}{% endfor %}", "21"),
        ("{{ data.price|floatformat:2 }} {{ data.n|intcomma }} {{ data.n|add:3 }}", "3.50 1,234,567 1234570"),
        ("{{ data.day|date:'Y' }} {{ data.moment|date:'H:i' }} {{ data.moment|time:'i' }}", "2026 09:15 15"),
        ("{{ data.name|date:'Y' }}", ""),
        ("{{ now|date:'Y-m-d' }} {% now 'H:i' %}", "2026-11-20 12:30"),
        ("{{ data.text|linebreaks }}", "<p>a<br>b &amp; c</p>"),
        ("{{ data.size|filesizeformat }} {{ data.yes|yesno:'ja,nein' }}", "2.0\xa0KB ja"),
        ("vote{{ data.n|pluralize }}", "votes"),
        ("%{data:name} & %{param:q} %{now}", "Ada & a&lt;b 2026-11-20T12:30:00+00:00"),
        ("{% if param.q %}%{data:n}{% endif %}", "1234567"),
        ("{% verbatim %}{{ %{data:name} }}{% endverbatim %}", "{{ Ada }}"),
        ("%{data:tags}", "[&quot;y&quot;,&quot;z&quot;]"),
        ("{{ user.username }}", "ada"),
    ],
)  # fmt: skip
def test_content_shows_data(content: str, shown: str) -> None:
    data = {
        "name": "Ada",
        "rows": [{"n": 1, "t": "b"}, {"n": 2, "t": "a"}], "same": [{"n": 1, "t": "b"}, {"n": 2, "t": "a"}],
        "pairs": [[1, 2], [3, 4]], "tags": ["y", "z"], "null": None, "yes": True, "n": 1234567, "price": 3.5,
        "day": "2026-11-20", "moment": "2026-11-20T10:15:00+01:00", "text": "a\nb & c", "size": 2048,
    }  # fmt: skip
    assert show(content, data, {"q": "a<b"}) == shown


def test_numbers_and_dates_are_written_in_the_language_that_is_active() -> None:
    with translation.override("de"):
        assert show("{{ data.n }} {{ data.day|date }}", {"n": 1.5, "day": "2026-11-20"}) == "1,5 20. November 2026"


def test_content_is_compiled_once() -> None:
    assert compile_content("{{ data.once }}") is compile_content("{{ data.once }}")


def test_a_compiled_content_keeps_nothing_of_a_rendering() -> None:
    content = "{% cycle 'a' 'b' as x %}{{ x }}{% with data=x %}{{ data }}{% endwith %}{{ data.n }}"
    assert [show(content, {"n": 1}), show(content, {"n": 2})] == ["aaa1", "aaa2"]


# -- what nobody gets it to do ----------------------------------------------------------------------------------------


class Secret:
    password = "hunter2"

    def __str__(self) -> str:
        return "hunter2"

    def delete(self) -> str:
        raise AssertionError("called")


@pytest.mark.parametrize(
    "content",
    [
        "{{ data.__class__ }}",
        "{{ data.name.__class__.__mro__ }}",
        "{{ data._private }}",
        "{{ _data }}",
        "{{ data|attr:'__class__' }}",
        "{% load stepline %}",
        "{% include 'processes/base.html' %}",
        "{% extends 'processes/base.html' %}",
        "{% block x %}{% endblock %}",
        "{% autoescape off %}{{ data.name }}{% endautoescape %}",
        "{% debug %}",
        "{% csrf_token %}",
        "{% url 'admin:index' %}",
        "{% filter upper %}x{% endfilter %}",
        "{% lorem 9999999 p %}",
        "{% widthratio data.n 1 99999999999 %}",
        "{% regroup data.rows by n as x %}",
        "{% querystring %}",
        "{% ssi '/etc/passwd' %}",
        "{{ data.name|safe }}",
        "{{ data.tags|safeseq }}",
        "{{ data.name|ljust:'999999999' }}",
        "{{ data.name|rjust:'999999999' }}",
        "{{ data.name|center:'999999999' }}",
        "{{ data.n|stringformat:'0999999999d' }}",
        "{{ data.tags|unordered_list }}",
        "{{ data.tags|random }}",
        "{{ data|pprint }}",
        "{{ data|json_script:'x' }}",
        "{{ data.name|striptags }}",
        "{{ request.user }}",
        "{{ app.data }}",
        "{{ settings.SECRET_KEY }}",
        "{{ 'x'|escape|nothing }}",
        "{% if data.x|safe %}{% endif %}",
        "{% for x in data.rows|safe %}{% endfor %}",
    ],
)
def test_what_is_not_listed_is_refused_before_it_runs(content: str) -> None:
    with pytest.raises(ContentError) as caught:
        compile_content(content)
    assert caught.value.code == "content"


@pytest.mark.parametrize(
    "content",
    [
        "{{ data.clear }}", "{{ data.popitem }}", "{{ data.rows.pop }}", "{{ data.rows.clear }}",
        "{{ data.rows.sort }}",
        "{{ data.rows.reverse }}", "{{ data.name.upper }}", "{{ data.name.format }}", "{{ data.n.real }}",
        "{{ data.n.to_bytes }}", "{{ data.copy }}", "{{ data.get }}", "{{ data.update }}", "{{ data.setdefault }}",
        "{{ now.year }}", "{{ user.delete }}", "{{ data.secret }}", "{{ data.secret.password }}",
        "{{ data.secret.delete }}",
        "{{ data.rows.0.clear }}", "{% with x=data.clear %}{{ x }}{% endwith %}", "{{ forloop.clear }}",
        "{% for r in data.rows %}{{ forloop.parentloop.clear }}{% endfor %}", "{{ data.items.clear }}",
        "{{ data.rows.99999999999999 }}",
    ],
)  # fmt: skip
def test_nothing_is_called_and_nothing_changes(content: str) -> None:
    data = {"rows": [{"n": 1}], "name": "Ada", "n": 7, "secret": Secret()}
    assert show(content, data) == ""
    assert data["rows"] == [{"n": 1}]
    assert set(data) == {"rows", "name", "n", "secret"}


@pytest.mark.parametrize(
    "content",
    [
        "{{ data.x }}",
        "%{data:x}",
        "%{param:x}",
        "{{ param.x }}",
        "{{ user.username }}",
        "{{ attr.x }}",
        "{% firstof data.x %}",
        "{% cycle data.x 'y' %}",
        "{% with y=data.x %}{{ y }}{% endwith %}",
        "{% for y in data.list %}{{ y }}{% endfor %}",
        "{% for y, z in data.pairs %}{{ y }}{% endfor %}",
        "{{ data.list|first }}",
        "{{ data.list|last }}",
        "{{ data.list|join:'' }}",
        "{{ data.list|slice:':1'|join:'' }}",
        "{{ data.nothing|default:data.x }}",
        "{{ data.null|default_if_none:data.x }}",
        "{{ data.x|add:'' }}",
        "{{ ''|add:data.x }}",
        "{{ data.x|escape }}",
        "{{ data.x|cut:'nothing' }}",
        "{{ data.x|slice:':99' }}",
    ],
)
@pytest.mark.parametrize("kind", [str, mark_safe])
def test_what_data_brings_is_escaped_even_if_a_script_called_it_safe(content: str, kind: Any) -> None:
    evil = kind(EVIL)
    data = {"x": evil, "list": [evil], "pairs": [[evil, 1]], "null": None}
    shown = show(content, data, {"x": evil}, user={"username": evil}, attr={"x": evil})
    assert shown == ESCAPED


@pytest.mark.parametrize(
    "text", ["{{ data.secret }}", "{% debug %}", "%{data:secret}", "{# #}", "\0" + "0\0", "{% endif %}"]
)
@pytest.mark.parametrize(
    "content", ["<p>%{data:x}</p>", "<p>{{ data.x }}</p>", "<p>%{param:x}</p>", "<p>{{ param.x }}</p>"]
)
def test_text_that_looks_like_a_template_is_shown_as_it_is(content: str, text: str) -> None:
    assert show(content, {"x": text, "secret": "hunter2"}, {"x": text}) == f"<p>{text}</p>"


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ('<a href="{{ data.bad }}">', '<a href="#">'),
        ("<a href='%{data:bad}'>", "<a href='#'>"),
        ('<a href="{{ data.good }}">', '<a href="https://example.org/?a=1&amp;b=2">'),
        ('<a href="/x/{{ data.bad }}">', '<a href="/x/ javascript:alert(1)">'),
        ('<a href="{{ data.java }}{{ data.script }}">', '<a href="java#">'),
        ('<a href="{{ data.path }}">', '<a href="/orders/?a=b">'),
        ('<a href="{{ data.evil }}">', '<a href="#">'),
        ('<a class="x" title="t" HREF = "{{ data.bad }}">', '<a class="x" title="t" HREF = "#">'),
        ('<img src="{{ data.data }}">', '<img src="#">'),
        ('<button formaction="{{ data.bad }}">', '<button formaction="#">'),
        ('<a href="{% if 1 %}{{ data.bad }}{% endif %}">', '<a href="#">'),
        ('<a title="{{ data.bad }}">', '<a title=" javascript:alert(1)">'),
        ('<a href="{{ data.bad|safe_url }}">{{ data.bad }}</a>', '<a href="#"> javascript:alert(1)</a>'),
    ],
)
def test_links_lead_to_web_addresses_only(content: str, shown: str) -> None:
    data = {
        "bad": " javascript:alert(1)", "good": "https://example.org/?a=1&b=2", "java": "java",
        "script": "script:alert(1)",
        "path": "/orders/?a=b", "evil": "//evil.example/", "data": "data:text/html,<script>",
    }  # fmt: skip
    assert show(content, data) == shown


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ('<a href="{% if data.no %}/orders/{% else %}{{ data.u }}{% endif %}">', '<a href="#">'),
        ('<a href="{% if data.no %}/orders/{% else %}%{data:u}{% endif %}">', '<a href="#">'),
        ('<a href="{% if data.no %}/a/{% elif 1 %}{{ data.u }}{% endif %}">', '<a href="#">'),
        ('<a href="{% for x in data.none %}/a/{% empty %}{{ data.u }}{% endfor %}">', '<a href="#">'),
        ('<a href="{% if data.no %}">{% endif %}{{ data.u }}">', '<a href="#">'),
        ('<a href="{% if data.no %}/a/{% endif %}{{ data.u }}">', '<a href="#">'),
        ('<a href="{% if data.no %}/a/{% else %}{% endif %}{{ data.u }}">', '<a href="#">'),
        ('<a {% if 1 %}href="{% else %}title="{% endif %}{{ data.u }}">', '<a href="#">'),
        ('<a {% if data.no %}{% else %}href{% endif %}="{{ data.u }}">', '<a href="#">'),
        ('<a href="{% if data.no %}/a/{% else %}/b/{% endif %}{{ data.t }}">', '<a href="/b/x y">'),
        ('<a href="{% with y=data.u %}{{ y }}{% endwith %}">', '<a href="#">'),
        ('<a href="{% spaceless %}{{ data.u }}{% endspaceless %}">', '<a href="#">'),
        ('<a href="&#32;{{ data.u }}">', '<a href="&#32;#">'),
        ('<a href="&#x0a;&Tab; {{ data.u }}">', '<a href="&#x0a;&Tab; #">'),
        ('<a href="{{ data.a }}{{ data.colon }}">', '<a href="javascript#">'),
        ('<a href="{{ data.a }}/{{ data.t }}:1">', '<a href="javascript/x y:1">'),
        ('<a href="/s?{% for x in data.l %}n={{ x }}&amp;{% endfor %}">', '<a href="/s?n=1&amp;n=2&amp;">'),
        ('{% for x in data.l %}<a href="/{{ x }}" title="a > b">it\'s</a>{% endfor %}',
         '<a href="/1" title="a > b">it\'s</a><a href="/2" title="a > b">it\'s</a>'),
        ('<p {% if 1 %}class="a"{% endif %}>{% for x in data.l %}{{ x }}{% endfor %}', '<p class="a">12'),
        ('{% firstof data.u as v %}<a href="{{ v }}" title="{% firstof data.t %}">', '<a href="#" title="x y">'),
        ("{% if 1 %}a{% endif %}" * 40, "a" * 40),
    ],
)  # fmt: skip
def test_every_way_through_blocks_is_looked_at_where_a_url_begins(content: str, shown: str) -> None:
    data = {"u": "javascript:alert(1)", "a": "javascript", "colon": ":alert(1)", "t": "x y", "l": [1, 2], "none": []}
    assert show(content, data) == shown


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ('<a href="{% firstof data.u %}">', "where a URL begins"),
        ('<a href="{% cycle data.u data.u %}">', "where a URL begins"),
        ('<a href="{% if 1 %}{% firstof data.u %}{% endif %}">', "where a URL begins"),
        ("<a href='{% now data.u %}'>", "where a URL begins"),
        ('<a href="{{ data.a }}:{{ data.b }}">', "A colon"),
        ('<a href="%{data:a}:{{ data.b }}">', "A colon"),
        ('<a href="{{ data.a }}&colon;{{ data.b }}">', "A colon"),
        ('<a href="{{ data.a }}&#58;{{ data.b }}">', "A colon"),
        ('<a href="{% if 1 %}{{ data.a }}{% endif %}:{{ data.b }}">', "A colon"),
        ('<a title="{% for x in data.l %}{{ x }}" href="{% endfor %}">', "A loop"),
        ('<a {% for x in data.l %}="{{ x }}" href{% endfor %}>', "A loop"),
        ('<a href="/{% for x in data.l %}{{ x }}" href="{% endfor %}">', "A loop"),
    ],
)
def test_what_could_make_a_scheme_is_refused(content: str, what: str) -> None:
    with pytest.raises(ContentError, match=what) as caught:
        compile_content(content)
    assert caught.value.fields["line"] == 1
    assert caught.value.suggestion


@pytest.mark.parametrize(
    "content",
    [
        "".join(f"{{% firstof data.text as v{n} %}}" for n in range(20)),
        "{% for x in data.l %}{% firstof data.text as v %}{% endfor %}",
        "{% for x in data.l %}{% cycle data.text data.text as v silent %}{% endfor %}",
        "{% for x in data.l %}{% link '/x' data.text as v %}{% endfor %}",
    ],
)
def test_text_kept_in_variables_counts(content: str) -> None:
    with pytest.raises(ContentError, match="characters"):
        show(content, {"text": "x" * 200_000, "l": [1] * 20})


NESTED = "{% if 1 %}" * 60 + "{% endif %}" * 60
DOUBLED = "".join(f"{{% with x{n + 1}=x{n}|add:x{n} %}}" for n in range(24)) + "{{ x24|length }}" + "{% endwith %}" * 24


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("{% for a in data.big %}{% for b in data.big %}{{ b }}{% endfor %}{% endfor %}", "pieces|too long"),
        ("{% for a in data.big %}{% for b in data.big %}{% endfor %}{% endfor %}", "pieces|too long"),
        ("{% for a in data.big %}" + "x" * 10_000 + "{% endfor %}", "characters|too long"),
        ("{% for a in data.big %}{{ data.text }}{% endfor %}", "characters|too long"),
        ("{% for a in data.big %}{% if data.text in data.other %}x{% endif %}{% endfor %}", "pieces|takes too long"),
        ("{% for a in data.big %}{% if data.text|upper == 1 %}x{% endif %}{% endfor %}", "pieces|takes too long"),
        ("{% for a in data.big %}{% if data.big == data.same %}x{% endif %}{% endfor %}", "pieces|takes too long"),
        ("{% with x0=data.text %}" + DOUBLED.replace("{{%", "{%") + "{% endwith %}", "filter|too long"),
        ("{{ data.big|join:data.text }}", "text of more than"),
        ("{{ data.n|floatformat:999999999 }}", "at most 30 decimals"),
        ("{{ data.n|floatformat:'-99999' }}", "at most 30 decimals"),
        ("{{ data.text|urlize }}", "at most 20,000"),
        ("{{ data.huge }}", "can't be shown"),
        ("{% for x in data.n %}{% endfor %}", "gone through"),
        ("{% for a, b in data.big %}{% endfor %}", "can't be shown"),
        ("{{ data.text|divisibleby:2 }}", "can't be shown"),
    ],
)  # fmt: skip
def test_too_much_work_is_stopped_with_a_clear_error(content: str, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MAX_SECONDS", 0.3)
    data = {
        "big": [[0]] * 20_000, "same": [[1 - 1] for _ in range(20_000)], "text": "x" * 200_000, "other": "y" * 200_000,
        "n": 3, "huge": 10**5000,
    }  # fmt: skip
    with pytest.raises(ContentError, match=what) as caught:
        show(content, data)
    assert caught.value.fields["line"] == 1


@pytest.mark.parametrize(
    "content",
    [
        NESTED,
        "{{ data.x" + "|upper" * 50 + " }}",
        "{% if " + "not " * 300 + "1 %}{% endif %}",
        "{% if " + "1 or " * 300 + "1 %}{% endif %}",
        "x" * (bounds.MAX_SOURCE + 1),
        "a\0b",
    ],
    ids=["tags", "filters", "not", "or", "length", "NUL"],
)  # fmt: skip
def test_content_that_is_too_deep_or_too_long_is_refused(content: str) -> None:
    with pytest.raises(ContentError):
        compile_content(content)


def test_data_that_nests_deeply_can_be_shown() -> None:
    deep: Any = 1
    for _ in range(100):
        deep = [deep]
    assert show("{{ data.deep }}", {"deep": deep}) == "[" * 100 + "1" + "]" * 100


@pytest.mark.parametrize(
    ("content", "message", "cure"),
    [
        ("a\n\n{% fro x in y %}", 'Line 3: There is no tag "fro" in content: {% fro x in y %}', 'Did you mean "for"?'),
        (
            "{{ data.x|uper }}",
            'Line 1: There is no filter "uper" in content: {{ data.x|uper }}',
            'Did you mean "upper"?',
        ),
        ("a\n{{ daat.x }}", 'Line 2: There is no variable "daat": {{ daat.x }}', 'Did you mean "data"?'),
        ("\n{% if data.x %}a", 'Line 2: "if" isn\'t closed: {% if data.x %}', "Add {% endif %}"),
        ("{% for x in data %}{% endif %}", None, "{% endfor %} comes first"),
        ("{% if data.x = 1 %}{% endif %}", None, None),
        ("{{ data.x }", None, None),
        ("{% %}", None, None),
        ("{{ }}", None, None),
        ("{% include 'x' %}", None, 'Put it into a template file, and name that file in "template"'),
        ("{{ data.x|safe }}", None, "What comes from data stays escaped"),
        ("{% if \"%{data:x}\" == 'a' %}{% endif %}", None, "Use the variable: data.x"),
        ("<a href={{ data.x }}>", None, 'Write it like href="…"'),
        ("<a title=%{data:x}>", None, 'Write it like href="…"'),
    ],
)
def test_mistakes_are_told_with_line_tag_and_cure(content: str, message: str | None, cure: str | None) -> None:
    if content == "{{ data.x }":
        assert show(content) == content
        return
    with pytest.raises(ContentError) as caught:
        compile_content(content)
    assert caught.value.message.startswith("Line ")
    assert message is None or caught.value.message == message
    assert cure is None or caught.value.suggestion == cure


def test_a_placeholder_that_cannot_be_filled_says_which() -> None:
    with pytest.raises(PlaceholderError, match=r"%\{data:x\} can't be filled"):
        show("<p>%{data:x}</p>")
