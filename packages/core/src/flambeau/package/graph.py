"""Which module of a package needs which, and what becomes of each."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

from .patterns import GlobGroup


@dataclasses.dataclass
class Node:
    """A module or a pickled object: `action` is intern, extern, mock or deny; `problem` why it cannot be."""

    action: str | None = None
    problem: str | None = None
    note: str | None = None
    source: str | None = None
    is_package: bool = False
    is_pickle: bool = False


@dataclasses.dataclass
class Rule:
    """What is to become of modules whose names match."""

    group: GlobGroup
    action: str
    allow_empty: bool
    was_matched: bool = False


class Graph:
    """Nodes in the order in which they were found, and edges from what needs to what is needed."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self._needs: dict[str, dict[str, None]] = {}
        self._needed_by: dict[str, dict[str, None]] = {}

    def node(self, name: str) -> Node:
        """The node of that name, made where there is none."""
        return self.nodes.setdefault(name, Node())

    def edge(self, source: str, target: str) -> None:
        """`source` needs `target`."""
        self._needs.setdefault(source, {})[target] = None
        self._needed_by.setdefault(target, {})[source] = None

    def named(self, action: str) -> list[str]:
        """The modules of which that is to become, in alphabetic order."""
        found = (n for n, node in self.nodes.items() if node.action == action)
        return sorted(n for n in found if not self.nodes[n].is_pickle)

    def needed_by(self, name: str) -> list[str]:
        """What needs `name`. ValueError where there is no such node."""
        self._check(name)
        return list(self._needed_by.get(name, ()))

    def _check(self, name: str) -> None:
        if name not in self.nodes:
            raise ValueError(f"The node {name} is not in the digraph.")

    def _reached(self, start: str, step: Callable[[str], dict[str, None]]) -> set[str]:
        seen, todo = {start}, [start]
        while todo:
            for name in step(todo.pop()):
                if name not in seen:
                    seen.add(name)
                    todo.append(name)
        return seen

    def way(self, target: str) -> list[str]:
        """A shortest way from something that nothing needs to `target`."""
        before: dict[str, str | None] = {target: None}
        todo = [target]
        for name in todo:
            above = self._needed_by.get(name, {})
            if not above:
                path: list[str] = []
                at: str | None = name
                while at is not None:
                    path.append(at)
                    at = before[at]
                return path
            for one in above:
                if one not in before:
                    before[one] = name
                    todo.append(one)
        return [target]

    def between(self, source: str, target: str) -> str:
        """All ways from `source` to `target`, as text in the language of Graphviz."""
        self._check(source)
        self._check(target)
        on_the_way = self._reached(source, lambda n: self._needs.get(n, {})) & self._reached(
            target, lambda n: self._needed_by.get(n, {})
        )
        return self.dot(on_the_way)

    def dot(self, only: set[str] | None = None) -> str:
        """The edges, as text in the language of Graphviz."""
        lines = [f'"{a}" -> "{b}";\n' for a, b in self._edges() if only is None or {a, b} <= only]
        return f"digraph G {{\nrankdir = LR;\nnode [shape=box];\n{''.join(lines)}}}\n"

    def _edges(self) -> Iterator[tuple[str, str]]:
        for source, targets in self._needs.items():
            for target in targets:
                yield source, target
