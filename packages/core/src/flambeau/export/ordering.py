"""The C of order: the first elements of each row, sorted, as a heap of places."""

from __future__ import annotations

from .._base.checks import wrap_dim
from ..ir.text import C_TYPES
from .emitters import FLOATS, body_of, made_kind
from .functions import Function, label_of
from .lower import Group, Lowering, emitter
from .memory import Ref
from .moving import rest
from .text import address, loop, plus


@emitter("topk", "sort")
def ordered(low: Lowering, group: Group) -> None:
    """The first k of each row in order, equals in theirs, NaN the largest: n log k steps, in the memory of the result."""
    call = body_of(group)
    x, a = low.ref(call.inputs[0]), call.attrs
    if not x.shape:
        raise low.missing(call, "it has no dimension")
    d = wrap_dim(a["dim"], len(x.shape))
    f = Function(low, call.op)
    source = f.read(x)
    values, places = (low.new(v) for v in call.outputs)
    numbers, held = f.write(values), f.write(places)
    row = _Row(f, x, x.strides[d], places.strides[d], bool(a["largest" if call.op == "topk" else "descending"]))  # fmt: skip
    count, kept = x.shape[d], values.shape[d]

    def body(index: list[str]) -> list[str]:
        inner = ["j" if e == d else i for e, i in enumerate(index)]
        begin = ["0" if e == d else i for e, i in enumerate(index)]
        value = f.load(x, "row", row.at("(int)" + row.place("j")))
        return [
            f"const {C_TYPES[x.dtype]} *const row = {plus(source, address(begin, x.strides))};",
            f"{C_TYPES[places.dtype]} *const held = {plus(held, address(begin, places.strides))};",
            *row.heap(count, kept),
            *loop("j", kept, [f.store(values, numbers, address(inner, values.strides), value)]),
        ]

    f.loops([1 if e == d else n for e, n in enumerate(x.shape)], body)
    f.emit(label_of(group))
    if group.calls:
        rest(low, group)


class _Row:
    """The lines that put a row in order: `held` are the places kept so far, the last in order on top."""

    def __init__(self, f: Function, x: Ref, step: int, own: int, falling: bool) -> None:
        self.f, self.x, self.step, self.own, self.falling = f, x, step, own, falling
        self.kind = made_kind(f.low, x)

    def at(self, i: str) -> str:
        return address([i], (self.step,))

    def place(self, i: str) -> str:
        return f"held[{address([i], (self.own,))}]"

    def number(self, name: str, i: str) -> str:
        return f"const {self.kind} {name} = {self.f.load(self.x, 'row', self.at(i))};"

    def before(self, v: str, w: str) -> str:
        """Whether the number `v` comes before `w`, equals apart."""
        if self.falling:
            v, w = w, v
        if self.kind not in FLOATS:
            return f"{v} < {w}"
        return f"({v} < {w} || ({v} == {v} && {w} != {w}))"

    def heap(self, count: int, kept: int) -> list[str]:
        """Every place in turn, as long as it is among the first; then the last in order goes to the end, again and again."""
        up = [
            "int hole = i;",
            "while (hole > 0) {",
            "  const int over = (hole - 1) / 2, p = (int)" + self.place("over") + ";",
            "  " + self.number("w", "p"),
            f"  if ({self.before('v', 'w')}) break;",
            f"  {self.place('hole')} = p;",
            "  hole = over;",
            "}",
            f"{self.place('hole')} = i;",
        ]
        top = ["const int p = (int)held[0];", self.number("w", "p")]
        down = [f"if ({self.before('v', 'w')}) {{", *("  " + t for t in self.sunk("i", kept)), "}"]
        later = [*top, *down]
        if kept < count:
            up = [f"if (i < {kept}) {{", *("  " + t for t in [*up, "continue;"]), "}", *later]
        leave = [
            f"const int i = (int){self.place('m')};",
            self.number("v", "i"),
            f"{self.place('m')} = held[0];",
            *self.sunk("i", "m"),
        ]
        return [
            *loop("i", count, [self.number("v", "i"), *up]),
            f"for (int m = {kept - 1}; m > 0; --m) {{",
            *("  " + t for t in leave),
            "}",
        ]

    def sunk(self, place: str, size: int | str) -> list[str]:
        """`place`, whose number is `v`, from the top down to where all below come before it."""
        return [
            "int hole = 0;",
            f"for (int k = 1; k < {size}; k = 2 * hole + 1) {{",
            f"  int q = (int){self.place('k')};",
            "  " + self.number("u", "q").replace("const ", "", 1),
            f"  if (k + 1 < {size}) {{",
            f"    const int other = (int){self.place('k + 1')};",
            "    " + self.number("t", "other"),
            f"    if ({self.before('u', 't')} || (!({self.before('t', 'u')}) && q < other)) {{",
            "      q = other;",
            "      u = t;",
            "      ++k;",
            "    }",
            "  }",
            f"  if (!({self.before('v', 'u')} || (!({self.before('u', 'v')}) && {place} < q))) break;",
            f"  {self.place('hole')} = q;",
            "  hole = k;",
            "}",
            f"{self.place('hole')} = {place};",
        ]
