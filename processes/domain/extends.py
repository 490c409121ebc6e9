"""Order the templates that a template extends, and find cycles among them."""

from collections.abc import Mapping, Sequence

from processes.errors import DefinitionError, Problem

__all__ = ["MAX_EXTENDS_DEPTH", "linearise"]

MAX_EXTENDS_DEPTH = 50


def linearise(graph: Mapping[str, Sequence[str]], root: str) -> list[str]:
    """Give the templates in the order in which their layers apply, `root` last.

    `graph` maps each template to those it extends, in their listed order. Each extended template counts as the whole
    it is, with what it extends itself; one that is reached twice therefore applies twice. Of many applications
    only the first (which places its actions) and the last (which decides) matter, so no more than these are given.
    Raises DefinitionError for a cycle, naming its path, for an unknown template and for too many levels.
    """
    done: dict[str, list[str]] = {}

    def visit(name: str, trail: tuple[str, ...]) -> list[str]:
        if name in trail:
            cycle = " → ".join((*trail[trail.index(name) :], name))
            raise _refused(f"Templates extend each other in a circle: {cycle}", name)
        if len(trail) > MAX_EXTENDS_DEPTH:
            raise _refused(f"More than {MAX_EXTENDS_DEPTH} levels of extended templates", root)
        if name in done:
            return done[name]
        if name not in graph:
            where = f' (extended by "{trail[-1]}")' if trail else ""
            raise _refused(f'There is no template "{name}"{where}', name)
        order = [layer for base in graph[name] for layer in visit(base, (*trail, name))]
        order.append(name)
        done[name] = _first_and_last(order)
        return done[name]

    return visit(root, ())


def _first_and_last(order: list[str]) -> list[str]:
    first = {name: index for index, name in reversed(list(enumerate(order)))}
    last = {name: index for index, name in enumerate(order)}
    return [name for index, name in enumerate(order) if index in (first[name], last[name])]


def _refused(message: str, value: str) -> DefinitionError:
    return DefinitionError([Problem(path="/extends", message=message, value=value)])
