"""Read content: Django's parser, with the listed tags and filters only, and errors that name line and cure."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from django.template import Library, Node, NodeList
from django.template.base import Lexer, Parser, TextNode, Token, TokenType, VariableNode
from django.template.defaulttags import CycleNode, FirstOfNode, ForNode, WithNode
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

#: Where a text ends inside an attribute that holds a URL, before anything that ends a scheme.
_URL_BEGINS: Final = re.compile(
    r"""[\s"'](?:href|src|action|formaction|poster|cite|data|ping|background|srcset|xlink:href)\s*=\s*"""
    r"""(?:"[^"<>/?#:]*|'[^'<>/?#:]*)$""",
    re.IGNORECASE,
)
_UNQUOTED: Final = re.compile(r"<[A-Za-z][^<>]*\s[\w:-]+\s*=\s*$")
_TAIL_CHARACTERS: Final = 500

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
        #: The end of the text so far, which tells where in the HTML a variable stands.
        self._tail = ""
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
        return super().parse(parse_until)

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
        elif isinstance(node, ForNode):
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
            elif piece:
                self._tail = (self._tail + piece)[-_TAIL_CHARACTERS:]
                yield TextNode(piece)

    def _begins_url(self) -> bool:
        if _UNQUOTED.search(self._tail):
            raise unreadable(
                "A value that is filled into an attribute needs quotes around it", self._at,
                suggestion='Write it like href="…"',
            )  # fmt: skip
        return _URL_BEGINS.search(self._tail) is not None


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
