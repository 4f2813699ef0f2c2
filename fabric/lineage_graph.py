"""The graph of ``system.lineage``: what something rests on, what rests on it, and both as text, JSON or Mermaid."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fabric.product_types import VALUE_KINDS

Direction = Literal["up", "down"]
ROWS = "rows"
"""The kind of an edge between two objects as wholes: the rows of one are made of those of the other."""


@dataclass(frozen=True, slots=True, order=True)
class Node:
    """A column of an object; without one, which rows it has."""

    object: str
    column: str = ""

    def __str__(self) -> str:
        return f"{self.object}.{self.column}" if self.column else f"{self.object} ({ROWS})"


@dataclass(frozen=True, slots=True)
class Link:
    """``node`` is made of ``source`` or depends on it; without one, of what the reader may not know of."""

    node: Node
    source: Node | None
    kind: str | None
    masked: bool

    @property
    def told(self) -> str:
        """How, in words."""
        kind = "" if self.kind == ROWS else self.kind
        return ", ".join(filter(None, (kind, "masked" if self.masked else "")))


class Graph:
    """Links by their ends.

    Args:
        rows: of ``system.lineage``, by the names of its columns.
    """

    def __init__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        self.links = [_link(row) for row in rows]
        self._ends: dict[Direction, dict[Node, list[Link]]] = {"up": {}, "down": {}}
        for link in self.links:
            self._ends["up"].setdefault(link.node, []).append(link)
            if link.source is not None:
                self._ends["down"].setdefault(link.source, []).append(link)

    def nodes(self, name: str) -> list[Node]:
        """The nodes of an object, or the one of a column, written ``object.column``; compared without case."""
        wanted = name.replace('"', "").lower()
        known = {node for ends in self._ends.values() for node in ends}
        found = [node for node in known if node.object.lower() == wanted]
        if not found:
            found = [node for node in known if node.column and str(node).lower() == wanted]
        return sorted(found, key=lambda node: (not node.column, node))

    def next(self, node: Node, direction: Direction) -> Sequence[Link]:
        """The links of a node in a direction."""
        return self._ends[direction].get(node, ())

    def reached(self, starts: Iterable[Node], direction: Direction) -> list[Link]:
        """Every link that can be reached, each once, the nearest first."""
        found: dict[Link, None] = {}
        waiting, seen = list(starts), set(starts)
        for node in waiting:
            for link in self.next(node, direction):
                found[link] = None
                end = link.source if direction == "up" else link.node
                if end is not None and end not in seen:
                    seen.add(end)
                    waiting.append(end)
        return list(found)


def _link(row: Mapping[str, Any]) -> Link:
    node = Node(row["product"] or row["query_id"], row["column"] or "")
    source = Node(row["source"], row["source_column"] or "") if row["source"] else None
    return Link(node, source, row["kind"], bool(row["masked"]))


def as_text(graph: Graph, starts: Sequence[Node], directions: Sequence[Direction]) -> Iterator[str]:
    """A tree for each node and direction; what stands there already is not told again."""
    for node in starts:
        yield str(node)
        for direction in directions:
            yield from _tree(graph, node, direction)


def _tree(graph: Graph, start: Node, direction: Direction) -> Iterator[str]:
    arrow, seen = ("<-" if direction == "up" else "->"), {start}
    waiting = [(1, link) for link in reversed(graph.next(start, direction))]
    while waiting:
        depth, link = waiting.pop()
        end = link.source if direction == "up" else link.node
        shown = "what you may not know of" if end is None else str(end)
        how = f" ({link.told})" if link.told else ""
        more = graph.next(end, direction) if end is not None else ()
        again = " …" if more and end in seen else ""
        yield f"{'  ' * depth}{arrow} {shown}{how}{again}"
        if end is not None and end not in seen:
            seen.add(end)
            waiting += [(depth + 1, each) for each in reversed(more)]


def as_json(graph: Graph, starts: Sequence[Node], directions: Sequence[Direction]) -> str:
    """The links of each direction, as rows of ``system.lineage``."""
    found = {direction: [_row(link) for link in graph.reached(starts, direction)] for direction in directions}
    return json.dumps(found, indent=2, ensure_ascii=False)


def _row(link: Link) -> dict[str, object]:
    return {
        "object": link.node.object,
        "column": link.node.column or None,
        "source": link.source.object if link.source else None,
        "source_column": (link.source.column or None) if link.source else None,
        "kind": link.kind,
        "masked": link.masked,
    }


def as_mermaid(graph: Graph, starts: Sequence[Node], directions: Sequence[Direction]) -> Iterator[str]:
    """A flowchart: an object is a box around its columns, what only decides has a dotted arrow."""
    links = dict.fromkeys(link for each in directions for link in graph.reached(starts, each))
    nodes = dict.fromkeys(starts)
    for link in links:
        nodes |= dict.fromkeys(node for node in (link.source, link.node) if node is not None)
    numbers = {node: f"n{number}" for number, node in enumerate(nodes)}
    yield "flowchart LR"
    for number, name in enumerate(dict.fromkeys(node.object for node in nodes)):
        yield f'  subgraph g{number}["{_label(name)}"]'
        for node in nodes:
            if node.object == name:
                yield f'    {numbers[node]}["{_label(node.column or ROWS)}"]'
        yield "  end"
    for number, link in enumerate(links):
        source = numbers[link.source] if link.source else f"u{number}(( ))"
        label = f"|{link.told}|" if link.told else ""
        arrow = "-->" if link.kind in (*VALUE_KINDS, ROWS, None) else "-.->"
        yield f"  {source} {arrow}{label} {numbers[link.node]}"


def _label(text: str) -> str:
    """Text that Mermaid takes for nothing but text."""
    return "".join(each if each.isalnum() or each in " _.@-" else f"#{ord(each)};" for each in text)
