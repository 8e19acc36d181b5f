"""CUDA text of fused groups: elementwise chains over strided, broadcast arrays, maybe with reductions at their end.

    made = group("fused", [x], [Result("y", ir.exp(ir.var("x")), "float32", (1000, 1), "sum")], reduced=(1,))
    made.text, made.launches     # one kernel, or two where the reduction is cut into pieces

A block of 256 threads is `rows` kept elements times `lanes` threads that share what is reduced. Each thread adds up every
`lanes`-th element, then the threads fold theirs in halves. Where there are few kept elements, what is reduced is cut into
pieces, and a second kernel folds these in order. All of it follows from shapes alone, so that results depend neither on
timing nor on the device. Pure text: this module compiles nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .._base.checks import Shape, broadcast_shapes
from .cuda import (
    PRELUDE,
    broadcast_strides,
    computed,
    elementwise_kernel,
    loaded,
    offset,
    statements_of,
    stored,
    to_store,
    within,
)
from .loops import FOLDS, Array, Fold, Result
from .text import C_TYPES

THREADS = 256
MOST_BLOCKS = 1 << 16  # of elementwise kernels: each thread takes every grid-th element
ENOUGH = 256  # blocks that keep a large device busy
LEAST_PIECE = 16  # elements per thread below which another piece does not pay


@dataclass(frozen=True)
class Launch:
    """One kernel of a text: its name, its grid, and which of inputs, results and workspaces it takes, in order."""

    name: str
    grid: tuple[int, ...]
    inputs: bool = True
    results: tuple[int, ...] = ()
    count: int | None = None  # a last argument, of 64 bits


@dataclass(frozen=True)
class Text:
    """A finished text. `work` are the workspaces that follow the results: (dtype, elements)."""

    text: str
    launches: tuple[Launch, ...]
    work: tuple[tuple[str, int], ...] = ()


def group(
    name: str,
    inputs: Sequence[Array],
    results: Sequence[Result],
    reduced: Sequence[int] = (),
    shape: Shape | None = None,
) -> Text:
    """The text that computes `results` from `inputs` over `shape`, by default the shape that the inputs broadcast to.

    `reduced` are the dimensions that the folds reduce; results without a fold store every element, also beside folds.
    A fold's strides have an entry for each dimension, that of a reduced one is ignored.
    """
    shape = broadcast_shapes(*(i.shape for i in inputs)) if shape is None else shape
    count = _product(shape)
    if not any(r.fold for r in results):
        body = elementwise_kernel(name, inputs, results, (), shape)
        blocks = max(1, min(-(-count // THREADS), MOST_BLOCKS))
        every = tuple(range(len(results)))
        return Text(PRELUDE + body, (Launch(name, (blocks,), True, every, count),))
    return _Folding(name, inputs, results, tuple(reduced), shape).made()


class _Folding:
    """Writes the kernels of a group with folds."""

    def __init__(
        self,
        name: str,
        inputs: Sequence[Array],
        results: Sequence[Result],
        reduced: tuple[int, ...],
        shape: Shape,
    ) -> None:
        self.name, self.inputs, self.results, self.shape = name, inputs, results, shape
        self.kept = [d for d in range(len(shape)) if d not in reduced]
        self.gone = [d for d in range(len(shape)) if d in reduced]
        self.keeps = _product([shape[d] for d in self.kept])
        self.folds = _product([shape[d] for d in self.gone])
        arrays: list[Array | Result] = [*inputs, *results]
        self.index = "int" if within(shape, [self.dims(a) for a in arrays]) else "int64_t"
        self.statements = statements_of(inputs, results, ())
        self.partial = [
            FOLDS[r.fold].partial(dtype) if r.fold else ""
            for r, (_, dtype) in zip(results, self.statements.values)
        ]
        self.lay_out()

    def dims(self, array: Array | Result) -> Shape:
        """Strides over all dimensions of the loops, 0 where an input is broadcast and where a fold reduces."""
        if isinstance(array, Result):
            gone = self.gone if array.fold else ()
            return tuple(0 if d in gone else s for d, s in enumerate(array.strides))
        return broadcast_strides(array, len(self.shape))

    def lay_out(self) -> None:
        """How many kept elements and how many lanes a block has, which of them lie side by side, and the pieces."""
        whole = [self.dims(i) for i in self.inputs]
        near = [
            sum(bool(s[d]) and abs(s[d]) == 1 for s in whole if self.shape[d] > 1) for d in range(len(self.shape))
        ]  # fmt: skip
        along = max((near[d] for d in self.gone), default=0)
        across = max((near[d] for d in self.kept), default=0)
        self.across = across > along  # neighbouring threads take neighbouring kept elements
        if self.across:
            self.rows = min(32, _power(self.keeps))
            self.lanes = THREADS // self.rows
        else:
            self.lanes = min(THREADS, max(32, _power(-(-self.folds // 4))))
            self.rows = THREADS // self.lanes
        blocks = -(-self.keeps // self.rows)
        wanted = -(-ENOUGH // max(blocks, 1))
        most = max(1, self.folds // (self.lanes * LEAST_PIECE))
        self.pieces = max(1, min(wanted, most))
        self.piece = -(-self.folds // self.pieces)
        self.pieces = max(1, -(-self.folds // max(self.piece, 1)))
        self.blocks = max(blocks, 1)

    def at(self, array: Array | Result) -> str:
        """The element of an array, as text of `k` (among those kept) and `r` (among those reduced)."""
        strides = self.dims(array)
        parts = []
        for letter, dims in (("k", self.kept), ("r", self.gone)):
            text = offset(
                tuple(self.shape[d] for d in dims), tuple(strides[d] for d in dims), letter,
                "LL" if self.index == "int64_t" else "",
            )  # fmt: skip
            if text != "0":
                parts.append(text)
        return " + ".join(parts) or "0"

    def made(self) -> Text:
        folding = [i for i, r in enumerate(self.results) if r.fold]
        split = self.pieces > 1
        lines = [*self.head(folding, split), *self.loop(folding), *self.tail(folding, split)]
        plain = tuple(i for i, r in enumerate(self.results) if not (r.fold and split))
        grid = (self.blocks, self.pieces) if split else (self.blocks,)
        if not split:
            return Text(PRELUDE + "\n".join(lines), (Launch(self.name, grid, True, plain),))
        count = len(self.results)
        places = tuple(count + n for n in range(len(folding)))
        work = tuple((self.partial[i], self.pieces * self.keeps) for i in folding)
        launches = (
            Launch(self.name, grid, True, (*plain, *places)),
            Launch(f"{self.name}_finish", (-(-self.keeps // THREADS),), False, (*folding, *places)),
        )
        return Text(PRELUDE + "\n".join([*lines, *self.finish(folding)]), launches, work)

    def head(self, folding: list[int], split: bool) -> list[str]:
        i = self.index
        arguments = [
            f"const {stored(a.dtype)} *__restrict__ a{k}" for k, a in enumerate(self.inputs)
        ]
        arguments += [
            f"{stored(r.dtype)} *__restrict__ b{k}"
            for k, r in enumerate(self.results)
            if not (r.fold and split)
        ]
        if split:
            arguments += [f"{C_TYPES[self.partial[k]]} *__restrict__ w{k}" for k in folding]
        lines = [
            f'extern "C" __global__ void __launch_bounds__({THREADS}) {self.name}({", ".join(arguments)}) {{'
        ]
        lines += [f"  __shared__ {C_TYPES[self.partial[k]]} s{k}[{THREADS}];" for k in folding]
        row, lane = (
            (f"threadIdx.x % {self.rows}", f"threadIdx.x / {self.rows}")
            if self.across
            else (f"threadIdx.x / {self.lanes}", f"threadIdx.x % {self.lanes}")
        )
        return [
            *lines,
            f"  const int row = {row}, lane = {lane};",
            f"  const {i} k = ({i})blockIdx.x * {self.rows} + row;",
            *[
                f"  {C_TYPES[self.partial[n]]} p{n} = {self._fold(n).first(self.partial[n])};"
                for n in folding
            ],
        ]

    def _fold(self, n: int) -> Fold:
        fold = self.results[n].fold
        assert fold is not None
        return FOLDS[fold]

    def loop(self, folding: list[int]) -> list[str]:
        i = self.index
        first, end = "lane", str(self.folds)
        lines = [f"  if (k < {self.keeps}) {{"]
        if self.pieces > 1:
            lines.append(
                f"    const {i} begin = ({i})blockIdx.y * {self.piece}, rest = {self.folds} - begin, "
                f"end = begin + (rest < {self.piece} ? rest : {self.piece});"
            )
            first, end = "begin + lane", "end"
        lines.append(f"    for ({i} r = {first}; r < {end}; r += {self.lanes}) {{")
        for n, a in enumerate(self.inputs):
            lines.append(f"      const {C_TYPES[computed(a.dtype)]} v{n} = {loaded(a.dtype, f'a{n}[{self.at(a)}]')};")  # fmt: skip
        lines += [f"      {line}" for line in self.statements.lines]
        for n, (r, (text, dtype)) in enumerate(zip(self.results, self.statements.values)):
            if n in folding:
                own = self.partial[n]
                value = text if dtype == own else f"({C_TYPES[own]}){text}"
                lines.append(f"      p{n} = {self._fold(n).step(own, f'p{n}', value)};")
            else:
                lines.append(f"      b{n}[{self.at(r)}] = {to_store(r.dtype, text, dtype)};")
        return [*lines, "    }", "  }"]

    def tail(self, folding: list[int], split: bool) -> list[str]:
        """The threads of a kept element fold theirs in halves, and the first stores."""
        here = f"row * {self.lanes} + lane"
        lines = [f"  const int here = {here};"]
        lines += [f"  s{n}[here] = p{n};" for n in folding]
        lines += [
            "  __syncthreads();",
            f"  for (int half = {self.lanes // 2}; half; half /= 2) {{",
            "    if (lane < half) {",
            *[
                f"      s{n}[here] = {self._fold(n).step(self.partial[n], f's{n}[here]', f's{n}[here + half]')};"
                for n in folding
            ],
            "    }",
            "    __syncthreads();",
            "  }",
            f"  if (lane == 0 && k < {self.keeps}) {{",
        ]
        for n in folding:
            if split:
                place = f"({self.index})blockIdx.y * {self.keeps} + k"
                lines.append(f"    w{n}[{place}] = s{n}[here];")
            else:
                lines.append(f"    {self.stored_fold(n, f's{n}[here]')}")
        return [*lines, "  }", "}", ""]

    def stored_fold(self, n: int, value: str) -> str:
        result, own = self.results[n], self.partial[n]
        value = f"{value} / {max(self.folds, 1)}" if self._fold(n).mean else value
        return f"b{n}[{self.at(result)}] = {to_store(result.dtype, value, own)};"

    def finish(self, folding: list[int]) -> list[str]:
        """The pieces of each kept element, folded in order by one thread."""
        i = self.index
        arguments = [f"{stored(self.results[n].dtype)} *__restrict__ b{n}" for n in folding]
        arguments += [f"const {C_TYPES[self.partial[n]]} *__restrict__ w{n}" for n in folding]
        lines = [
            f'extern "C" __global__ void {self.name}_finish({", ".join(arguments)}) {{',
            f"  const {i} k = ({i})blockIdx.x * blockDim.x + threadIdx.x;",
            f"  if (k >= {self.keeps}) return;",
        ]
        for n in folding:
            own = self.partial[n]
            step = self._fold(n).step(own, f"p{n}", f"w{n}[piece * {self.keeps} + k]")
            lines += [
                f"  {C_TYPES[own]} p{n} = w{n}[k];",
                f"  for ({i} piece = 1; piece < {self.pieces}; ++piece) p{n} = {step};",
                f"  {self.stored_fold(n, f'p{n}')}",
            ]
        return [*lines, "}", ""]


def _product(sizes: Sequence[int]) -> int:
    total = 1
    for size in sizes:
        total *= size
    return total


def _power(n: int) -> int:
    """The least power of two that is no less than `n`."""
    return 1 << max(n - 1, 0).bit_length()
