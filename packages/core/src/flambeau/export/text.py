"""Pieces of C text: addresses, loop nests, and the scalar functions that plain C lacks."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence


def address(index: Sequence[str], strides: Sequence[int]) -> str:
    """The C expression of an element's place.

    >>> address(["i", "0", "j + 1"], (6, 3, 1))
    'i * 6 + j + 1'
    """
    terms = []
    for i, s in zip(index, strides):
        if s == 0 or i == "0":
            continue
        simple = re.fullmatch(r"\w+|\([^()]*\)", i)
        factor = str(s) if s > 0 else f"({s})"
        terms.append(i if s == 1 else f"{i if simple else f'({i})'} * {factor}")
    return " + ".join(terms) or "0"


def plus(*terms: str) -> str:
    """A sum without its zeros.

    >>> plus("m", "0", "p")
    'm + p'
    """
    return " + ".join(t for t in terms if t != "0") or "0"


def merged(
    shape: Sequence[int], strides: Sequence[Sequence[int]]
) -> tuple[tuple[int, ...], list[tuple[int, ...]]]:
    """The same walk over fewer dimensions: neighbours that every operand steps through as one become one.

    >>> merged((2, 3, 4), [(12, 4, 1), (0, 0, 1)])
    ((6, 4), [(4, 1), (0, 1)])
    """
    sizes: list[int] = []
    steps: list[list[int]] = [[] for _ in strides]
    for d, n in enumerate(shape):
        if n == 1:
            continue
        if sizes and all(s[-1] == other[d] * n for s, other in zip(steps, strides)):
            sizes[-1] *= n
            for s, other in zip(steps, strides):
                s[-1] = other[d]
        else:
            sizes.append(n)
            for s, other in zip(steps, strides):
                s.append(other[d])
    if not sizes:
        return (1,), [(0,) for _ in strides]
    return tuple(sizes), [tuple(s) for s in steps]


def loop(variable: str, count: int | str, body: list[str], begin: str = "0") -> list[str]:
    """A counting loop."""
    head = f"for (int {variable} = {begin}; {variable} < {count}; ++{variable})"
    return [f"{head} {{", *("  " + line for line in body), "}"]


def nest(
    shape: Sequence[int], body: Callable[[list[str]], list[str]], shared: bool = True
) -> tuple[list[str], int]:
    """Loops over `shape`, and how many rounds the outermost has, which threads share; 1 if it is not shared."""
    names, count = [], 0
    for n in shape:
        names.append("0" if n == 1 else f"i{count}")
        count += n != 1
    lines, extent = body(names), 1
    for d in reversed(range(len(shape))):
        if names[d] == "0":
            continue
        if shared and names[d] == "i0":
            extent = shape[d]
            lines = loop(names[d], "end", lines, "begin")
        else:
            lines = loop(names[d], shape[d], lines)
    return (lines if count else ["{", *("  " + line for line in lines), "}"]), extent


# Scalar functions of `ir` that C has under another name.
PLAIN = {
    "fb_" + name: name
    for name in [
        "exp",
        "exp2",
        "expm1",
        "log",
        "log2",
        "log10",
        "log1p",
        "sinh",
        "cosh",
        "tanh",
        "erf",
        "fmod",
        "erfc",
        "isinf",
        "isfinite",
    ]
}

# Those that it lacks, for float; the double's text follows from it. {T} the type, {s} the suffix.
OWN = {
    "fb_max": "static inline {T} fb_max{s}({T} a, {T} b) {{ return a != a || a > b ? a : b; }}",
    "fb_min": "static inline {T} fb_min{s}({T} a, {T} b) {{ return a != a || a < b ? a : b; }}",
    "fb_sign": "static inline {T} fb_sign{s}({T} a) {{ return ({T})((a > 0) - (a < 0)); }}",
    "fb_rsqrt": "static inline {T} fb_rsqrt{s}({T} a) {{ return 1 / sqrt{s}(a); }}",
    "fb_sigmoid": "static inline {T} fb_sigmoid{s}({T} a) {{ return 1 / (1 + exp{s}(-a)); }}",
    "fb_remainder": """static inline {T} fb_remainder{s}({T} a, {T} b) {{
  const {T} m = fmod{s}(a, b);
  return m != 0 ? ((b < 0) != (m < 0) ? m + b : m) : m == m ? copysign{s}(0, b) : m;
}}""",
    "fb_floor_divide": """static inline {T} fb_floor_divide{s}({T} a, {T} b) {{
  const {T} m = fmod{s}(a, b), q = (a - m) / b - ({T})((m != 0) & ((b < 0) != (m < 0))), whole = floor{s}(q);
  return b == 0 ? a / b : q == 0 ? copysign{s}(0, a / b) : q - whole > ({T})0.5 ? whole + 1 : whole;
}}""",
}
WHOLE = {
    "fb_fmodl": "static inline int64_t fb_fmodl(int64_t a, int64_t b) { return b == 0 || b == -1 ? 0 : a % b; }",
    "fb_remainderl": """static inline int64_t fb_remainderl(int64_t a, int64_t b) {
  const int64_t m = b == 0 || b == -1 ? 0 : a % b;
  return m != 0 && (m < 0) != (b < 0) ? m + b : m;
}""",
    "fb_floor_dividel": """static inline int64_t fb_floor_dividel(int64_t a, int64_t b) {
  if (b == 0) return 0;
  if (b == -1) return -a;
  return a / b - (a % b != 0 && (a < 0) != (b < 0));
}""",
    "fb_int8": """static inline int8_t fb_int8(float v, float inverse, int zero) {
  const float q = v * inverse + (float)zero;
  if (!(q > -128.0f)) return -128;
  if (q > 127.0f) return 127;
  return (int8_t)(q < 0 ? (int)(q - 0.5f) : (int)(q + 0.5f));
}""",
}


def plain_c(text: str) -> tuple[str, list[str]]:
    """Text with the C library's names for what it has, and definitions of the rest that it calls."""

    def named(match: re.Match[str]) -> str:
        stem, suffix = match[1], match[2]
        if stem not in PLAIN:
            return match[0]
        # isinf and isfinite are macros of any float type.
        return f"{PLAIN[stem]}{'' if stem.endswith(('inf', 'finite')) else suffix}("

    text = re.sub(r"\b(fb_(?:" + "|".join(n[3:] for n in PLAIN) + r"))(f?)\(", named, text)
    used = set(re.findall(r"\bfb_\w+(?=\()", text))
    made = []
    for name in sorted(used):
        if name in WHOLE:
            made.append(WHOLE[name])
        elif name in OWN:
            made.append(OWN[name].format(T="double", s=""))
        else:
            made.append(OWN[name.removesuffix("f")].format(T="float", s="f"))
    return text, made
