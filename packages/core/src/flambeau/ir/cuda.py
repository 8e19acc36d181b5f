"""CUDA text of an elementwise chain: the same statements as in C, in a kernel with one thread per element.

    source = PRELUDE + elementwise_kernel("gelu", [x], [y])

The prelude spells the scalar functions of the C header (`fb_expf`, ...) by CUDA's own, and needs no include: NVRTC
compiles the text as it is, without CUDA's header files at hand. Pure text: this module compiles nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from .._base.checks import Shape, broadcast_shapes
from .loops import Array, Result
from .text import C_TYPES, Statements, c_statements


def _both(name: str, body: str) -> str:
    """One function for float and for double; {f} is the suffix and {T} the type."""
    return "".join(
        "static __device__ __forceinline__ "
        + body.replace("{name}", f"fb_{name}{f}").replace("{T}", t).replace("{f}", f)
        + "\n"
        for f, t in (("f", "float"), ("", "double"))
    )


_OWN = (
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
    "erfc",
    "rsqrt",
)

PRELUDE = (
    """\
#ifdef __CUDACC_RTC__  /* nvcc has these from the host's headers */
typedef signed char int8_t; typedef unsigned char uint8_t; typedef short int16_t; typedef unsigned short uint16_t;
typedef int int32_t; typedef unsigned int uint32_t; typedef long long int64_t;
#endif
#ifndef INFINITY
#define INFINITY __int_as_float(0x7f800000)
#endif
#ifndef NAN
#define NAN __int_as_float(0x7fffffff)
#endif
#ifndef INT64_MIN
#define INT64_MIN (-9223372036854775807LL - 1)
#endif
"""
    + "".join(_both(n, "{T} {name}({T} x) { return " + n + "{f}(x); }") for n in _OWN)
    + _both("sigmoid", "{T} {name}({T} x) { return 1 / (1 + exp{f}(-x)); }")
    + _both("max", "{T} {name}({T} a, {T} b) { return (a > b) | (a != a) ? a : b; }")
    + _both("min", "{T} {name}({T} a, {T} b) { return (a < b) | (a != a) ? a : b; }")
    + _both("sign", "{T} {name}({T} a) { return a > 0 ? 1 : a < 0 ? -1 : 0; }")
    + _both("isinf", "bool {name}({T} a) { return fabs{f}(a) == INFINITY; }")
    + _both("isfinite", "bool {name}({T} a) { return fabs{f}(a) < INFINITY; }")
    + _both("fmod", "{T} {name}({T} a, {T} b) { return fmod{f}(a, b); }")
    + _both(
        "remainder",
        "{T} {name}({T} a, {T} b) { const {T} m = fmod{f}(a, b); "
        "return m != 0 ? ((b < 0) != (m < 0) ? m + b : m) : m == m ? copysign{f}(({T})0, b) : m; }",
    )
    + _both(
        "floor_divide",
        "{T} {name}({T} a, {T} b) { if (b == 0) return a / b; "
        "const {T} m = fmod{f}(a, b), q = (a - m) / b - ({T})((m != 0) & ((b < 0) != (m < 0))), whole = floor{f}(q); "
        "return q == 0 ? copysign{f}(({T})0, a / b) : q - whole > ({T})0.5 ? whole + 1 : whole; }",
    )
    + """\
static __device__ __forceinline__ float fb_floatf(uint32_t bits) { float x; memcpy(&x, &bits, 4); return x; }
static __device__ __forceinline__ uint32_t fb_bitsf(float x) { uint32_t bits; memcpy(&bits, &x, 4); return bits; }
static __device__ __forceinline__ float fb_of_brain(uint16_t x) { return fb_floatf((uint32_t)x << 16); }
static __device__ __forceinline__ uint16_t fb_to_brain(float x) {
  const uint32_t bits = fb_bitsf(x);
  return x != x ? bits >> 16 & 0x8000 | 0x7FC0 : (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
}
static __device__ __forceinline__ float fb_of_half(uint16_t x) {
  const uint32_t rest = x & 0x7FFF, sign = (uint32_t)(x & 0x8000) << 16;
  const float small = (float)rest * 5.9604644775390625e-8f;  /* 2**-24: what has no leading bit */
  const uint32_t bits = rest < 0x400 ? fb_bitsf(small) : (rest << 13) + (rest < 0x7C00 ? 0x38000000u : 0x70000000u);
  return fb_floatf(sign | bits);
}
static __device__ __forceinline__ uint16_t fb_to_half(float x) {
  const uint32_t bits = fb_bitsf(x), sign = bits >> 16 & 0x8000, rest = bits & 0x7FFFFFFF;
  if (rest > 0x7F800000) return sign | 0x7E00 | (rest >> 13 & 0x3FF);
  if (rest >= 0x477FF000) return sign | 0x7C00;
  if (rest < 0x38800000) return sign | (fb_bitsf(fb_floatf(rest) + 0.5f) - 0x3F000000);  /* adding rounds to 2**-24 */
  return sign | ((rest - 0x38000000 + 0xFFF + (rest >> 13 & 1)) >> 13);
}
static __device__ __forceinline__ int64_t fb_floor_dividel(int64_t a, int64_t b) {
  return b == 0 ? 0 : b == -1 ? (int64_t)(0 - (unsigned long long)a) : a / b - ((a % b != 0) & ((a < 0) != (b < 0)));
}
static __device__ __forceinline__ int64_t fb_fmodl(int64_t a, int64_t b) { return (b == 0) | (b == -1) ? 0 : a % b; }
static __device__ __forceinline__ int64_t fb_remainderl(int64_t a, int64_t b) {
  const int64_t m = fb_fmodl(a, b);
  return (m != 0) & ((m < 0) != (b < 0)) ? m + b : m;
}
"""
)


SMALL = 1 << 30  # elements; an index and a step beyond it stay within 32 bits

# Floats of two bytes: how they lie in memory, and the type they are computed in.
_HALVES = {"float16": "half", "bfloat16": "brain"}


def stored(dtype: str) -> str:
    """The C type that an array's elements have in memory."""
    return "uint16_t" if dtype in _HALVES else C_TYPES[dtype]


def computed(dtype: str) -> str:
    """The dtype that elements are computed in."""
    return "float32" if dtype in _HALVES else dtype


def loaded(dtype: str, text: str) -> str:
    """An element read from memory, in the type it is computed in."""
    return f"fb_of_{_HALVES[dtype]}({text})" if dtype in _HALVES else text


def to_store(dtype: str, text: str, own: str) -> str:
    """A value of dtype `own` as an array of `dtype` takes it. Halves are rounded once, to the nearest, ties to even."""
    if dtype in _HALVES:
        return f"fb_to_{_HALVES[dtype]}({text})"
    return text if dtype == own else f"({C_TYPES[dtype]})({text})"


def statements_of(
    inputs: Sequence[Array], results: Sequence[Result], params: Sequence[str]
) -> Statements:
    """The statements of a chain: inputs are spelled v0, v1, ..., parameters q0, q1, ..."""
    names = {i.name: f"v{k}" for k, i in enumerate(inputs)} | {
        p: f"q{k}" for k, p in enumerate(params)
    }
    default = (
        "float64"
        if "float64" in [a.dtype for a in inputs] + [r.dtype for r in results]
        else "float32"
    )
    kinds = {i.name: computed(i.dtype) for i in inputs}
    return c_statements([r.expr for r in results], names, kinds, default)


def elementwise_kernel(
    name: str,
    inputs: Sequence[Array],
    results: Sequence[Result],
    params: Sequence[str] = (),
    shape: Shape | None = None,
) -> str:
    """The text of `extern "C" __global__ void name(inputs..., results..., params..., int64_t count)`.

    Shapes and strides are constants of the text; arrays are pointers, parameters doubles. Launch it with any grid: each
    thread takes every grid-th element, numbered in row-major order of `shape`, by default that which the inputs broadcast to.
    """
    shape = broadcast_shapes(*(i.shape for i in inputs)) if shape is None else shape
    made = statements_of(inputs, results, params)
    arguments = [f"const {stored(i.dtype)} *__restrict__ a{k}" for k, i in enumerate(inputs)]
    arguments += [f"{stored(r.dtype)} *__restrict__ b{k}" for k, r in enumerate(results)]
    arguments += [f"const double q{k}" for k in range(len(params))]
    lines = [
        f'extern "C" __global__ void {name}({", ".join([*arguments, "const int64_t count"])}) {{',
        "  const int64_t first = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;",
        "  const int64_t step = (int64_t)gridDim.x * blockDim.x;",
        "  for (int64_t i = first; i < count; i += step) {",
    ]
    reach = [broadcast_strides(i, len(shape)) for i in inputs] + [r.strides for r in results]
    places = [offset(shape, s) for s in reach]
    if any("/" in p or "%" in p for p in places) and within(shape, reach):  # 32 bits divide faster
        places = [offset(shape, s, "n", "") for s in reach]
        lines.append("    const int n = (int)i;")
    for k, i in enumerate(inputs):
        element = loaded(i.dtype, f"a{k}[{places[k]}]")
        lines.append(f"    const {C_TYPES[computed(i.dtype)]} v{k} = {element};")
    lines += [f"    {line}" for line in made.lines]
    for k, (r, (text, dtype)) in enumerate(zip(results, made.values)):
        lines.append(f"    b{k}[{places[len(inputs) + k]}] = {to_store(r.dtype, text, dtype)};")
    return "\n".join([*lines, "  }", "}", ""])


def broadcast_strides(array: Array, ndim: int) -> Shape:
    """Strides over `ndim` dimensions, 0 where the array is broadcast."""
    missing = ndim - len(array.shape)
    return (0,) * missing + tuple(0 if n == 1 else s for n, s in zip(array.shape, array.strides))


def within(shape: Shape, strides: Sequence[Shape]) -> bool:
    """Whether 32 bits number all elements of `shape`, and reach those of the arrays."""
    count = 1
    for n in shape:
        count *= n
    return count < SMALL and all(
        sum(abs(s) * max(n - 1, 0) for n, s in zip(shape, row)) < SMALL for row in strides
    )


def offset(shape: Shape, strides: Shape, letter: str = "i", suffix: str = "LL") -> str:
    """The element of an array that belongs to element number `letter` of `shape`, in row-major order."""
    groups: list[list[int]] = []  # [size, stride] of dimensions that one division serves
    for n, s in zip(shape, strides):
        if n == 1:
            continue
        if groups and groups[-1][1] == s * n:
            groups[-1] = [groups[-1][0] * n, s]
        else:
            groups.append([n, s])
    terms, after = [], 1
    for position, (n, s) in reversed(list(enumerate(groups))):
        if s:
            index = letter if after == 1 else f"{letter} / {after}{suffix}"
            index = index if position == 0 else f"{index} % {n}{suffix}"
            terms.append(index if s == 1 else f"({index}) * {s}{suffix}")
        after *= n
    return " + ".join(reversed(terms)) or "0"
