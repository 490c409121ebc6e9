"""Read content: Django's parser, with the listed tags and filters only, and errors that name line and cure."""

import re
from collections.abc import Iterator, Mapping
from html import unescape
from typing import Any, Final, NamedTuple, cast

from django.template import Library, Node, NodeList
from django.template.base import Lexer, Parser, TextNode, Token, TokenType, VariableNode
from django.template.defaulttags import CycleNode, FirstOfNode, ForNode, IfChangedNode, IfNode, WithNode
from django.template.library import SimpleNode

from processes.domain.placeholders import scan_texts
from processes.domain.suggestions import did_you_mean
from processes.services.page_content.lookups import Expression, Loop
from processes.services.page_content.nodes import Counted, Placeholder, Value
from processes.services.page_content.problems import unreadable

__all__ = ["MARK", "VARIABLES", "read_content"]

#: What content may look at.
VARIABLES: Final = ("data", "param", "attr", "state", "user", "error", "language", "now")
#: Stands in the lexer's text where a placeholder is; no text that can be stored holds NUL.
MARK: Final = "\0"

_MARKED: Final = re.compile(r"\0(\d+)\0")
_MAX_DEPTH: Final = 25
_MAX_WORDS: Final = 60

_URL_NAMES: Final = "href|src|action|formaction|poster|cite|data|ping|background|srcset|xlink:href"
#: Where a text ends inside an attribute that holds a URL, before anything that ends a scheme. An entity never ends one:
#: browsers skip the blanks that entities stand for.
_URL_BEGINS: Final = re.compile(
    rf"""[\s"'/](?:{_URL_NAMES})\s*=\s*(?:"(?:&\#|[^"<>/?#:])*|'(?:&\#|[^'<>/?#:])*)$""", re.IGNORECASE
)
#: Where a text ends just before the value of such an attribute.
_URL_NAMED: Final = re.compile(rf"""[\s"'/](?:{_URL_NAMES})\s*=?\s*$""", re.IGNORECASE)
_UNQUOTED: Final = re.compile(r"<[A-Za-z][^<>]*\s[\w:-]+\s*=\s*$")
_ENDS_SCHEME: Final = re.compile(r"""[^"'<>/?#:]*:""")
_TAIL_CHARACTERS: Final = 500
#: Stands in a tail where a value was put.
_FILLED: Final = "\1"
#: So many ways may lead to one place.
_MAX_SPOTS: Final = 32

#: What leads from one place of HTML to the next. Names are bounded: unbounded, long ones take quadratic time.
_STEPS: Final[Mapping[str, re.Pattern[str]]] = {
    "text": re.compile(r"(?P<comment><!--)|(?P<tag></?[A-Za-z])"),
    "comment": re.compile(r"(?P<text>-->)"),
    "tag": re.compile(r"""(?P<text>>)|(?P<name>[^\s"'<>/=]{0,40})\s{0,40}=\s*(?:(?P<quote>["'])|[^\s"'>][^\s>]*)"""),
}

#: Where content would have to be something else, and what that is.
ELSEWHERE: Final = 'Put it into a template file, and name that file in "template"'
_ESCAPED: Final = "What comes from data stays escaped"
_CURES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("load", "include", "extends", "block", "url", "static", "csrf_token"), ELSEWHERE),
    **dict.fromkeys(("autoescape", "safe", "safeseq"), _ESCAPED),
    "else": "It belongs between {% if %} and {% endif %}; in a loop it is {% empty %}",
    "widthratio": "Calculate before, and put the number into the data",
    "stringformat": "floatformat writes numbers",
}


class Spot(NamedTuple):
    """Tell where in the HTML a piece stands: in which place, and after which text."""

    #: "text", "comment", "tag", or the quote and the name of the attribute whose value it is.
    place: str = "text"
    tail: str = ""

    def after(self, text: str) -> "Spot":
        """Return the spot behind a text."""
        tail = (self.tail + text)[-_TAIL_CHARACTERS:]
        # An attribute's name may have begun in the text before.
        place, at = self.place, 0
        if place == "tag" and (begun := re.search(r"""[^\s"'<>/=]*\s*=?\s*$""", self.tail)):
            text = begun[0] + text
        elif place == "text" and self.tail.endswith("<"):
            text = "<" + text
        while at < len(text):
            if place in _STEPS:
                if (found := _STEPS[place].search(text, at)) is None:
                    break
                kind, at = found.lastgroup or "", found.end()
                if place == "tag" and kind != "text":
                    place = f"{found['quote']}{found['name'].lower()}" if found["quote"] else "tag"
                else:
                    place = kind
            elif (end := text.find(place[0], at)) >= 0:
                place, at = "tag", end + 1
            else:
                break
        # What can't matter any more is left out, so that the ways to one place become one.
        matters = place == "tag" or _URL_BEGINS.search(tail) or _URL_NAMED.search(tail) or _UNQUOTED.search(tail)
        return Spot(place, tail if matters else "<" if tail.endswith("<") else "")

    def begins_url(self) -> bool:
        """Tell whether a URL begins here, or might still get its scheme."""
        return _URL_BEGINS.search(self.tail) is not None


class _Block:
    """Remember where a block begins, and where its branches end."""

    def __init__(self, start: frozenset[Spot]) -> None:
        self.start = start
        self.ends: list[frozenset[Spot]] = []

    def after(self, node: Node) -> frozenset[Spot]:
        """Return where the text may stand behind the block."""
        if isinstance(node, ForNode | IfChangedNode):
            skipped = len(self.ends) < 2
        else:
            skipped = isinstance(node, IfNode) and node.conditions_nodelists[-1][0] is not None
        return frozenset().union(*self.ends, self.start if skipped else ())

    def repeats_badly(self) -> bool:
        """Tell whether the second turn of a loop would begin at another place of the HTML than the first."""
        places = {spot.place for spot in self.start}
        if "tag" in places or {spot.place for spot in self.ends[0]} != places:
            return True
        return any(s.begins_url() for s in self.ends[0]) and not any(s.begins_url() for s in self.start)


def read_content(source: str, *, libraries: list[Library], origin: Any) -> NodeList:
    """Return the nodes of content; raises ContentError or TemplateSyntaxError for what can't be read."""
    fillers, _ = scan_texts([(("content",), source)])
    parts = list(fillers[0].parts) if fillers else [source]
    text = "".join(part if isinstance(part, str) else f"{MARK}{number}{MARK}" for number, part in enumerate(parts))
    tokens = Lexer(text).tokenize()
    for token in tokens:
        if token.token_type in (TokenType.VAR, TokenType.BLOCK):
            _check_tag(token, parts)
    parser = ContentParser(tokens, libraries=libraries, origin=origin, parts=parts)
    nodes = parser.parse()
    parser.check_uses()
    return nodes


class ContentParser(Parser):
    """Make nodes of tokens; every one of them is counted when it is rendered."""

    def __init__(self, tokens: list[Token], *, libraries: list[Library], origin: Any, parts: list[Any]) -> None:
        super().__init__(tokens, {}, libraries, origin)
        self._parts = parts
        self._at: Token | None = None
        #: Where in the HTML we may be: after a block, each of its branches may have led here.
        self._spots = frozenset({Spot()})
        self._blocks: dict[int, _Block] = {}
        self._uses: list[tuple[str, Token | None]] = []
        self._known = {*VARIABLES, "forloop", "True", "False", "None"}

    def next_token(self) -> Token:
        """Return the next token, and remember it as the place where we are."""
        self._at = super().next_token()
        return self._at

    def parse(self, parse_until: Any = None) -> NodeList:
        """Return the nodes up to one of these tags, or to the end."""
        if len(self.command_stack) > _MAX_DEPTH:
            raise unreadable(f"Tags nest more than {_MAX_DEPTH} deep", self.command_stack[-1][1])
        if not parse_until:
            return super().parse(parse_until)
        # The tag is on the stack as long as its branches are read; each begins where the block does.
        block = self._blocks.setdefault(id(self.command_stack[-1][1]), _Block(self._spots))
        self._spots = block.start
        nodes = super().parse(parse_until)
        block.ends.append(self._spots)
        return nodes

    def compile_filter(self, token: str) -> Expression:
        """Return a variable with its filters."""
        return Expression(token, self)

    def note_use(self, name: str) -> None:
        """Remember that a variable is used, to ask in the end whether there is one."""
        self._uses.append((name, self._at))

    def check_uses(self) -> None:
        """Raise ContentError where a variable is used that nothing sets."""
        for name, token in self._uses:
            if name not in self._known:
                cure = did_you_mean(name, sorted(self._known)) or f"Look below one of {', '.join(VARIABLES)}"
                raise unreadable(f'There is no variable "{name}"', token, suggestion=cure)

    def extend_nodelist(self, nodelist: NodeList, node: Node, token: Token) -> None:
        """Add a node, in the form in which it is counted and escapes."""
        if isinstance(node, TextNode):
            for piece in self._pieces(node.s):
                self._append(nodelist, piece, token)
            return
        if isinstance(node, VariableNode):
            node = Value(cast(Expression, node.filter_expression), begins_url=self._begins_url())
            self._fill()
        elif _writes(node) and self._begins_url():
            raise unreadable(
                "This tag can't stand where a URL begins", token,
                suggestion="Write the URL with {{ … }}, which checks it, or put {% if %} around the whole element",
            )  # fmt: skip
        self._leave_block(node, token)
        if isinstance(node, ForNode):
            node.sequence = Loop(node.sequence)  # type: ignore[assignment]  # all that is asked of it is `resolve`
        self._known.update(_names_set_by(node))
        self._append(nodelist, node, token)

    def find_filter(self, filter_name: str) -> Any:
        """Return a listed filter."""
        if filter_name not in self.filters:
            cure = _CURES.get(filter_name) or did_you_mean(filter_name, self.filters)
            cure = cure or f"There are {', '.join(sorted(self.filters))}"
            raise unreadable(f'There is no filter "{filter_name}" in content', self._at, suggestion=cure)
        return self.filters[filter_name]

    def invalid_block_tag(self, token: Token, command: str, parse_until: Any = None) -> None:
        """Raise ContentError for a tag that isn't listed, or stands where it can't."""
        awaited = [name for name in parse_until or () if name.startswith("end")]
        cure = _CURES.get(command) or did_you_mean(command, [*self.tags, *(parse_until or ())])
        if command.startswith("end") and awaited:
            cure = f"{{% {awaited[0]} %}} comes first"
        cure = cure or f"There are {', '.join(sorted(self.tags))}"
        where = "here" if command.startswith(("end", "el", "empty")) else "in content"
        raise unreadable(f'There is no tag "{command}" {where}', token, suggestion=cure)

    def unclosed_block_tag(self, parse_until: Any) -> None:
        """Raise ContentError for a tag whose end is missing."""
        command, token = self.command_stack.pop()
        raise unreadable(f'"{command}" isn\'t closed', token, suggestion=f"Add {{% {parse_until[-1]} %}}")

    def _append(self, nodelist: NodeList, node: Node, token: Token) -> None:
        node.token = token
        nodelist.append(Counted(node, token))

    def _pieces(self, text: str) -> Iterator[Node]:
        for number, piece in enumerate(_MARKED.split(text)):
            if number % 2:
                yield Placeholder(self._parts[int(piece)], begins_url=self._begins_url())
                self._fill()
            elif piece:
                self._check_scheme(piece)
                self._move({spot.after(piece) for spot in self._spots})
                yield TextNode(piece)

    def _begins_url(self) -> bool:
        if any(_UNQUOTED.search(spot.tail) for spot in self._spots):
            raise unreadable(
                "A value that is filled into an attribute needs quotes around it", self._at,
                suggestion='Write it like href="…"',
            )  # fmt: skip
        return any(spot.begins_url() for spot in self._spots)

    def _fill(self) -> None:
        self._move({spot.after(_FILLED) if spot.begins_url() else spot for spot in self._spots})

    def _check_scheme(self, text: str) -> None:
        """Raise ContentError where a text makes a scheme of the value before it."""
        filled = any(_FILLED in spot.tail and spot.begins_url() for spot in self._spots)
        if filled and _ENDS_SCHEME.match(unescape(text)):
            raise unreadable(
                "A colon can't follow a value with which a URL begins", self._at,
                suggestion="Put the whole URL into one value, or begin with the path or https://",
            )  # fmt: skip

    def _leave_block(self, node: Node, token: Token) -> None:
        block = self._blocks.pop(id(token), None)
        if block is None:
            return
        if isinstance(node, ForNode) and block.repeats_badly():
            raise unreadable(
                "A loop can't stand between attributes, nor end at another place of the HTML than it begins", token,
                suggestion="Put {% for %} around whole elements, or inside the quotes of one attribute",
            )  # fmt: skip
        self._move(block.after(node))

    def _move(self, spots: "set[Spot] | frozenset[Spot]") -> None:
        if len(spots) > _MAX_SPOTS:
            raise unreadable(
                "Too many blocks within one HTML tag", self._at, suggestion="Put {% if %} around whole elements"
            )
        self._spots = frozenset(spots)


def _writes(node: Node) -> bool:
    """Tell whether a tag puts something on the page itself, unchecked."""
    if isinstance(node, CycleNode):
        return not node.silent
    if isinstance(node, FirstOfNode):
        return not node.asvar
    return isinstance(node, SimpleNode) and not node.target_var


def _check_tag(token: Token, parts: list[Any]) -> None:
    if (mark := _MARKED.search(token.contents)) is not None:
        part = parts[int(mark[1])]
        variable = "now" if part.source == "now" else f"{part.source}.{part.name}"
        token.contents = _MARKED.sub(lambda found: str(parts[int(found[1])].text), token.contents)
        raise unreadable(
            f"A placeholder can't stand inside a tag ({part.text})", token, suggestion=f"Use the variable: {variable}"
        )
    if len(token.contents.split()) > _MAX_WORDS:
        raise unreadable(f"A tag has at most {_MAX_WORDS} words", token)


def _names_set_by(node: Node) -> Iterator[str]:
    """Give the variables that a tag sets."""
    if isinstance(node, ForNode):
        yield from node.loopvars
    elif isinstance(node, WithNode):
        yield from node.extra_context
    elif isinstance(node, CycleNode) and node.variable_name:
        yield node.variable_name
    elif isinstance(node, FirstOfNode) and node.asvar:
        yield node.asvar
    elif isinstance(node, SimpleNode) and node.target_var:
        yield node.target_var
