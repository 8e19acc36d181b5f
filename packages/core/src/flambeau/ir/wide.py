"""The innermost loop of an elementwise nest once more, on vectors of 16 floats (`headers/fb_wide.h`).

Compilers vectorise the plain loop too, but know no minimum that lets NaN through, no scaling by powers of two and no part of a
vector: exp takes 30 instructions there and 15 here (3.0 and 1.6 ns for 16 floats in the first-level cache), clamp 20 and 8. Ends of
rows are masked vectors: every element is computed in the same way, wherever it lies. Large results are written past the cache.

The text stands beside the plain one, under `#if defined(FB_WIDE)`: the header says whether the processor has these vectors. It
is for float32, bfloat16 and float16 with bools in between, and for what `PATTERNS` spells; for everything else there is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .expr import Expr
from .text import c_number

WIDTH = 16  # floats of a vector
# Bytes that a loop reads and writes from which its result is written past the cache: three times 32 MB. Half of that wins a tenth
# (sums of 4 M floats 0.25 -> 0.22 ms) where nobody reads the result next, and who does pays four times that.
PAST_FROM = 96 << 20

PATTERNS = {
    "add": "({0} + {1})",
    "sub": "({0} - {1})",
    "mul": "({0} * {1})",
    "div": "({0} / {1})",
    "neg": "(-{0})",
    "square": "({0} * {0})",
    "reciprocal": "(fbw_all(1.0f) / {0})",
    "abs": "fbw_abs({0})",
    "maximum": "fbw_max({0}, {1})",
    "minimum": "fbw_min({0}, {1})",
    "maximum of a number": "_mm512_max_ps({1}, {0})",  # gives its second operand where that is NaN
    "minimum of a number": "_mm512_min_ps({1}, {0})",
    "sqrt": "_mm512_sqrt_ps({0})",
    "rsqrt": "(fbw_all(1.0f) / _mm512_sqrt_ps({0}))",
    "floor": "_mm512_roundscale_ps({0}, 9)",
    "ceil": "_mm512_roundscale_ps({0}, 10)",
    "trunc": "_mm512_roundscale_ps({0}, 11)",
    "round": "_mm512_roundscale_ps({0}, 8)",
    "exp": "fbw_exp({0})",
    "expm1": "fbw_expm1({0})",
    "sigmoid": "fbw_sigmoid({0})",
    "pow": "fbw_pow({0}, {1})",
    "fmod": "fbw_fmod({0}, {1})",
    "remainder": "fbw_remainder({0}, {1})",
    "floor_divide": "fbw_floor_divide({0}, {1})",
    "hypot": "fbw_hypot({0}, {1})",
    "fmax": "fbw_fmax({0}, {1})",
    "fmin": "fbw_fmin({0}, {1})",
    "copysign": "fbw_sign_of({0}, {1})",
    "tanh": "fbw_tanh({0})",
}
EXTREMES = ("maximum", "minimum")
COMPARED = {
    "eq": "EQ_OQ", "ne": "NEQ_UQ", "lt": "LT_OQ", "le": "LE_OQ", "gt": "GT_OQ", "ge": "GE_OQ",
}  # fmt: skip
LOGIC = {
    "logical_and": "(fbw_mask)({0} & {1})",
    "logical_or": "(fbw_mask)({0} | {1})",
    "logical_xor": "(fbw_mask)({0} ^ {1})",
    "logical_not": "(fbw_mask)~{0}",
}
POWERS = {
    2: "({0} * {0})", 3: "({0} * {0} * {0})", 0.5: "_mm512_sqrt_ps({0})", -1: "(fbw_all(1.0f) / {0})",
    -0.5: "(fbw_all(1.0f) / _mm512_sqrt_ps({0}))",
}  # fmt: skip
TYPES = {"float32": "fbw", "bool": "fbw_mask"}
# What is in memory: how it is read and written, and its bytes.
STORED = {
    "float32": ("", 4),
    "bfloat16": ("_brain", 2),
    "float16": ("_half", 2),
    "bool": ("_mask", 1),
}


class _NoWide(Exception):
    """There is no vector text for this."""


def statements(
    exprs: Iterable[Expr], names: Mapping[str, str], dtypes: Mapping[str, str]
) -> tuple[list[str], list[tuple[str, str]]] | None:
    """The expressions as statements on vectors, and for each its text and dtype; None where one has no such text.

    `names` spells variables and parameters, both vectors; `dtypes` has those of the variables.

    >>> from flambeau import ir
    >>> statements([ir.exp(ir.var("x")) + 1], {"x": "v"}, {"x": "float32"})
    (['const fbw w0 = fbw_exp(v);', 'const fbw w1 = (w0 + fbw_all(1.0f));'], [('w1', 'float32')])
    """
    lines: list[str] = []
    spelled: dict[int, tuple[str, str]] = {}
    found = []
    try:
        for expr in exprs:
            for node in expr.walk():
                if id(node) not in spelled and node.op != "const":
                    spelled[id(node)] = _spelled(node, names, dtypes, spelled, lines)
            if expr.op == "const":
                return None
            found.append(spelled[id(expr)])
    except _NoWide:
        return None
    return lines, found


def _spelled(
    node: Expr,
    names: Mapping[str, str],
    dtypes: Mapping[str, str],
    spelled: Mapping[int, tuple[str, str]],
    lines: list[str],
) -> tuple[str, str]:
    """The name of a node's value, and its dtype; its statement goes to `lines`."""
    if node.op == "var":
        return names[node.value], dtypes[node.value]
    if node.op == "param":
        return names[node.value], "float32"
    op, args = node.op, node.args
    dtype = "float32"

    def floats(some: Sequence[Expr]) -> list[str]:
        if all(a.op in ("const", "param") for a in some):
            raise _NoWide  # of numbers alone, whose type is another question
        return [_operand(a, spelled, "float32") for a in some]

    if op == "where":
        pattern = "_mm512_mask_blend_ps({0}, {2}, {1})"
        values = [_operand(args[0], spelled, "bool"), *floats(args[1:])]
    elif op == "pow" and args[1].op == "const" and args[1].value in POWERS:
        pattern, values = POWERS[args[1].value], floats(args[:1])
    elif op in COMPARED:
        pattern, dtype = f"_mm512_cmp_ps_mask({{0}}, {{1}}, _CMP_{COMPARED[op]})", "bool"
        values = floats(args)
    elif op == "isnan":
        pattern, dtype = "_mm512_cmp_ps_mask({0}, {0}, _CMP_UNORD_Q)", "bool"
        values = floats(args)
    elif op in LOGIC:
        pattern, dtype = LOGIC[op], "bool"
        values = [_operand(a, spelled, "bool") for a in args]
    elif op in PATTERNS:
        values = floats(args)
        if op in EXTREMES:
            numbers = [a.op in ("const", "param") for a in args]
            if any(a.op == "const" and a.value != a.value for a in args):
                raise _NoWide
            op += " of a number" if any(numbers) else ""
            values = values[::-1] if numbers[0] else values
        pattern = PATTERNS[op]
    else:
        raise _NoWide
    name = f"w{len(lines)}"
    lines.append(f"const {TYPES[dtype]} {name} = {pattern.format(*values)};")
    return name, dtype


def _operand(node: Expr, spelled: Mapping[int, tuple[str, str]], dtype: str) -> str:
    if node.op == "const":
        if dtype == "bool":
            raise _NoWide
        return f"fbw_all({c_number(node.value, 'f')})"
    text, own = spelled[id(node)]
    if own != dtype:  # the plain text knows how bools become numbers
        raise _NoWide
    return text


def loop(
    inputs: Sequence[tuple[str, str, str, bool]],
    params: Sequence[tuple[str, str]],
    results: Sequence[tuple[str, str, Expr]],
    bounds: tuple[str, str],
    whole: str | None,
) -> list[str] | None:
    """The lines of the loop; None where there is no text on vectors.

    `inputs` are (name in the expressions, dtype, pointer, whether it moves), `params` (name, C name of the double), `results`
    (dtype, pointer, expression). `whole` is the C text of the number of elements of all calls together, where this loop
    is all there is; only then large results are written past the cache.
    """
    kinds = [dtype for _, dtype, _, _ in inputs] + [dtype for dtype, _, _ in results]
    if not results or any(k not in STORED for k in kinds):
        return None
    if set(kinds) == {"bool"}:
        return None  # bytes: 64 to a vector, which compilers see
    names = {name: f"x{k}" for k, (name, _, _, _) in enumerate(inputs)}
    names |= {name: f"u{k}" for k, (name, _) in enumerate(params)}
    computed = {"bfloat16": "float32", "float16": "float32"}
    made = statements(
        [e for _, _, e in results], names, {i[0]: computed.get(i[1], i[1]) for i in inputs}
    )
    if made is None or any(
        own != computed.get(dtype, dtype)
        for (_, own), (dtype, _, _) in zip(made[1], results, strict=True)
    ):
        return None
    lines, values = made
    begin, end = bounds
    out = [f"const fbw u{k} = fbw_all((float){c});" for k, (_, c) in enumerate(params)]
    for name, dtype, pointer, moves in inputs:
        if not moves:
            kind = "fbw_mask" if dtype == "bool" else "fbw"
            out.append(f"const {kind} {names[name]} = fbw_all{STORED[dtype][0]}({pointer}[0]);")

    def body(part: str | None, past: bool = False) -> list[str]:
        text = []
        last = "" if part is None else f", {part}"
        ends = "" if part is None else "_part"
        for name, dtype, pointer, moves in inputs:
            if moves:
                kind = "fbw_mask" if dtype == "bool" else "fbw"
                load = f"fbw_load{STORED[dtype][0]}{ends}({pointer} + i{last})"
                text.append(f"  const {kind} {names[name]} = {load};")
        text += [f"  {line}" for line in lines]
        for (dtype, pointer, _), (value, _) in zip(results, values, strict=True):
            store = "fbw_stream" if past else f"fbw_store{STORED[dtype][0]}{ends}"
            text.append(f"  {store}({pointer} + i, {value}{last});")
        return text

    out.append(f"int64_t i = {begin};")
    to = next((pointer for dtype, pointer, _ in results if dtype == "float32"), None)
    if to is not None:  # rows of odd lengths: else each vector would lie in two lines of the cache
        out += [
            f"const int64_t lead = {end} - i < {4 * WIDTH} ? 0 : -(int64_t)((uintptr_t)({to} + i) / 4) & {WIDTH - 1};",
            "if (lead) {",
            "  const fbw_mask part = (fbw_mask)((1u << lead) - 1);",
            *body("part"),
            "  i += lead;",
            "}",
        ]
    moved = sum(STORED[dtype][1] for _, dtype, _, moves in inputs if moves)
    moved += sum(STORED[dtype][1] for dtype, _, _ in results)
    if whole is not None and to is not None and len(results) == 1:
        out += [
            f"if ({whole} >= {-(-PAST_FROM // moved)} && (uintptr_t)({to} + i) % 64 == 0) {{",
            f"  for (; i + {WIDTH} <= {end}; i += {WIDTH}) {{",
            *[f"  {line}" for line in body(None, past=True)],
            "  }",
            "  _mm_sfence();",
            "}",
        ]
    out += [f"for (; i + {WIDTH} <= {end}; i += {WIDTH}) {{", *body(None), "}"]
    out += [
        f"if (i < {end}) {{",
        f"  const fbw_mask part = (fbw_mask)((1u << ({end} - i)) - 1);",
        *body("part"),
        "}",
    ]
    return out
