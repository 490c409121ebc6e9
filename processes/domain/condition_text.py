"""Look at the text of a CEL condition: which names it uses, what its macros bind, how much work it may be.

The grammar is the expression library's matter; this only tells words, texts, comments and brackets apart.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["MACROS", "ConditionText", "read_condition"]

#: Macros that go through a list; those in the second set build a new one, element by element.
MACROS: Final = frozenset({"all", "exists", "exists_one", "map", "filter"})
BUILDING: Final = frozenset({"map", "filter"})

#: How many values could be copied while a pattern is read; that is done in each round.
PATTERN_COST: Final = 500

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
    that could be written in the text, `sums` the number of its plus signs. `inside` are the uses of variables inside
    macros, each with its key (None for the whole), `words` how often `map` may write down what it is given, `patterns`
    says whether a pattern is matched there.
    """

    bound: frozenset[str]
    keys: dict[str, frozenset[str] | None]
    sizes: tuple[int, ...]
    depth: int
    macros: int
    building: bool
    items: int
    sums: int
    inside: tuple[tuple[str, str | None], ...]
    words: int
    patterns: bool

    def work(self, *, longest: int, whole: int, used: int) -> int:
        """Give an upper bound of the values that the macros go through and copy.

        Lists have up to `longest` elements; all variables together hold `whole` values, and those used inside of macros
        `used`, as often as they are used: each round copies what it uses.
        """
        if not self.macros:
            return 0
        growth = (1 + self.sums) ** self.macros
        grown = max(longest, self.items) * growth
        round_cost = 1 + used + (PATTERN_COST if self.patterns else 0)
        if self.building:
            # A list that is built is copied for each element that is added to it, with all that the elements hold.
            element = max(whole, self.items) * growth * self.words
            round_cost += (grown if self.inside else 1) * element
        return int(grown**self.depth * round_cost)


def read_condition(text: str) -> ConditionText:
    """Look at a text; one that isn't a condition gives something too, for the compiler to refuse."""
    tokens = list(_tokens(text))
    words = [index for index, token in enumerate(tokens) if token.kind == "word"]
    bound: set[str] = set()
    keys: dict[str, frozenset[str] | None] = {}
    sizes: list[int] = []
    uses: list[tuple[int, str, str | None]] = []
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
            uses.append((index, name, tokens[index + 2].text if member and not sign(index + 3, "(") else None))
    depths = _depths(tokens, macro_calls)
    signs = [token.text for token in tokens if token.kind == "sign"]
    within = [index for index in words if depths[index]]
    return ConditionText(
        bound=frozenset(bound), keys=keys, sizes=tuple(sizes), depth=max(depths, default=0),
        macros=len(macro_calls), building=bool(names & BUILDING), items=1 + signs.count(","), sums=signs.count("+"),
        inside=tuple((name, key) for index, name, key in uses if depths[index] and name not in bound),
        words=len(within) if "map" in names else 1,
        patterns=any(tokens[index].text == "matches" for index in within),
    )  # fmt: skip


def _depths(tokens: Sequence[_Token], macro_calls: Collection[int]) -> list[int]:
    """Give, for each token, in how many macros it stands; brackets count as inside."""
    opened: list[bool] = []
    depth, depths = 0, list[int]()
    for index, token in enumerate(tokens):
        if token.kind == "sign" and token.text in "([{":
            opened.append(index in macro_calls)
            depth += opened[-1]
        depths.append(depth)
        if token.kind == "sign" and token.text in ")]}" and opened:
            depth -= opened.pop()
    return depths


def _tokens(text: str) -> Iterator[_Token]:
    for match in _TOKEN.finditer(text):
        if match.lastgroup != "blank":
            yield _Token(str(match.lastgroup), match[0], match.start())
