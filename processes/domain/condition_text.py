"""Look at the text of a CEL condition: which names it uses, what its macros bind, how much work it may be.

The grammar is the expression library's matter; this only tells words, texts, comments and brackets apart.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

__all__ = ["MACROS", "ConditionText", "read_condition"]

#: Macros that go through a list; those in the second set build a new one, element by element.
MACROS: Final = frozenset({"all", "exists", "exists_one", "map", "filter"})
BUILDING: Final = frozenset({"map", "filter"})

_TOKEN = re.compile(
    r"""(?P<blank>\s+|//[^\n]*)
    |(?P<text>[bB]?[rR]?(?:\"{3}.*?(?:\"{3}|\Z)|'{3}.*?(?:'{3}|\Z)))
    |(?P<raw>[bB]?[rR](?:\"[^\"\n]*\"?|'[^'\n]*'?))
    |(?P<quoted>[bB]?(?:\"(?:\\.|[^\"\\\n])*\"?|'(?:\\.|[^'\\\n])*'?))
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<number>[0-9][A-Za-z0-9_]*(?:\.[0-9][A-Za-z0-9_]*)?)
    |(?P<sign>.)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionText:
    """Hold what a text shows of itself.

    `bound` are the variables of its macros. `keys` tells, by variable, under which keys it is used (`data.a` uses
    `a`), None where it is used as a whole. `sizes` are the places of calls of `size`. `depth` is how deeply macros are
    nested, `macros` how many there are, `building` whether any builds a list; `items` is the length of the longest list
    that could be written in the text, `sums` the number of its plus signs.
    """

    bound: frozenset[str]
    keys: dict[str, frozenset[str] | None]
    sizes: tuple[int, ...]
    depth: int
    macros: int
    building: bool
    items: int
    sums: int

    def work(self, longest: int) -> int:
        """Give an upper bound of the elements that the macros go through, over lists of up to `longest` elements."""
        if not self.macros:
            return 0
        grown = max(longest, self.items) * (1 + self.sums) ** self.macros
        # A list that is built is copied for each element that is added to it.
        return int(grown ** (self.depth + (1 if self.building else 0)))


def read_condition(text: str) -> ConditionText:
    """Look at a text; one that isn't a condition gives something too, for the compiler to refuse."""
    tokens = list(_tokens(text))
    words = [index for index, token in enumerate(tokens) if token.kind == "word"]
    bound: set[str] = set()
    keys: dict[str, frozenset[str] | None] = {}
    sizes: list[int] = []
    opened: list[bool] = []
    macro_calls: set[int] = set()
    names: set[str] = set()

    def sign(index: int, wanted: str) -> bool:
        return 0 <= index < len(tokens) and tokens[index].text == wanted and tokens[index].kind == "sign"

    for index in words:
        name, called = tokens[index].text, sign(index + 1, "(")
        if called and name == "size":
            sizes.append(tokens[index].start)
        if sign(index - 1, "."):
            if called and name in MACROS:
                macro_calls.add(index + 1)
                names.add(name)
                if index + 2 < len(tokens) and tokens[index + 2].kind == "word":
                    bound.add(tokens[index + 2].text)
        elif not called:
            member = index + 2 < len(tokens) and sign(index + 1, ".") and tokens[index + 2].kind == "word"
            known = keys.get(name, frozenset())
            if member and not sign(index + 3, "(") and known is not None:
                keys[name] = known | {tokens[index + 2].text}
            else:
                keys[name] = None
    depth = deepest = 0
    for index, token in enumerate(tokens):
        if token.kind == "sign" and token.text in "([{":
            opened.append(index in macro_calls)
            depth += opened[-1]
            deepest = max(deepest, depth)
        elif token.kind == "sign" and token.text in ")]}" and opened:
            depth -= opened.pop()
    signs = [token.text for token in tokens if token.kind == "sign"]
    return ConditionText(
        bound=frozenset(bound), keys=keys, sizes=tuple(sizes), depth=deepest, macros=len(macro_calls),
        building=bool(names & BUILDING), items=1 + signs.count(","), sums=signs.count("+"),
    )  # fmt: skip


def _tokens(text: str) -> Iterator[_Token]:
    for match in _TOKEN.finditer(text):
        if match.lastgroup != "blank":
            yield _Token(str(match.lastgroup), match[0], match.start())
