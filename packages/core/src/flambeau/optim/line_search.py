"""A line search for the strong Wolfe conditions, as L-BFGS needs it (Nocedal and Wright, chapter 3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from flambeau.optim import inner
from flambeau.runtime.tensor import Tensor

__all__ = ["strong_wolfe"]

SUFFICIENT, CURVATURE, TOLERANCE = 1e-4, 0.9, 1e-9


class Point(NamedTuple):
    """A step size with the loss, the gradient and the slope found there."""

    t: Any
    loss: float
    gradient: Tensor
    slope: Any


def strong_wolfe(
    along: Callable[[Any], tuple[float, Tensor]],
    size: Any,
    direction: Tensor,
    loss: float,
    gradient: Tensor,
    slope: Any,
    max_ls: int = 25,
) -> tuple[float, Tensor, Any, int]:
    """Loss, gradient and size at a step that meets the strong Wolfe conditions, and the evaluations used.

    `along(t)` evaluates the loss and the gradient `t` times `direction` away from here. After `max_ls`
    evaluations the best point so far is taken.
    """
    start = Point(0, loss, gradient.clone(), slope)

    def at(t: Any) -> Point:
        value, grad = along(t)
        return Point(t, value, grad, inner.dot(grad, direction))

    bracket, count = _bracketed(at, start, size, max_ls)
    if len(bracket) == 2:
        best, more = _zoomed(at, start, bracket, direction.abs().max(), max_ls - count)
        return best.loss, best.gradient, best.t, count + more + 1
    return bracket[0].loss, bracket[0].gradient, bracket[0].t, count + 1


def _bracketed(
    at: Callable[[Any], Point], start: Point, size: Any, max_ls: int
) -> tuple[list[Point], int]:
    """One good point, or two with a good one between them; and the evaluations after the first."""
    previous, here = start, at(size)
    for count in range(max_ls):
        if not _sufficient(start, here) or (count > 1 and here.loss >= previous.loss):
            return [previous, here], count
        if abs(here.slope) <= -CURVATURE * start.slope:
            return [here], count
        if here.slope >= 0:
            return [previous, here], count
        bounds = here.t + 0.01 * (here.t - previous.t), here.t * 10
        previous, here = here, at(_cubic(previous, here, bounds))
    return [start, here], max_ls


def _zoomed(
    at: Callable[[Any], Point], start: Point, bracket: list[Point], norm: Any, max_ls: int
) -> tuple[Point, int]:
    """A point between two that meets the conditions, or the best found; and the evaluations used."""
    low, high = sorted(bracket, key=lambda point: point.loss)
    slow = False
    for count in range(max_ls):
        if abs(high.t - low.t) * norm < TOLERANCE:
            return low, count
        t, slow = _inside(low, high, slow)
        here = at(t)
        if not _sufficient(start, here) or here.loss >= low.loss:
            low, high = (here, low) if here.loss < low.loss else (low, here)
            continue
        if abs(here.slope) <= -CURVATURE * start.slope:
            return here, count + 1
        if here.slope * (high.t - low.t) >= 0:
            high = low
        low = here
    return low, max(max_ls, 0)


def _sufficient(start: Point, here: Point) -> bool:
    """Whether the loss fell enough for the length of the step (Armijo's condition)."""
    return bool(here.loss <= start.loss + SUFFICIENT * here.t * start.slope)


def _inside(low: Point, high: Point, slow: bool) -> tuple[Any, bool]:
    """The next trial between two points, kept off the ends if the last one was near an end as well."""
    t = _cubic(low, high, None)
    left, right = min(low.t, high.t), max(low.t, high.t)
    margin = 0.1 * (right - left)
    if min(right - t, t - left) >= margin:
        return t, False
    if not (slow or t >= right or t <= left):
        return t, True
    return (right - margin if abs(t - right) < abs(t - left) else left + margin), False


def _cubic(a: Point, b: Point, bounds: tuple[Any, Any] | None) -> Any:
    """Where the cubic through two points and slopes is least, within `bounds` or between the points."""
    a, b = (a, b) if a.t <= b.t else (b, a)
    lowest, highest = bounds or (a.t, b.t)
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = d1**2 - a.slope * b.slope
    if square < 0:
        return (lowest + highest) / 2.0
    d2 = square.sqrt()
    t = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2))
    return min(max(t, lowest), highest)
