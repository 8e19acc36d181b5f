"""C text of a loop nest: a fused elementwise chain over strided, broadcast arrays, maybe with reductions at its end.

    x = Array("x", "float32", (64, 1000), (1000, 1))
    y = Result("y", ir.exp(ir.var("x")), "float32", (1000, 1))
    nest = loops.nest([x], [y])
    nest.text                    # void kernel(void *const *a, const double *p, ...)
    nest.sizes, nest.strides     # what the call passes as n and s

The text depends on dtypes, on the number of loops and on how each array moves in the innermost one; sizes and outer
strides are arguments, so that one compiled function serves many shapes. Every function has one signature:

    void NAME(void *const *a, const double *p, const int64_t *n, const int64_t *s, int64_t begin, int64_t end)

`a` are the arrays, inputs then results; `p` the parameters; `n` the size of each loop, outermost first, then `piece`;
`s` the strides in elements, as many per array as there are loops. `begin` and `end` bound the outermost loop, so that
threads can share it (`nest.count` is its length). Where columns are reduced and no loop is kept outside, they bound the
innermost. When everything is reduced there is no loop to share: then the outermost range is cut into pieces of
`nest.piece` whatever the number of threads, `begin` and `end` count pieces, each writes its partial result into the
workspaces that follow the results in `a` (one per reduction, `nest.count` elements of `nest.partials`), and
`NAME_finish`, of the same signature, folds these in order. So results never depend on the number of threads.

Pure text: this module compiles nothing, and refuses (`NoText`) what C has no spelling for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .._base.checks import Shape, broadcast_shapes
from . import wide
from .expr import Expr
from .text import C_TYPES, NoText, c_literal, c_statements

LANES = 64  # accumulators of a row's reduction: enough for two vectors in flight at 512 bits
BLOCK = 256  # columns reduced together: their accumulators stay in the first-level cache
PIECE = 1 << 16  # elements of a piece where everything is reduced

# bfloat16 is the upper half of a float: read so, computed as a float, and rounded to nearest even once, NaN to the quiet one.
# float16 is made of whole numbers, which every compiler vectorises (as in `cast.c`).
COMPUTED = {"bfloat16": "float32", "float16": "float32"}
HALVES = {"bfloat16": "brain", "float16": "half"}
PRELUDES = {
    "bfloat16": """\
#ifndef FB_BRAIN
#define FB_BRAIN
static inline float fb_of_brain(uint16_t x) { return fb_floatf((uint32_t)x << 16); }
static inline uint16_t fb_to_brain(float x) {
  const uint32_t bits = fb_bitsf(x), round = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16, nan = (bits >> 16 & 0x8000) | 0x7FC0;
  return (uint16_t)(x != x ? nan : round);
}
#endif
""",
    "float16": """\
#ifndef FB_HALF
#define FB_HALF
static inline float fb_of_half(uint16_t x) {
  const uint32_t size = (uint32_t)(x & 0x7FFF) << 13, sign = (uint32_t)(x & 0x8000) << 16;
  const uint32_t usual = size + (112u << 23), small = fb_bitsf(fb_floatf(size + (113u << 23)) - fb_floatf(113u << 23));
  const uint32_t unbound = size > 0x7C00u << 13 ? (usual + (112u << 23)) | 0x400000 : usual + (112u << 23);
  const uint32_t finite = size < 0x400u << 13 ? small : usual;
  return fb_floatf(sign | (size >= 0x7C00u << 13 ? unbound : finite));
}
static inline uint16_t fb_to_half(float x) {
  const uint32_t bits = fb_bitsf(x), size = bits & 0x7FFFFFFF, sign = bits >> 16 & 0x8000;
  const uint32_t usual = (size - (112u << 23) + 0xFFF + (size >> 13 & 1)) >> 13;
  const uint32_t small = fb_bitsf(fb_floatf(size) + 0.5f) - (126u << 23);
  const uint32_t nan = 0x7E00 | (size >> 13 & 0x1FF);
  const uint32_t finite = size < 113u << 23 ? small : usual;
  const uint32_t unbound = size > 255u << 23 ? nan : 0x7C00;
  return (uint16_t)(sign | (size >= 143u << 23 ? unbound : finite));
}
#endif
""",
}

SIGNATURE = (
    "void {name}(void *const *a, const double *p, const int64_t *n, const int64_t *s, "
    "int64_t begin, int64_t end)"
)


class Array:
    """An input: its name in the expressions, dtype, shape, and strides in elements (0 where it is broadcast)."""

    __slots__ = ("dtype", "name", "shape", "strides")

    def __init__(self, name: str, dtype: str, shape: Shape, strides: Shape) -> None:
        self.name, self.dtype, self.shape, self.strides = name, dtype, shape, strides


class Result:
    """An output: the expression of its elements, and how they are stored.

    `strides` has one entry per dimension of the loops, reduced ones included (their entry is ignored). `fold` is None
    or the name of a reduction of `FOLDS`, over the dimensions that the nest reduces.
    """

    __slots__ = ("dtype", "expr", "fold", "name", "strides")

    def __init__(
        self, name: str, expr: Expr, dtype: str, strides: Shape, fold: str | None = None
    ) -> None:
        self.name, self.expr, self.dtype, self.strides, self.fold = name, expr, dtype, strides, fold


class Fold:
    """A reduction: its neutral element and how two values combine, by dtype.

    float32 sums and products are accumulated in double: on par with memory's speed, and as accurate as pairwise sums.
    """

    __slots__ = ("combine", "mean", "start")

    def __init__(self, start: str, combine: str, mean: bool = False) -> None:
        self.start, self.combine, self.mean = start, combine, mean

    def partial(self, dtype: str) -> str:
        """The dtype of accumulators for elements of `dtype`."""
        if self.start in ("true", "false"):
            return "bool"
        if self.start in ("0", "1"):
            return "float64" if dtype.startswith("float") else "int64"
        return dtype

    def first(self, dtype: str) -> str:
        """The neutral element as C text."""
        if self.start in ("lowest", "highest"):
            return c_literal(_EXTREMES[self.start](dtype), dtype)
        return c_literal({"0": 0, "1": 1, "true": True, "false": False}[self.start], dtype)

    def step(self, dtype: str, a: str, b: str) -> str:
        """`a` combined with `b`, both accumulators."""
        pattern = self.combine
        if pattern in ("fb_max", "fb_min"):
            if not dtype.startswith("float"):
                sign = ">" if pattern == "fb_max" else "<"
                return f"({a} {sign} {b} ? {a} : {b})"
            return f"{pattern}{'f' if dtype == 'float32' else ''}({a}, {b})"
        return pattern.format(a, b)


def _extreme(sign: int) -> object:
    def value(dtype: str) -> float | int | bool:
        if dtype.startswith("float"):
            return sign * float("inf")
        if dtype == "bool":
            return sign > 0
        unsigned = dtype.startswith("uint")
        bits = int(dtype.lstrip("uint")) - (not unsigned)
        return 2**bits - 1 if sign > 0 else 0 if unsigned else -(2**bits)

    return value


_EXTREMES: Mapping = {"lowest": _extreme(-1), "highest": _extreme(1)}

FOLDS: dict[str, Fold] = {
    "sum": Fold("0", "({0} + {1})"),
    "mean": Fold("0", "({0} + {1})", mean=True),
    "prod": Fold("1", "({0} * {1})"),
    "max": Fold("lowest", "fb_max"),
    "min": Fold("highest", "fb_min"),
    "any": Fold("false", "({0} | {1})"),
    "all": Fold("true", "({0} & {1})"),
}


class Nest:
    """A finished loop nest: the function's text, and what a call of it needs.

    `kind` is "elementwise", "rows" (the innermost loop is reduced), "columns" (it is kept) or "full" (all are reduced).
    `inner` is the number of elements per step of the outermost loop, `partials` the dtypes of the workspaces.
    """

    __slots__ = ("count", "inner", "kind", "name", "partials", "piece", "sizes", "strides", "text")

    def __init__(self, name: str, kind: str, text: str, loops: tuple[Shape, Shape]) -> None:
        self.name, self.kind, self.text = name, kind, text
        self.sizes, self.strides = loops
        self.count, self.inner, self.piece = 1, 1, 0
        self.partials: tuple[str, ...] = ()


def nest(
    inputs: Sequence[Array],
    results: Sequence[Result],
    params: Sequence[str] = (),
    reduced: Sequence[int] = (),
    shape: Shape | None = None,
    name: str = "kernel",
) -> Nest:
    """The loop nest that computes `results` from `inputs`.

    The loops run over `shape`, by default the shape that the inputs broadcast to; `reduced` are its dimensions that the
    folds reduce. Results without a fold store every element, also beside folds.
    """
    shape = broadcast_shapes(*(i.shape for i in inputs)) if shape is None else shape
    rows = [_aligned(i, len(shape)) for i in inputs]
    rows += [
        tuple(0 if r.fold and d in reduced else s for d, s in enumerate(r.strides)) for r in results
    ]
    loops = _collapse(shape, rows, reduced, len(inputs))
    writer = _Writer(inputs, results, params, loops, name)
    if not any(r.fold for r in results):
        kind, text = "elementwise", writer.elementwise()
    elif loops[-1].reduced:
        kind = "rows" if any(not loop.reduced for loop in loops) else "full"
        text = writer.rows() if kind == "rows" else writer.full()
    else:
        kind, text = "columns", writer.columns()
    strides = tuple(loop.strides[k] for k in range(len(rows)) for loop in loops)
    made = Nest(name, kind, text, (tuple(loop.size for loop in loops), strides))
    return _shared(
        made, loops, [FOLDS[r.fold].partial(writer.folded(r)) for r in results if r.fold]
    )


def _shared(made: Nest, loops: Sequence[_Loop], partials: Sequence[str]) -> Nest:
    """`made` with how its outermost range is shared among threads."""
    sizes = made.sizes
    made.count, made.inner = sizes[0], _product(sizes[1:])
    if made.kind == "full":
        made.piece = max(1, PIECE // max(made.inner, 1))
        made.count = -(-sizes[0] // made.piece)
        made.inner *= made.piece
        made.partials = tuple(partials)
    elif made.kind == "columns" and loops[0].reduced:
        made.count, made.inner = sizes[-1], _product(sizes[:-1])
    made.sizes = (*sizes, made.piece)
    return made


def _product(sizes: Sequence[int]) -> int:
    total = 1
    for size in sizes:
        total *= size
    return total


def _aligned(array: Array, ndim: int) -> Shape:
    """Strides over `ndim` dimensions, 0 where the array is broadcast."""
    missing = ndim - len(array.shape)
    return (0,) * missing + tuple(0 if n == 1 else s for n, s in zip(array.shape, array.strides))


class _Loop:
    """One loop: its size, each array's stride in it, and whether it is reduced."""

    __slots__ = ("reduced", "size", "strides")

    def __init__(self, size: int, strides: Shape, reduced: bool) -> None:
        self.size, self.strides, self.reduced = size, strides, reduced


def _collapse(
    shape: Shape, rows: Sequence[Shape], reduced: Sequence[int], inputs: int
) -> list[_Loop]:
    """The fewest loops over `shape`: in memory order, those of size 1 dropped, neighbours merged where all allow."""
    loops = [
        _Loop(n, tuple(r[d] for r in rows), d in reduced) for d, n in enumerate(shape) if n != 1
    ]
    loops.sort(key=lambda loop: _reach(loop, inputs, bool(reduced)), reverse=True)
    merged = _merge(_reduced_in_order(_merge(loops)))
    for loop in merged:
        if (
            not loop.size
        ):  # what stands still is read before the loop: of an empty array nothing may be
            loop.strides = tuple([s or 1 for s in loop.strides[:inputs]]) + loop.strides[inputs:]
    return merged or [_Loop(1, (0,) * len(rows), bool(reduced))]


def _merge(loops: list[_Loop]) -> list[_Loop]:
    """Neighbours made one loop where every array steps evenly through both."""
    merged: list[_Loop] = []
    for loop in loops:
        last = merged[-1] if merged else None
        if last and last.reduced == loop.reduced and all(
            far == near * loop.size for far, near in zip(last.strides, loop.strides)
        ):  # fmt: skip
            merged[-1] = _Loop(last.size * loop.size, loop.strides, loop.reduced)
        else:
            merged.append(loop)
    return merged


def _reach(loop: _Loop, inputs: int, reduces: bool) -> tuple[int, ...]:
    """How far a step of the loop moves in memory: outer loops step far. Results decide, in reductions the inputs."""
    read = max(map(abs, loop.strides[:inputs]), default=0)
    written = max(map(abs, loop.strides[inputs:]), default=0)
    return (read, written) if reduces else (written, read)


def _reduced_in_order(loops: list[_Loop]) -> list[_Loop]:
    """Kept loops outside, reduced ones inside; but a kept loop that steps nearest in memory stays innermost."""
    kept = [loop for loop in loops if not loop.reduced]
    inside = [loop for loop in loops if loop.reduced]
    if not inside or loops[-1].reduced:
        return [*kept, *inside]
    return [*kept[:-1], *inside, kept[-1]]


class _Writer:
    """Writes the function around the statements of the chain."""

    def __init__(
        self, inputs: Sequence[Array], results: Sequence[Result], params: Sequence[str], loops: list[_Loop], name: str
    ) -> None:  # fmt: skip
        self.inputs, self.results, self.params, self.loops, self.name = (
            inputs,
            results,
            params,
            loops,
            name,
        )
        self.arrays: list[Array | Result] = [*inputs, *results]
        used = {i.name for i in inputs} | {r.name for r in results}
        if len(used) != len(self.arrays):
            raise ValueError("every array of a nest needs a name of its own")
        default = "float64" if any(a.dtype == "float64" for a in self.arrays) else "float32"
        names = {i.name: f"v{k}" for k, i in enumerate(inputs)} | {
            p: f"q{k}" for k, p in enumerate(params)
        }
        made = c_statements(
            [r.expr for r in results],
            names,
            {i.name: COMPUTED.get(i.dtype, i.dtype) for i in inputs},
            default,
        )
        self.statements, self.values = made.lines, made.values

    def folded(self, result: Result) -> str:
        """The dtype of the elements that a result folds."""
        return self.values[self.results.index(result)][1]

    # -- whole functions --------------------------------------------------------------------------------------------

    def elementwise(self) -> str:
        out = self.opening()
        depth = self.outer_loops(out, self.loops[:-1])
        last = len(self.loops) - 1
        bounds = ("begin", "end") if not last else ("0", f"n[{last}]")
        self.inner_loop(out, depth, bounds)
        return self.closing(out, depth)

    def rows(self) -> str:
        out = self.opening()
        kept = [loop for loop in self.loops if not loop.reduced]
        depth = self.outer_loops(out, kept)
        self.reduce_rows(out, depth, len(kept))
        for k, r in self.folds():
            out.add(depth, f"{self.pointer(k)}[0] = {self.final(r, f'r{k}')};")
        return self.closing(out, depth)

    def full(self) -> str:
        out = self.opening()
        out.add(1, f"const int64_t piece = n[{len(self.loops)}];")
        out.open(1, "for (int64_t c = begin; c < end; ++c) {")
        out.add(
            2, "const int64_t from = c * piece, to = from + piece < n[0] ? from + piece : n[0];"
        )
        self.reduce_rows(out, 2, 0, ("from", "to"))
        for slot, (k, _) in enumerate(self.folds()):
            kind = C_TYPES[self.partial(k)]
            out.add(2, f"(({kind} *)a[{len(self.arrays) + slot}])[c] = r{k};")
        text = self.closing(out, 2)
        return text + "\n" + self.finish()

    def finish(self) -> str:
        out = _Lines()
        out.add(0, SIGNATURE.format(name=f"{self.name}_finish") + " {")
        out.add(1, "(void)p, (void)s, (void)n;")
        for slot, (k, r) in enumerate(self.folds()):
            fold, kind = FOLDS[r.fold or ""], self.partial(k)
            out.add(1, f"{C_TYPES[kind]} r{k} = {fold.first(kind)};")
            part = f"((const {C_TYPES[kind]} *)a[{len(self.arrays) + slot}])[c]"
            out.add(
                1, f"for (int64_t c = begin; c < end; ++c) r{k} = {fold.step(kind, f'r{k}', part)};"
            )
            out.add(1, f"(({C_TYPES[r.dtype]} *)a[{k}])[0] = {self.final(r, f'r{k}')};")
        out.add(0, "}")
        return out.text()

    def columns(self) -> str:
        out = self.opening()
        kept, inside = self.loops[:-1], [loop for loop in self.loops if loop.reduced]
        outer = [loop for loop in kept if not loop.reduced]
        depth = self.outer_loops(out, outer)
        last = len(self.loops) - 1
        bounds = ("0", f"n[{last}]") if outer else ("begin", "end")
        out.open(depth, f"for (int64_t b = {bounds[0]}; b < {bounds[1]}; b += {BLOCK}) {{")
        out.add(
            depth + 1, f"const int64_t m = {bounds[1]} - b < {BLOCK} ? {bounds[1]} - b : {BLOCK};"
        )
        for k, r in self.folds():
            kind = self.partial(k)
            out.add(depth + 1, f"{C_TYPES[kind]} r{k}[{BLOCK}];")
            out.add(
                depth + 1,
                f"for (int64_t i = 0; i < m; ++i) r{k}[i] = {FOLDS[r.fold or ''].first(kind)};",
            )
        deeper = self.outer_loops(out, inside, depth + 1, len(outer), own_bounds=True)
        self.accumulate(out, deeper, "b", "m", last)
        for d in range(deeper - 1, depth, -1):
            out.add(d, "}")
        for k, r in self.folds():
            stored = f"{self.pointer(k, len(outer))}[{self.offset('(b + i)', k, last)}]"
            out.add(
                depth + 1,
                f"for (int64_t i = 0; i < m; ++i) {stored} = {self.final(r, f'r{k}[i]')};",
            )
        return self.closing(out, depth + 1)

    # -- parts ------------------------------------------------------------------------------------------------------

    def opening(self) -> _Lines:
        """Signature, parameters, and a pointer per array."""
        out = _Lines()
        for dtype, text in PRELUDES.items():
            if any(a.dtype == dtype for a in self.arrays):
                out.add(0, text.rstrip())
        out.add(0, SIGNATURE.format(name=self.name) + " {")
        out.add(1, "(void)p, (void)n, (void)s;")
        for k in range(len(self.params)):
            out.add(1, f"const double q{k} = p[{k}];")
        for k, array in enumerate(self.arrays):
            out.add(1, f"{self.pointer_type(k)} *a{k}_0 = a[{k}];  // {array.name}")
        self.level = 0
        return out

    def closing(self, out: _Lines, depth: int) -> str:
        for d in range(depth - 1, -1, -1):
            out.add(d, "}")
        return out.text()

    def outer_loops(
        self,
        out: _Lines,
        loops: Sequence[_Loop],
        depth: int = 1,
        first: int = 0,
        own_bounds: bool = False,
    ) -> int:
        """Opens `loops`, whose index in `n` and `s` starts at `first`, with pointers moved along; the depth inside."""
        for d, _ in enumerate(loops, first):
            begin, end = ("0", f"n[{d}]") if d or own_bounds else ("begin", "end")
            out.open(depth, f"for (int64_t i{d} = {begin}; i{d} < {end}; ++i{d}) {{")
            depth += 1
            for k in range(len(self.arrays)):
                step = f" + i{d} * s[{k * len(self.loops) + d}]" if self.loops[d].strides[k] else ""
                out.add(depth, f"{self.pointer_type(k)} *a{k}_{d + 1} = a{k}_{d}{step};")
            self.level = d + 1
        return depth

    def inner_loop(self, out: _Lines, depth: int, bounds: tuple[str, str]) -> None:
        """The innermost loop of an elementwise nest."""
        last = len(self.loops) - 1
        on_vectors = self.wide(last, bounds)
        if on_vectors is not None:
            out.add(0, "#if defined(FB_WIDE)")
            numbers = " && ".join(f"q{k} == q{k}" for k in range(len(self.params)))
            out.add(depth, f"if ({numbers or 'true'}) {{")
            for line in on_vectors:
                out.add(depth + 1, line)
            out.add(depth, "} else")
            out.add(0, "#endif")
            out.add(depth, "{")
        self.hoisted(out, depth, last)
        out.add(depth, "#pragma omp simd")
        out.open(depth, f"for (int64_t i = {bounds[0]}; i < {bounds[1]}; ++i) {{")
        self.body(out, depth + 1, "i", last)
        out.add(depth, "}")
        if on_vectors is not None:
            out.add(depth, "}")

    def wide(self, last: int, bounds: tuple[str, str]) -> list[str] | None:
        """The same loop on vectors; None where there is no such text, or elements do not lie together."""
        steps = self.loops[last].strides
        inputs = len(self.inputs)
        if any(s not in (0, 1) for s in steps[:inputs]) or any(s != 1 for s in steps[inputs:]):
            return None
        return wide.loop(
            [(a.name, a.dtype, self.pointer(k), steps[k] == 1) for k, a in enumerate(self.inputs)],
            [(name, f"q{k}") for k, name in enumerate(self.params)],
            [(r.dtype, self.pointer(k), r.expr) for k, r in enumerate(self.results, inputs)],
            bounds,
            None if last else "n[0]",
        )

    def reduce_rows(
        self, out: _Lines, depth: int, first: int, bounds: tuple[str, str] | None = None
    ) -> None:
        """Reduced loops from number `first` on, into `LANES` accumulators and these into one number."""
        loops, last = self.loops, len(self.loops) - 1
        for k, r in self.folds():
            kind = self.partial(k)
            out.add(depth, f"{C_TYPES[kind]} l{k}[{LANES}];")
            out.add(
                depth,
                f"for (int i = 0; i < {LANES}; ++i) l{k}[i] = {FOLDS[r.fold or ''].first(kind)};",
            )
        inner, begin, end = depth, *(bounds or ("0", f"n[{last}]"))
        for d in range(first, last):
            low, high = bounds if bounds and d == first else ("0", f"n[{d}]")
            out.open(inner, f"for (int64_t i{d} = {low}; i{d} < {high}; ++i{d}) {{")
            inner += 1
            for k in range(len(self.arrays)):
                step = f" + i{d} * s[{k * len(loops) + d}]" if loops[d].strides[k] else ""
                out.add(inner, f"{self.pointer_type(k)} *a{k}_{d + 1} = a{k}_{d}{step};")
            self.level, begin, end = d + 1, "0", f"n[{last}]"
        out.add(inner, f"int64_t b = {begin};")
        out.open(inner, f"for (; b + {LANES} <= {end}; b += {LANES}) {{")
        self.accumulate(out, inner + 1, "b", str(LANES), last, "l")
        out.add(inner, "}")
        self.accumulate(out, inner, "b", f"{end} - b", last, "l")
        for d in range(inner - 1, depth - 1, -1):
            out.add(d, "}")
        self.level = first
        for k, r in self.folds():
            kind = self.partial(k)
            step = FOLDS[r.fold or ""].step(kind, f"l{k}[i]", f"l{k}[i + w]")
            out.add(
                depth,
                f"for (int w = {LANES // 2}; w; w >>= 1) for (int i = 0; i < w; ++i) l{k}[i] = {step};",
            )
            out.add(depth, f"const {C_TYPES[kind]} r{k} = l{k}[0];")

    def accumulate(
        self, out: _Lines, depth: int, base: str, count: str, last: int, into: str = "r"
    ) -> None:
        """A vectorisable loop that folds elements `base` to `base + count` of the innermost loop, one lane each."""
        self.hoisted(out, depth, last)
        out.add(depth, "#pragma omp simd")
        out.open(depth, f"for (int64_t i = 0; i < {count}; ++i) {{")
        self.body(out, depth + 1, f"({base} + i)", last)
        for k, r in self.folds():
            text, dtype = self.values[k - len(self.inputs)]
            kind = self.partial(k)
            value = text if dtype == kind else f"({C_TYPES[kind]}){text}"
            out.add(
                depth + 1,
                f"{into}{k}[i] = {FOLDS[r.fold or ''].step(kind, f'{into}{k}[i]', value)};",
            )
        out.add(depth, "}")

    def hoisted(self, out: _Lines, depth: int, last: int) -> None:
        """Elements that the innermost loop does not move, loaded before it."""
        for k in range(len(self.inputs)):
            if not self.loops[last].strides[k]:
                out.add(depth, f"const {self.kind(k)} v{k} = {self.element(k, '0')};")

    def body(self, out: _Lines, depth: int, index: str, last: int) -> None:
        """Loads, the chain, and stores of what is not folded."""
        for k in range(len(self.inputs)):
            if self.loops[last].strides[k]:
                place = self.offset(index, k, last)
                out.add(depth, f"const {self.kind(k)} v{k} = {self.element(k, place)};")
        for line in self.statements:
            out.add(depth, line)
        for k, r in enumerate(self.results, len(self.inputs)):
            if r.fold is None:
                text, dtype = self.values[k - len(self.inputs)]
                value = text if dtype == r.dtype else f"({self.kind(k)}){text}"
                if r.dtype in HALVES:
                    value = f"fb_to_{HALVES[r.dtype]}({value})"
                out.add(depth, f"{self.pointer(k)}[{self.offset(index, k, last)}] = {value};")

    def offset(self, index: str, k: int, d: int) -> str:
        stride = self.loops[d].strides[k]
        return (
            "0"
            if not stride
            else index
            if stride == 1
            else f"{index} * s[{k * len(self.loops) + d}]"
        )

    def pointer(self, k: int, level: int | None = None) -> str:
        return f"a{k}_{self.level if level is None else level}"

    def element(self, k: int, place: str) -> str:
        """An element of an input as it is computed with."""
        text = f"{self.pointer(k)}[{place}]"
        half = HALVES.get(self.arrays[k].dtype)
        return text if half is None else f"fb_of_{half}({text})"

    def pointer_type(self, k: int) -> str:
        if self.arrays[k].dtype in HALVES:
            return "uint16_t" if k >= len(self.inputs) else "const uint16_t"
        if k >= len(self.inputs):
            return self.kind(k)
        # gcc 12 vectorises no loop that chooses by a bool it has loaded as one.
        return "const uint8_t" if self.kind(k) == "bool" else f"const {self.kind(k)}"

    def kind(self, k: int) -> str:
        dtype = COMPUTED.get(self.arrays[k].dtype, self.arrays[k].dtype)
        if dtype not in C_TYPES:
            raise NoText(f"no C type for {dtype}: compiled loops know {', '.join(C_TYPES)}")
        return C_TYPES[dtype]

    def folds(self) -> list[tuple[int, Result]]:
        return [(k, r) for k, r in enumerate(self.results, len(self.inputs)) if r.fold]

    def partial(self, k: int) -> str:
        result = self.results[k - len(self.inputs)]
        return FOLDS[result.fold or ""].partial(self.folded(result))

    def final(self, r: Result, value: str) -> str:
        """What is stored of an accumulator."""
        if FOLDS[r.fold or ""].mean:
            count = (
                " * ".join(f"n[{d}]" for d, loop in enumerate(self.loops) if loop.reduced) or "1"
            )
            value = f"{value} / (double)({count})"
        return f"({C_TYPES[r.dtype]})({value})"


class _Lines:
    """Indented lines of text."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, depth: int, line: str) -> None:
        self.lines.append("  " * depth + line)

    open = add

    def text(self) -> str:
        return "\n".join(self.lines) + "\n"
