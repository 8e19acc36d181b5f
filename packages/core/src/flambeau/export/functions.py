"""C functions in the making: pointers, loops, and what happens to each number before it is stored."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import ir
from .._base.errors import MissingRule
from ..graph import Call, Value
from ..ir.text import C_TYPES
from ..runtime.operator import find
from .capture import array_of, is_known
from .memory import Ref
from .text import address, merged, nest

if TYPE_CHECKING:
    from .lower import Group, Lowering


class Step:
    """One call of a C function: its name, its arguments, and over how many equal parts threads may share it."""

    __slots__ = ("args", "extent", "function", "label")

    def __init__(self, function: str, args: list[Ref], extent: int, label: str) -> None:
        self.function, self.args, self.extent, self.label = function, args, extent, label


class Function:
    """A C function in the making: its pointers, its body, and the step that calls it."""

    def __init__(self, low: Lowering, stem: str) -> None:
        self.low, self.stem = low, stem
        self.params: list[str] = []
        self.args: list[Ref] = []
        self.lines: list[str] = []
        self.extent = 1
        self._names: dict[tuple, str] = {}

    def read(self, ref: Ref, name: str | None = None) -> str:
        """The name of a pointer to what is read; a window read twice is one pointer."""
        key = (id(ref.buffer), ref.offset)
        if key not in self._names:
            name = name or f"x{sum(p.startswith('const') for p in self.params)}"
            self._names[key] = self._pointer(ref, name, "const ")
        return self._names[key]

    def write(self, ref: Ref) -> str:
        """The name of a pointer to what is written."""
        count = sum(not p.startswith("const") for p in self.params)
        return self._pointer(ref, f"y{count}", "")

    def _pointer(self, ref: Ref, name: str, const: str) -> str:
        if ref.buffer.size >= 2**31:
            raise MissingRule(
                f"{self.low.name}: an array of {ref.buffer.size} elements: indices of the exported code have 31 bits"
            )
        self.params.append(f"{const}{C_TYPES[ref.dtype]} *restrict {name}")
        self.args.append(ref)
        return name

    def load(self, ref: Ref, name: str, at: str) -> str:
        """An element as C text; int8 as the number it stands for."""
        if ref.scale is None:
            return f"{name}[{at}]"
        step, zero = single(ref.scale.step), ref.scale.zero
        shifted = f"{name}[{at}]" if not zero else f"({name}[{at}] - ({zero}))"
        return f"(float){shifted} * {step}"

    def store(self, ref: Ref, name: str, at: str, value: str) -> str:
        """The statement that stores `value`."""
        if ref.scale is None:
            return f"{name}[{at}] = {value};"
        self.low.helpers.add("fb_int8")
        inverse = single(1 / ref.scale.step)
        return f"{name}[{at}] = fb_int8({value}, {inverse}, {ref.scale.zero});"

    def loops(self, shape: Sequence[int], body: Callable[[list[str]], list[str]]) -> None:
        """A loop nest over `shape`, its outermost loop shared among threads."""
        lines, self.extent = nest(shape, body)
        self.lines += lines

    def emit(self, label: str, checks: bool = False) -> None:
        """Enters the function, or finds its equal, and adds the step."""
        params = list(self.params)
        if checks:
            params.append("int *bad")
        if self.extent > 1:
            params += ["int begin", "int end"]
        body = "\n".join("  " + line for line in without_unused(self.lines))
        text = f"static void @({', '.join(params)}) {{\n{body}\n}}\n"
        low = self.low
        if text not in low.functions:
            count = sum(1 for n in low.functions.values() if n.rpartition("_")[0] == self.stem)
            low.functions[text] = f"{self.stem}_{count + 1}"
        low.checked |= checks
        step = Step(low.functions[text], self.args, self.extent, label)
        low.steps.append(step)


def without_unused(lines: list[str]) -> list[str]:
    """The lines but for indices that are set to 0 and never read."""
    zeros = {
        m[1]: i for i, t in enumerate(lines) if (m := re.fullmatch(r"\s*const int (\w) = 0;", t))
    }
    words = Counter(w for t in lines for w in re.findall(r"\b\w\b", t))
    gone = {i for name, i in zeros.items() if words[name] == 1}
    return [t for i, t in enumerate(lines) if i not in gone]


class Tail:
    """What happens to each number that a core makes, and where it is stored: the group's elementwise calls as C.

    `merge` may fold neighbouring dimensions of the result into one where all operands allow it.
    """

    def __init__(self, f: Function, group: Group) -> None:
        self.f, low = f, f.low
        exprs: dict[int, ir.Expr] = {}
        self.operands: list[Ref] = []
        self.dtypes: dict[str, str] = {}
        names: dict[int, str] = {}
        if group.core is not None:
            exprs[id(group.core.outputs[0])] = ir.var("acc")
            self.dtypes["acc"] = low.kind(group.core.outputs[0])

        def operand(v: Any) -> ir.Expr:
            if not isinstance(v, Value):
                return ir.const(v)
            if id(v) in exprs:
                return exprs[id(v)]
            if is_known(v) and v.meta.numel == 1 and low.kind(v) in ("float32", "float64"):
                # cast: a lone number of an array keeps the array's dtype
                return ir.cast(ir.const(float(array_of(v).reshape(-1)[0])), low.kind(v))
            if id(v) not in names:
                names[id(v)] = f"v{len(self.operands)}"
                ref = low.ref(v)
                self.dtypes[names[id(v)]] = "float32" if ref.scale else ref.dtype
                self.operands.append(ref)
            return ir.var(names[id(v)])

        for call in group.calls:
            exprs[id(call.outputs[0])] = expression(low, call, operand)
        result = group.result
        self.expr = exprs[id(result)]
        self.kind = low.kind(result)
        self.out = low.new(result)
        self.shape = self.out.shape
        self.strides = [self.out.strides, *(r.spread(self.shape) for r in self.operands)]
        self.names = [f.read(r) for r in self.operands]
        self.target = f.write(self.out)

    @property
    def plain(self) -> bool:
        """Whether numbers are stored as they come."""
        return self.expr.op == "var" and not self.operands and self.out.scale is None

    def merge(self) -> Tail:
        self.shape, self.strides = merged(self.shape, self.strides)
        return self

    def merge_last(self, count: int) -> bool:
        """Folds the last `count` dimensions into one if all operands allow; whether they did."""
        shape, strides = merged(self.shape[-count:], [s[-count:] for s in self.strides])
        if len(shape) != 1:
            return False
        self.shape = (*self.shape[:-count], *shape)
        self.strides = [(*s[:-count], *t) for s, t in zip(self.strides, strides)]
        return True

    def statements(self, index: Sequence[str], acc: str = "") -> list[str]:
        """C that stores the result at an index of the (merged) shape, given the core's number."""
        f, lines, spelled = self.f, [], {"acc": acc}
        own, *others = self.strides
        for i, (ref, name, strides) in enumerate(zip(self.operands, self.names, others)):
            kind = C_TYPES[self.dtypes[f"v{i}"]]
            lines.append(f"const {kind} v{i} = {f.load(ref, name, address(index, strides))};")
            spelled[f"v{i}"] = f"v{i}"
        made = ir.c_statements([self.expr], spelled, self.dtypes, self.kind)
        text, dtype = made.values[0]
        if dtype != self.kind and not self.out.scale:
            text = f"({C_TYPES[self.kind]}){text}"
        return [*lines, *made.lines, f.store(self.out, self.target, address(index, own), text)]


def expression(low: Lowering, call: Call, operand: Callable[[Any], ir.Expr]) -> ir.Expr:
    """The scalar expression of an elementwise call."""
    result = low.kind(call.outputs[0])
    if call.op == "to_dtype":
        return ir.cast(operand(call.inputs[0]), result)
    op = find(call.op)
    defaults = {n: op.defaults[i] for i, n in op.attrs}
    program = op.vjp_rule.program({} if call.attrs == defaults else call.attrs)
    values = dict(zip(program.arrays, map(operand, call.inputs)))
    values |= {p: ir.const(call.attrs[p]) for p in program.params}
    made = ir.evaluate(program.expr, values, lambda name, args: ir.apply(name, *args))
    kinds = {v.meta.dtype.name for v in call.inputs if isinstance(v, Value)}
    # Mixed dtypes meet as the operator says, which C's own conversions need not do.
    return made if kinds <= {result, "bool"} and result != "bool" else ir.cast(made, result)


def label_of(group: Group) -> str:
    """The operators of a group and the result's dtype and shape."""
    ops = [c.op for c in ([group.core] if group.core else []) + group.calls]
    return f"{' '.join(ops)} -> {group.result.meta}"


def single(x: float) -> str:
    """A number as a C float."""
    return f"{np.float32(x).item():.9g}" + (
        "f" if set(f"{np.float32(x).item():.9g}") & set(".e") else ".0f"
    )
