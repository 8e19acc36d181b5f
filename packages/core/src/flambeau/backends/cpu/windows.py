"""What the C of convolutions is told, worked out once for each geometry and kept: `Plan`.

How the input is laid out (`headers/fb_windows.h`), which taps each part of the output has and where they stand, and which
kernel is to do it, by cost.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from math import prod
from typing import Any

from .native import address, table

Shape = tuple[int, ...]
DIMENSIONS = 3
VECTOR = 16  # positions of a vector of float32 in AVX-512; elsewhere the choice is the same but for small images
PACKING = 6  # what it costs to pack a column, in rows of weights that could be multiplied instead; measured
# What a tile costs beside its products, in taps, where vectors run along positions and along rows; measured.
POSITIONS_END, ROWS_END = 15, 18
UNALIGNED = 1.03  # columns that are read from planes for several taps
ONE_VECTOR = (
    1.17  # the last of an odd number of vectors of rows: more elements are broadcast for a product
)
NARROW = 5  # windows in a row; fewer leave tiles along rows too small, and columns are packed
NARROW_COSTS = 1.25  # what that makes of the time; measured
WINOGRAD = (
    1.4  # a product there costs as much more than one here, with the additions around it; measured
)
LEAST_CHANNELS = 16  # of input and output; fewer do not pay for the additions
MORE_CHANNELS = 24  # of one of them; of both with packed weights, whose direct products are faster
# Channels of patches beyond a task's own that pieces of large windows may reach: each task transforms them, too.
NEAR_PATCHES = 1 << 13
LEAST_PATCHES = 12  # 2 x 2 results; fewer do not pay for weights that are 16 / 9 as large
LEAST_TILES = 36  # fewer do not pay for the weights' transform, either
QUARTERS = 1.3  # as WINOGRAD, of `conv_quarters.c`
FAR_WEIGHTS = 4 << 20  # bytes of transformed weights, from which on they are far away
PACKING_NEAR, PACKING_FAR = 400, 900  # what transforming them costs, as products of each; measured
QUARTERED = ((3, 3), (4, 4))
LEAST_QUARTERS = 16  # channels; fewer do not pay there
# `conv_planes.c`: heights of its blocks; what a vector of results costs beside its taps, in taps, and what a stride of 2 makes of both where
# one vector or two are read for it. `conv_channels.c`: what transposing an element costs, and a tap of a result. All measured.
HEIGHTS, ROWS_COST, NARROW_STEP, WIDE_STEP = (4, 7, 8), 22, 1.45, 2.05
TURNED_COST, TAP_COST = 1.13, 0.045
LEAST_ROWS = 4  # of results in a plane; fewer are too few sums at a time
MOST_WALK = 2  # the stride up to which `conv_broadcast.c` reads windows that stand apart
FEW_ROWS = 4  # rows of weights of a group; fewer fill no tile of vectors along the rows
ALONG_MOST = 16  # up to which the gradient for the weight may have vectors along the positions
ALIAS = 4096  # planes that lie a multiple of this many bytes apart meet in the same sets of the first cache


class Frame:
    """How planes are laid out for windows: the numbers of `struct frame`."""

    def __init__(
        self,
        size: Shape,
        lo: Shape,
        hi: Shape,
        step: Shape,
        reach: Shape,
        grid: Shape,
        walks: bool = False,
    ):
        """`reach` has the coordinate of each dimension's last tap, `grid` the number of windows.

        `walks`: planes are not cut by the stride, windows stand apart.
        """
        walk = step if walks else (1, 1, 1)
        if walks:
            step, grid = (1, 1, 1), tuple((g - 1) * s + 1 for g, s in zip(grid, step))
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
        plane = prod(self.phases) * prod(room)
        self.prepared = not plain or (walks and plane * 4 % ALIAS == 0)
        if self.prepared:
            if step[2] == 1:  # behind the last row there is no next one
                plane += max(0, lo[2] + size[2] + hi[2] - room[2])
            plane = -(-plane // VECTOR) * VECTOR
            if plane * 4 % ALIAS == 0:
                plane += VECTOR
        self.plane = plane
        self.numbers = [*size, *lo, *step, *self.phases, *room, plane]
        self.span = sum((n - 1) * p for n, p in zip(grid, (room[1] * room[2], room[2], 1))) + 1
        self.pitches, self.walk = (room[1] * room[2] * walk[0], room[2] * walk[1]), walk[2]

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


def _form(
    frame: Frame, grid: Shape, images: int, channels: int, rows: int, taps: float
) -> tuple[str, bool]:
    """The kernel for a group's products, and whether it packs columns.

    conv.c has vectors along the positions, and computes those between the rows, too, or packs columns; conv_broadcast.c has them
    along the rows of the weights.
    """
    if channels == 1 and rows <= FEW_ROWS:
        return "depthwise", False
    positions, depth = images * prod(grid), channels * taps
    in_place = images * -(-frame.span // VECTOR) * (UNALIGNED if taps > 1 else 1)
    packed = -(-positions // VECTOR) * (1 + PACKING / rows)
    along_positions = min(in_place, packed) * rows * (depth + POSITIONS_END)
    vectors: float = -(-rows // VECTOR)
    vectors += (ONE_VECTOR - 1) * (vectors % 2)
    narrow = grid[2] < NARROW and positions > grid[2]
    along_rows = positions * vectors * (depth + ROWS_END) * (NARROW_COSTS if narrow else 1)
    if along_rows < along_positions:
        return "broadcast", narrow
    return "convolution", packed < in_place


class Plan:
    """The numbers that C reads, and where they lie; `form` names the function."""

    def __init__(self, form: str, numbers: list[int]) -> None:
        self.form = form
        self.numbers = table(numbers)
        self.address = address(self.numbers)


def _window_plan(
    form: str, head: list[int], frame: Frame, parts: list[list[int]], tables: list[int]
) -> Plan:
    """The numbers of `struct plan` in `headers/fb_windows.h`."""
    numbers = [*head, *frame.numbers, frame.walk]
    return Plan(form, [*numbers, *[n for part in parts for n in part], *tables])


MOST_PHASES = (
    1 << 10
)  # products of strides beyond which nearly all that would be laid out is never read


def _folded(kernel: Shape, step: Shape, gap: Shape, padding: Any, *sizes: Shape) -> list[Shape]:
    """Windows in three dimensions, both sides' padding apart; in fewer, where the last have windows of one element: rows become one long row.

    `sizes` are of input and grid of windows. Windows above one another are then beside one another, and fill vectors.
    """
    kernel, step, gap = (_three(n, 1) for n in (kernel, step, gap))
    sizes = tuple([_three(n, 1) for n in sizes])
    lo, hi = _sides(padding)
    for _ in range(DIMENSIONS - 1):
        row = sizes[0][2]
        if not (kernel[2] == step[1] == step[2] == 1 and sizes[1][2] == row and lo[2] == 0):
            break
        kernel, step, gap = (1, *kernel[:2]), (1, *step[:2]), (1, gap[0], gap[1] * row)
        lo, hi = ((0, n[0], n[1] * row) for n in (lo, hi))
        sizes = tuple((1, n[0], n[1] * row) for n in sizes)
    return [kernel, step, gap, lo, hi, *sizes]


@lru_cache(maxsize=1024)
def forward_plan(
    x: Shape,
    w: Shape,
    out: Shape,
    stride: Shape,
    padding: Any,
    dilation: Shape,
    groups: int,
    of_weight: bool = False,
) -> Plan:
    """What C does for the convolution of x with w, and for its gradient for the weight."""
    images, channels, rows = x[0], x[1] // groups, w[0] // groups
    kernel, step, gap, lo, hi, size, grid = _folded(w[2:], stride, dilation, padding, x[2:], out)
    reach = tuple((k - 1) * d for k, d in zip(kernel, gap))
    frame = Frame(size, lo, hi, step, reach, grid)
    taps = list(product(*map(range, kernel)))
    form, packed = _form(frame, grid, images, channels, rows, len(taps))
    if max(step) > 1:  # elements that are broadcast need not be neighbours
        walks = form == "broadcast" and step[2] <= MOST_WALK
        if of_weight:
            quarters = may_be_quarters(w[2:], stride, dilation, groups)
            walks = rows > ALONG_MOST and not quarters
        if walks:
            frame = Frame(size, lo, hi, step, reach, grid, walks)
    offsets = [frame.offset(tuple(t * d for t, d in zip(tap, gap))) for tap in taps]
    head = [images, groups, channels, rows, packed, frame.prepared, 1]
    head += [channels * len(taps), len(taps), rows * channels * len(taps)]
    part = [len(taps), *grid, 0, 0, 0, 1, 1, 1]
    numbers = [*head, *frame.pitches, *grid]
    return _window_plan(form, numbers, frame, [part], [*offsets, *range(len(taps))])


@lru_cache(maxsize=1024)
def input_plan(
    y: Shape, w: Shape, size: Shape, stride: Shape, padding: Any, dilation: Shape, groups: int
) -> Plan:
    """The transposed convolution of y (N, O, *windows) to (N, C, *size)."""
    images, channels, rows = y[0], y[1] // groups, w[1]
    kernel, step, gap, before, _, sizes, windows = _folded(
        w[2:], stride, dilation, padding, size, y[2:]
    )
    # Input u meets tap k in window (u + before - k * gap) / step. Inputs u + i * step meet the same taps, in windows from
    # base + shift[u] on, less what k takes; base is the least.
    base = [p // s for p, s in zip(before, step)]
    shift = [[(u + p) // s - b for u in range(s)] for p, s, b in zip(before, step, base)]
    grid = tuple(-(-n // s) for n, s in zip(sizes, step))
    back = [(k - 1) * d // s for k, d, s in zip(kernel, gap, step)]
    lo = tuple(b - j for b, j in zip(back, base))
    hi = tuple(j + max(m) + g - n for j, m, g, n in zip(base, shift, grid, windows))
    frame = Frame(windows, lo, hi, (1, 1, 1), tuple(map(max, shift)), grid)
    taps = list(product(*map(range, kernel)))
    parts, tables = [], []
    for at in product(*map(range, step)):
        moved = [m[u] + b for m, u, b in zip(shift, at, back)]
        mine = [
            (number, tap)
            for number, tap in enumerate(taps)
            if all((u + p - k * d) % s == 0 for k, d, s, u, p in zip(tap, gap, step, at, before))
        ]
        if any(u >= n for u, n in zip(at, sizes)):
            mine = []  # all of it lies outside
        parts.append([len(mine), *grid, *at, *step])
        tables += [
            frame.offset(tuple(b - k * d // s for b, k, d, s in zip(moved, tap, gap, step)))
            for _, tap in mine
        ]
        tables += [number for number, _ in mine]
    form, packed = _form(frame, grid, images, channels, rows, len(taps) / len(parts))
    head = [images, groups, channels, rows, packed, frame.prepared, len(parts)]
    head += [len(taps), rows * len(taps), rows * channels * len(taps)]
    return _window_plan(form, [*head, *frame.pitches, *sizes], frame, parts, tables)


@lru_cache(maxsize=1024)
def planes_plan(
    x: Shape,
    w: Shape,
    out: Shape,
    stride: Shape,
    padding: Any,
    dilation: Shape,
    groups: int,
    turned: bool,
) -> Plan | None:
    """The convolution of x with weights for one channel each, plane by plane; None where that is for `forward_plan` and others.

    `turned`: the gradient for the input, whose stride is 1: the weights are turned round.
    """
    rows = w[0] // groups
    if len(stride) != 2 or w[1] != 1 or rows > FEW_ROWS or stride[1] > 2 or out[0] < LEAST_ROWS:
        return None
    before = [lo for lo, _ in padding]
    numbers = [
        x[0] * groups,
        groups,
        rows,
        *x[2:],
        *out,
        *w[2:],
        *stride,
        *dilation,
        *before,
        turned,
    ]
    square = w[2] == w[3] in (3, 5, 7) and stride[0] == stride[1] and max(dilation) == 1
    along = square and rows == 1 and min(before) >= 0 and x[0] * groups >= 4 * VECTOR
    small = along and _is_small(x[2:], out, w[2] * w[3], stride[1])
    return Plan("channels" if small else "planes", numbers)


def _is_small(size: Shape, out: Shape, taps: int, step: int) -> bool:
    """Whether planes are better convolved with vectors along channels: their rows fill none."""
    if prod(size) * 4 % ALIAS == 0:
        return False
    rows = min(-(-out[0] // h) * h for h in HEIGHTS if h <= out[0])
    each: float = (ROWS_COST + taps) * -(-out[1] // VECTOR)
    each *= 1 if step == 1 else NARROW_STEP if 2 * out[1] <= VECTOR + 1 else WIDE_STEP
    turned = TURNED_COST * (prod(size) + prod(out))
    return turned + TAP_COST * prod(out) * taps < rows * each


@lru_cache(maxsize=1024)
def winograd_plan(
    x: Shape,
    w: Shape,
    out: Shape,
    padding: Any,
    transposed: bool,
    packed: bool,
    dilation: Shape = (1, 1),
    groups: int = 1,
) -> Plan | None:
    """The convolution of x (N, C, H, W) with the weights w in fewer products, or of x (N, C, D, H, W); None where they are not worth it.

    `transposed`: w is (channels of x, rows, ...), and turned round. `packed`: weights are transformed beforehand.
    """
    images, channels = x[0], x[1] // groups
    rows = w[1] if transposed else w[0] // groups
    size, grid, gap = _three(x[2:], 1), _three(out, 1), _three(dilation, 1)
    slices, *kernel = _three(w[2:], 1)
    pieces = _pieces(slices, *kernel)
    products = sum((high + 1) * (wide + 1) for *_, high, wide in pieces)
    patches = grid[0] * prod(-(-n // (2 * d)) * d for n, d in zip(grid[1:], gap[1:]))
    least = LEAST_PATCHES if packed else LEAST_TILES
    taps = prod(w[2:])
    if patches * products * WINOGRAD > prod(out) * taps or images * patches < least:
        return None
    beyond = (kernel[0] - 2) // 2 * gap[1] * -(-grid[2] // 2)
    if beyond * channels * slices > NEAR_PATCHES:
        return None
    fewer, more = sorted((channels, rows))
    if fewer < (MORE_CHANNELS if packed else LEAST_CHANNELS) or more * len(pieces) < MORE_CHANNELS:
        return None
    before, _ = _sides(padding)
    strides = [taps, rows * taps] if transposed else [channels * taps, taps]
    numbers = [images, *size, channels, *grid, rows, groups, slices, *gap, *before]
    numbers += [*strides, transposed, *kernel, len(pieces)]
    return Plan("winograd", [*numbers, *(n for piece in pieces for n in piece)])


PIECES = ((3, 2), (3, 3), (2, 3), (2, 2))  # rows and columns, in the order of `struct piece`


def _pieces(slices: int, *kernel: int) -> list[Shape]:
    """What `conv_winograd.c` makes of a window: slice, first tap, rows and columns of each piece."""
    cuts = []
    for taps in kernel:
        cuts.append([(first, 3 if taps - first == 3 else 2) for first in range(0, taps - 1, 2)])
    found = [
        (part, h, w, high, wide)
        for part in range(slices)
        for (h, high), (w, wide) in product(*cuts)
    ]
    return sorted(found, key=lambda piece: PIECES.index(piece[3:]))


@lru_cache(maxsize=1024)
def quarters_plan(x: Shape, w: Shape, out: Shape, padding: Any, transposed: bool) -> Plan | None:
    """The convolution of x with w, 3 x 3 or 4 x 4 with a stride of 2, or the transposed one, in fewer products; None where they are not worth it."""
    images, channels = x[:2]
    rows, step = (w[1], 4) if transposed else (w[0], 2)
    patches = images * prod(-(-n // step) for n in out)
    taps = w[2] * w[3]
    direct = images * prod(out) * taps // (4 if transposed else 1)
    products = 36 if taps == 16 else 25
    large = products * channels * rows * 4 > FAR_WEIGHTS
    packing = PACKING_FAR if large else PACKING_NEAR
    packing //= 3 if transposed else 1  # where weights are packed slower the other way, too
    if patches * products * QUARTERS + packing > direct or patches < LEAST_TILES:
        return None
    if min(channels, rows) < LEAST_QUARTERS:
        return None
    before = [lo for lo, _ in padding]
    strides = [taps, rows * taps] if transposed else [channels * taps, taps]
    numbers = [images, *x[2:], channels, *out, rows, *before, *strides, w[2], transposed]
    return Plan("quarters", numbers)


def may_be_quarters(kernel: Shape, stride: Any, dilation: Any, groups: int) -> bool:
    """Whether `quarters_plan` is for such a convolution at all."""
    return groups == 1 and kernel in QUARTERED and tuple(stride) == (2, 2) and max(dilation) == 1


def may_be_spread(w: Shape, stride: Any, padding: Any, dilation: Any, groups: int) -> bool:
    """Whether the gradient for the input is for `conv_spread.c`: depthwise, with a stride of 2."""
    depthwise = w[0] == groups and w[1] == 1
    plain = tuple(stride) == (2, 2) and max(dilation) == 1
    return depthwise and plain and all(lo >= 0 for lo, _ in padding)


def may_be_winograd(kernel: Shape, stride: Any) -> bool:
    """Whether `winograd_plan` is for such a convolution at all."""
    return len(kernel) > 1 and min(kernel[-2:]) >= 3 and max(stride) == 1


@lru_cache(maxsize=1024)
def convolution_plan(
    x: Shape,
    w: Shape,
    out: Shape,
    stride: Shape,
    padding: Any,
    dilation: Shape,
    groups: int,
    packed: bool = False,
) -> Plan:
    """What C does for the convolution of x with w to windows `out`, by the kernel that costs least.

    `packed`: weights are packed beforehand.
    """
    plan = None
    if may_be_winograd(w[2:], stride):
        plan = winograd_plan(x, w, out, padding, False, packed, dilation, groups)
    if plan is None and not packed and may_be_quarters(w[2:], stride, dilation, groups):
        plan = quarters_plan(x, w, out, padding, False)
    if plan is None:
        plan = planes_plan(x, w, out, stride, padding, dilation, groups, False)
    return plan or forward_plan(x, w, out, stride, padding, dilation, groups)


@lru_cache(maxsize=1024)
def transposed_plan(
    y: Shape, w: Shape, size: Shape, stride: Shape, padding: Any, dilation: Shape, groups: int
) -> Plan:
    """The same for the transposed convolution of y to `size`."""
    plan = None
    back = [(k - 1) * d for k, d in zip(w[2:], dilation)]
    sides = tuple((b - lo, n - m + lo) for b, (lo, _), n, m in zip(back, padding, size, y[2:]))
    if may_be_winograd(w[2:], stride):
        plan = winograd_plan(y, w, size, sides, True, False, dilation, groups)
    if plan is None and may_be_quarters(w[2:], stride, dilation, groups):
        plan = quarters_plan(y, w, size, padding, True)
    if plan is None and w[0] == groups and max(stride) == 1:
        plan = planes_plan(y, w, size, stride, sides, dilation, groups, True)
    if plan is None and may_be_spread(w, stride, padding, dilation, groups):
        before = [lo for lo, _ in padding]
        plan = Plan("spread", [prod(y[:2]), groups, *y[2:], *size, *w[2:], *before])
    return plan or input_plan(y, w, size, stride, padding, dilation, groups)
