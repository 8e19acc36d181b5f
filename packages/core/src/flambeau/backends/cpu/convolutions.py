"""Convolutions by the kernels of `kernels/conv*.c`: forward, and the gradients for input and weight.

What C is to do is worked out here once for each geometry and kept: how the input is laid out (`headers/fb_windows.h`), which
taps each part of the output has and where they stand, and whether columns are packed (`_packed`, by cost). The operators pack
weights at every call; `prepared` gives what compiled programs use, packing apart from convolving.
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from itertools import product
from math import inf, prod
from typing import Any

import numpy as np

from ...ops.convolution import _check_shapes, output_size
from .native import Kernels, address, table
from .offers import offer

conv = Kernels("conv.c")
of_weight = Kernels("conv_weight.c")
depthwise = Kernels("conv_depthwise.c")
winograd = Kernels("conv_winograd.c")

Shape = tuple[int, ...]
DIMENSIONS = 3
HEAD = 32
VECTOR = 16  # positions of a vector of float32 in AVX-512; elsewhere the choice is the same but for small images
PACKING = 6  # what it costs to pack a column, in rows of weights that could be multiplied instead; measured
WINOGRAD = (
    1.5  # a product there costs as much more than one here, with the additions around it; measured
)
LEAST_CHANNELS = 24  # fewer do not pay for the additions
LEAST_TILES = 80  # 2 x 2 results in all; fewer do not pay for the weights' transform
FEW_ROWS = 4  # rows of weights of a group; fewer fill no tile of vectors along the rows
ALIAS = 4096  # planes that lie a multiple of this many bytes apart meet in the same sets of the first cache


class Frame:
    """How planes are laid out for windows: the numbers of `struct frame`."""

    def __init__(self, size: Shape, lo: Shape, hi: Shape, step: Shape, reach: Shape, grid: Shape):
        """`reach` has the coordinate of each dimension's last tap, `grid` the number of windows."""
        self.step = step
        self.phases = tuple(min(s, r + 1) for s, r in zip(step, reach))
        whole = [
            max(n + a + b, (g - 1) * s + r + 1)
            for n, a, b, g, s, r in zip(size, lo, hi, grid, step, reach)
        ]
        room = [-(-n // s) for n, s in zip(whole, step)]
        if step[2] == 1:  # the padding behind a row is the padding before the next
            room[2] = max(size[2] + max(lo[2], hi[2]), grid[2])
        self.room = tuple(room)
        plain = step == (1, 1, 1) and not any(lo) and self.room == size
        self.prepared = not plain
        plane = prod(self.phases) * prod(room)
        if self.prepared:
            plane = -(-plane // VECTOR) * VECTOR
            if plane * 4 % ALIAS == 0:
                plane += VECTOR
        self.plane = plane
        self.numbers = [*size, *lo, *step, *self.phases, *room, plane]
        self.pitches = (room[1] * room[2], room[2])
        self.span = sum((n - 1) * p for n, p in zip(grid, (*self.pitches, 1))) + 1

    def offset(self, tap: Shape) -> int:
        """Where a tap at these coordinates reads, counted from its window's place."""
        phase = place = 0
        for t, s, phases, room in zip(tap, self.step, self.phases, self.room):
            phase = phase * phases + t % s
            place = place * room + t // s
        return phase * prod(self.room) + place


def _three(values: Any, missing: int) -> Shape:
    """The numbers for three dimensions, those that are missing put in front."""
    return (missing,) * (DIMENSIONS - len(values)) + tuple(values)


def _sides(padding: Any) -> tuple[Shape, Shape]:
    return _three([lo for lo, _ in padding], 0), _three([hi for _, hi in padding], 0)


def _packed(frame: Frame, grid: Shape, images: int, rows: int) -> bool:
    """Whether it costs less to pack the columns than to compute what lies between the rows."""
    in_place = images * -(-frame.span // VECTOR)
    return -(-images * prod(grid) // VECTOR) * (1 + PACKING / rows) < in_place


class Plan:
    """The numbers that C reads, and where they lie."""

    def __init__(
        self, head: list[int], frame: Frame, parts: list[list[int]], tables: list[int]
    ) -> None:
        self.channels, self.rows = head[2], head[3]
        numbers = [*head, *frame.numbers]
        numbers += [0] * (HEAD - len(numbers))
        self.numbers = table([*numbers, *[n for part in parts for n in part], *tables])
        self.address = address(self.numbers)


MOST_PHASES = (
    1 << 10
)  # products of strides beyond which nearly all that would be laid out is never read


@lru_cache(maxsize=1024)
def forward_plan(
    x: Shape, w: Shape, out: Shape, stride: Shape, padding: Any, dilation: Shape, groups: int
) -> Plan:
    """What C does for the convolution of x with w, and for its gradient for the weight."""
    images, channels, rows = x[0], x[1] // groups, w[0] // groups
    size, grid, kernel = _three(x[2:], 1), _three(out, 1), _three(w[2:], 1)
    step, gap = _three(stride, 1), _three(dilation, 1)
    lo, hi = _sides(padding)
    if kernel == step == (1, 1, 1) and not any((*lo, *hi)):  # one row without ends
        size = grid = (1, 1, prod(size))
    reach = tuple((k - 1) * d for k, d in zip(kernel, gap))
    frame = Frame(size, lo, hi, step, reach, grid)
    taps = list(product(*map(range, kernel)))
    offsets = [frame.offset(tuple(t * d for t, d in zip(tap, gap))) for tap in taps]
    packed = _packed(frame, grid, images, rows)
    head = [images, groups, channels, rows, packed, frame.prepared, 1]
    head += [channels * len(taps), len(taps), rows * channels * len(taps)]
    part = [len(taps), *grid, 0, 0, 0, 1, 1, 1]
    return Plan([*head, *frame.pitches, *grid], frame, [part], [*offsets, *range(len(taps))])


@lru_cache(maxsize=1024)
def input_plan(
    y: Shape, w: Shape, size: Shape, stride: Shape, padding: Any, dilation: Shape, groups: int
) -> Plan:
    """The transposed convolution of y (N, O, *windows) to (N, C, *size)."""
    images, channels, rows = y[0], y[1] // groups, w[1]
    windows, sizes, kernel = _three(y[2:], 1), _three(size, 1), _three(w[2:], 1)
    step, gap = _three(stride, 1), _three(dilation, 1)
    before, _ = _sides(padding)
    if kernel == step == (1, 1, 1) and windows == sizes and not any(before):
        windows = sizes = (1, 1, prod(sizes))
    # Input u meets tap k in window (u + before - k * gap) / step. Inputs are counted by j = (u + before) // step.
    first = tuple(p // s for p, s in zip(before, step))
    grid = tuple((n - 1 + p) // s - j + 1 for n, p, s, j in zip(sizes, before, step, first))
    back = tuple((k - 1) * d // s for k, d, s in zip(kernel, gap, step))
    lo = tuple(b - j for b, j in zip(back, first))
    hi = tuple(j + g - n for j, g, n in zip(first, grid, windows))
    frame = Frame(windows, lo, hi, (1, 1, 1), (0, 0, 0), grid)
    taps = list(product(*map(range, kernel)))
    parts, tables = [], []
    for residue in product(*map(range, step)):
        mine = [
            (number, tap)
            for number, tap in enumerate(taps)
            if all(k * d % s == r for k, d, s, r in zip(tap, gap, step, residue))
        ]
        at = [j * s + r - p for j, s, r, p in zip(first, step, residue, before)]
        if any(a >= n or a + (g - 1) * s < 0 for a, n, g, s in zip(at, sizes, grid, step)):
            mine = []  # all of it lies outside
        parts.append([len(mine), *grid, *at, *step])
        tables += [
            frame.offset(tuple(b - k * d // s for b, k, d, s in zip(back, tap, gap, step)))
            for _, tap in mine
        ]
        tables += [number for number, _ in mine]
    packed = _packed(frame, grid, images, rows)
    head = [images, groups, channels, rows, packed, frame.prepared, len(parts)]
    head += [len(taps), rows * len(taps), rows * channels * len(taps)]
    return Plan([*head, *frame.pitches, *sizes], frame, parts, tables)


@lru_cache(maxsize=1024)
def winograd_plan(x: Shape, w: Shape, out: Shape, padding: Any, transposed: bool) -> Plan | None:
    """The convolution of x with the 3 x 3 weights w in fewer products; None where they are not worth it.

    `transposed`: w is (channels of x, rows, 3, 3), and turned round.
    """
    images, channels = x[:2]
    rows = w[1] if transposed else w[0]
    grid = (1, -(-out[0] // 2), -(-out[1] // 2))
    tiles = images * prod(grid)
    direct = prod(out) * images * channels * rows * 9
    fewer = -(-tiles // VECTOR) * VECTOR * channels * rows * 16
    if fewer * WINOGRAD > direct or min(channels, rows) < LEAST_CHANNELS or tiles < LEAST_TILES:
        return None
    (a, b), (c, d) = padding
    frame = Frame((1, *x[2:]), (0, a, c), (0, b, d), (1, 2, 2), (0, 3, 3), grid)
    offsets = [frame.offset((0, i, j)) for i in range(4) for j in range(4)]
    order = list(range(8, -1, -1) if transposed else range(9)) + [0] * 7
    strides = [9, rows * 9] if transposed else [channels * 9, 9]
    head = [images, 1, channels, rows, 1, 1, 1, *strides, 0]
    part = [16, *grid, 0, 0, 0, 1, 1, 1]
    return Plan([*head, *frame.pitches, 1, *out], frame, [part], [*offsets, *order])


def _may_be_winograd(kernel: Shape, stride: Any, dilation: Any, groups: int) -> bool:
    return groups == 1 and kernel == (3, 3) and max(stride) == 1 and max(dilation) == 1


# -- the three primitives ----------------------------------------------------------------------------


def _whole(x: np.ndarray) -> np.ndarray:
    """`x` in one piece and aligned, as C reads it."""
    return x if x.flags.carray else np.require(x, None, ["C", "A"])


def _bias(b: np.ndarray | None) -> tuple[int, Any]:
    if b is None:
        return 0, None
    b = _whole(b)
    return address(b), b


def convolution(
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | None,
    *,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Any:
    """The operator of that name."""
    kernel = w.shape[2:]
    _check_shapes(x, w, b, padding, dilation, groups)
    out = output_size(x.shape[2:], kernel, stride, padding, dilation)
    y = np.empty((len(x), len(w), *out), x.dtype)
    if not (x.size and w.size and y.size):
        return NotImplemented
    options = (tuple(stride), tuple(padding), tuple(dilation), groups)
    plan: Plan | None = None
    call = _winograd
    if _may_be_winograd(kernel, stride, dilation, groups):
        plan = winograd_plan(x.shape, w.shape, out, options[1], False)
    if plan is None:
        plan, call = forward_plan(x.shape, w.shape, out, *options), _run
    x, w = _whole(x), _whole(w)
    bias, _keep = _bias(b)
    call(plan, x, w, bias, y)
    return y


def _consistent(
    size: Any,
    kernel: Any,
    y: Shape,
    rows: int,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> bool:
    """Whether `size` has windows as `y` (N, rows, *windows) says; what is not consistent, the reference refuses."""
    dims = len(y) - 2
    if groups < 1 or y[1] != rows or rows % groups or any(len(v) != dims for v in (size, kernel, stride, padding, dilation)):  # fmt: skip
        return False
    if min(stride) < 1 or min(dilation) < 1 or min(kernel) < 1:
        return False
    return tuple(output_size(size, kernel, stride, padding, dilation)) == tuple(y[2:])


def convolution_input(
    y: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | None,
    *,
    size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Any:
    """The operator of that name: the transposed convolution."""
    if not _consistent(size, w.shape[2:], y.shape, len(w), stride, padding, dilation, groups):
        return NotImplemented
    if b is not None and b.shape != (w.shape[1] * groups,):
        return NotImplemented
    x = np.empty((len(y), w.shape[1] * groups, *size), y.dtype)
    if not (x.size and w.size and y.size) or prod(stride) > MOST_PHASES:
        return NotImplemented
    alone = prod(y.shape[2:]) == 1 and tuple(size) == w.shape[2:] and not any(map(any, padding))
    if alone and groups == 1 and b is None and max(dilation) == 1:
        # One window for each image: a product of matrices, of which no tap is beside the window.
        columns = _whole(w).reshape(1, len(w), -1)
        made = convolution(
            columns,
            y.reshape(*y.shape[:2], 1),
            None,
            stride=(1,),
            padding=((0, 0),),
            dilation=(1,),
            groups=1,
        )
        return made.reshape(x.shape)
    size, options = tuple(size), (tuple(stride), tuple(padding), tuple(dilation), groups)
    plan: Plan | None = None
    call = _winograd
    if _may_be_winograd(w.shape[2:], stride, dilation, groups):
        sides = tuple((2 - lo, n - m + lo) for (lo, _), n, m in zip(padding, size, y.shape[2:]))
        plan = winograd_plan(y.shape, w.shape, size, sides, True)
    if plan is None:
        plan, call = input_plan(y.shape, w.shape, size, *options), _run
    y, w = _whole(y), _whole(w)
    bias, _keep = _bias(b)
    call(plan, y, w, bias, x)
    return x


def _single(plan: Plan) -> bool:
    """Whether groups are so small that planes are swept one by one."""
    return plan.channels == 1 and plan.rows <= FEW_ROWS


def _winograd(plan: Plan, x: np.ndarray, w: np.ndarray, bias: int, y: np.ndarray) -> None:
    call = getattr(winograd, x.dtype.name).winograd
    call(address(x), address(w), bias, address(y), plan.address)


def _run(plan: Plan, x: np.ndarray, w: np.ndarray, bias: int, y: np.ndarray) -> None:
    single = _single(plan)
    found = getattr(depthwise if single else conv, x.dtype.name)
    call = found.depthwise if single else found.convolution
    call(address(x), address(w), bias, address(y), plan.address)


def convolution_weight(
    x: np.ndarray,
    y: np.ndarray,
    *,
    kernel: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Any:
    """The operator of that name: the gradient for the weight."""
    size = x.shape[2:]
    if not _consistent(size, kernel, y.shape, y.shape[1], stride, padding, dilation, groups):
        return NotImplemented
    if len(x) != len(y) or x.shape[1] % groups:
        return NotImplemented
    w = np.empty((y.shape[1], x.shape[1] // groups, *kernel), x.dtype)
    if not (x.size and w.size and y.size):
        return NotImplemented
    plan = forward_plan(
        x.shape, w.shape, y.shape[2:], tuple(stride), tuple(padding), tuple(dilation), groups
    )
    x, y = _whole(x), _whole(y)
    if plan.rows < FEW_ROWS:
        call = getattr(depthwise, x.dtype.name).depthwise_weight
    else:
        call = getattr(of_weight, x.dtype.name).convolution_weight
    call(address(x), address(y), address(w), plan.address)
    return w


# -- weights packed once -----------------------------------------------------------------------------


class Activation(IntEnum):
    """What is done to results on their way out (`headers/fb_finish.h`). ReLU is a clamp to (0, inf)."""

    NONE, CLAMP, SILU, HARDSWISH = range(4)


class Prepared:
    """One convolution's way of being computed, with weights that are packed beforehand.

    `pack` once for each weight, `convolve` as often as wanted: one native call on memory that the caller gives.
    """

    def __init__(self, plan: Plan, kernels: Kernels, name: str, out: Shape) -> None:
        self.plan, self.out = plan, out
        self._kernels, self._name = kernels, name

    def _function(self, dtype: np.dtype, suffix: str) -> Any:
        return getattr(getattr(self._kernels, dtype.name), self._name + suffix)

    def room(self, w: Shape, dtype: np.dtype) -> Shape:
        """The shape of the packed weights."""
        return (
            w if self._name == "depthwise" else (self._function(dtype, "_room")(self.plan.address),)
        )

    def pack(self, w: np.ndarray) -> np.ndarray:
        """The weights as `convolve` reads them."""
        w = _whole(w)
        if self._name == "depthwise":
            return w.copy()
        packed = np.empty(self.room(w.shape, w.dtype), w.dtype)
        self._function(w.dtype, "_pack")(address(w), address(packed), self.plan.address)
        return packed

    def convolve(
        self,
        x: np.ndarray,
        packed: np.ndarray,
        bias: np.ndarray | None = None,
        residual: np.ndarray | None = None,
        activation: Activation = Activation.NONE,
        low: float = -inf,
        high: float = inf,
        out: np.ndarray | None = None,
    ) -> np.ndarray:
        """activation(convolution(x) + bias + residual), in `out` where it is given.

        All arrays are contiguous, of x's dtype; the residual is shaped as the result and does not share its memory. `low`
        and `high` are the bounds of CLAMP, which leaves NaN alone.
        """
        y = np.empty(self.out, x.dtype) if out is None else out
        self._function(x.dtype, "_packed")(
            address(x), address(packed),
            0 if bias is None else address(bias), 0 if residual is None else address(residual),
            address(y), int(activation), low, high, self.plan.address,
        )  # fmt: skip
        return y


@lru_cache(maxsize=1024)
def prepared(
    x: Shape,
    w: Shape,
    stride: Shape,
    padding: tuple[tuple[int, int], ...],
    dilation: Shape,
    groups: int,
) -> Prepared | None:
    """How x (its shape) is convolved with packed weights; None where nothing is to be computed."""
    grid = output_size(x[2:], w[2:], stride, padding, dilation)
    out = (x[0], w[0], *grid)
    if not (prod(x) and prod(w) and prod(out)) or not 1 <= len(stride) <= DIMENSIONS:
        return None
    if _may_be_winograd(w[2:], stride, dilation, groups):
        plan = winograd_plan(x, w, grid, padding, False)
        if plan is not None:
            return Prepared(plan, winograd, "winograd", out)
    plan = forward_plan(x, w, grid, stride, padding, dilation, groups)
    if _single(plan):
        return Prepared(plan, depthwise, "depthwise", out)
    return Prepared(plan, conv, "convolution", out)


# -- offers ------------------------------------------------------------------------------------------


def _accepts(metas: list, attrs: dict[str, Any]) -> bool:
    return 1 <= len(attrs["stride"]) <= DIMENSIONS


def register() -> None:
    """Enters the offers; called when one of the operators first meets an array that is large enough."""
    from .providers import BY_HAND

    least = BY_HAND["convolutions"]
    for kernel in (convolution, convolution_input, convolution_weight):
        offer(kernel.__name__, kernel, _accepts, least[kernel.__name__])
