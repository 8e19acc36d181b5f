"""The table of a profile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["build"]

GAP = "  "
_UNITS = {"us": 1.0, "ms": 1e3, "s": 1e6}


def build(
    events: Any, sort_by: str | None, row_limit: int, widths: tuple[int, int, int], header: str | None,
    top_level_only: bool, time_unit: str | None, memory: bool, flops: bool,
) -> str:  # fmt: skip
    """`events` as text, a line each."""
    if not len(events):
        return ""
    if time_unit is not None and time_unit not in _UNITS:
        raise ValueError(f"time_unit should be one of {sorted(_UNITS)}, got {time_unit!r}")
    shown = list(events)
    if top_level_only:
        shown = [e for e in shown if e.cpu_parent is None]
    if sort_by is not None:
        column = sort_by.replace("cuda", "device")
        if not hasattr(shown[0] if shown else events[0], column):
            raise AttributeError(f"table: there is no column to sort by called {sort_by!r}")
        shown.sort(key=lambda e: getattr(e, column), reverse=True)
    if row_limit >= 0:
        shown = shown[:row_limit]
    columns = _columns(events, widths, _timer(time_unit), memory, flops)
    lines = [[make(event) for _, make, _ in columns] for event in shown]
    sizes = [_width(c, i, lines) for i, c in enumerate(columns)]
    rule = GAP.join("-" * size for size in sizes)
    body = [
        rule,
        _line([c[0] for c in columns], sizes),
        rule,
        *(_line(x, sizes) for x in lines),
        rule,
    ]
    if header is not None:
        body = ["=" * len(rule), header, *body]
    timer = _timer(time_unit)
    body.append(f"Self CPU time total: {timer(events.self_cpu_time_total)}")
    return "\n".join(body) + "\n"


def _timer(unit: str | None) -> Callable[[float], str]:
    from .profiler_util import _format_time

    return _format_time if unit is None else lambda us: f"{us / _UNITS[unit]:.3f}{unit}"


def _columns(
    events: Any,
    widths: tuple[int, int, int],
    time: Callable[[float], str],
    memory: bool,
    flops: bool,
) -> list[tuple[str, Callable[[Any], str], int | None]]:
    """Name, what it shows, and its width (None: as wide as it takes)."""
    from .profiler_util import _format_memory, _share

    total = events.self_cpu_time_total
    name, shapes, source = widths
    made: list[tuple[str, Callable[[Any], str], int | None]] = [
        ("Name", lambda e: _cut(e.key, name), None),
        ("Self CPU %", lambda e: _share(e.self_cpu_time_total, total), 12),
        ("Self CPU", lambda e: time(e.self_cpu_time_total), 12),
        ("CPU total %", lambda e: _share(e.cpu_time_total, total), 12),
        ("CPU total", lambda e: time(e.cpu_time_total), 12),
        ("CPU time avg", lambda e: time(e.cpu_time), 12),
    ]
    if memory:
        made.append(("CPU Mem", lambda e: _format_memory(e.cpu_memory_usage), 12))
        made.append(("Self CPU Mem", lambda e: _format_memory(e.self_cpu_memory_usage), 12))
    made.append(("# of Calls", lambda e: str(e.count), 12))
    if any(e.input_shapes for e in events):
        made.append(("Input Shapes", lambda e: _cut(str(e.input_shapes), shapes), None))
    if any(e.stack for e in events):
        made.append(
            ("Source Location", lambda e: _cut_front(e.stack[0] if e.stack else "", source), None)
        )
    if flops:
        made.append(("Total MFLOPs", lambda e: f"{e.flops / 1e6:.3f}" if e.flops else "--", 12))
    return made


def _cut(text: str, width: int | None) -> str:
    return text if width is None or len(text) <= width else text[: max(width - 3, 0)] + "..."


def _cut_front(text: str, width: int | None) -> str:
    """A place in a file: its folders tell least."""
    return text if width is None or len(text) <= width else "..." + text[len(text) - width + 3 :]


def _width(column: Any, i: int, lines: list[list[str]]) -> int:
    title, _, width = column
    longest = max([len(title), *(len(line[i]) for line in lines)])
    return max(width or 0, longest)


def _line(cells: list[str], sizes: list[int]) -> str:
    return GAP.join(cell.rjust(size) for cell, size in zip(cells, sizes)).rstrip()
