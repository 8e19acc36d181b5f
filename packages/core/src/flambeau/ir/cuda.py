"""CUDA text of an elementwise chain: the same statements as in C, in a kernel with one thread per element.

    source = PRELUDE + elementwise_kernel("gelu", [x], [y])

The prelude spells the scalar functions of the C header (`fb_expf`, ...) by CUDA's own, and needs no include: NVRTC
compiles the text as it is, without CUDA's header files at hand. Pure text: this module compiles nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from .._base.checks import Shape, broadcast_shapes
from .loops import Array, Result
from .text import C_TYPES, c_statements


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
typedef signed char int8_t; typedef unsigned char uint8_t; typedef short int16_t; typedef int int32_t; typedef long long int64_t;
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


def elementwise_kernel(
    name: str, inputs: Sequence[Array], results: Sequence[Result], params: Sequence[str] = ()
) -> str:
    """The text of `extern "C" __global__ void name(inputs..., results..., params..., int64_t count)`.

    Shapes and strides are constants of the text; arrays are pointers, parameters doubles. Launch it with any grid: each
    thread takes every grid-th element, numbered in row-major order of the shape that the inputs broadcast to.
    """
    shape = broadcast_shapes(*(i.shape for i in inputs))
    names = {i.name: f"v{k}" for k, i in enumerate(inputs)} | {
        p: f"q{k}" for k, p in enumerate(params)
    }
    default = (
        "float64"
        if "float64" in [a.dtype for a in inputs] + [r.dtype for r in results]
        else "float32"
    )
    made = c_statements(
        [r.expr for r in results], names, {i.name: i.dtype for i in inputs}, default
    )
    arguments = [f"const {C_TYPES[i.dtype]} *__restrict__ a{k}" for k, i in enumerate(inputs)]
    arguments += [f"{C_TYPES[r.dtype]} *__restrict__ b{k}" for k, r in enumerate(results)]
    arguments += [f"const double q{k}" for k in range(len(params))]
    lines = [
        f'extern "C" __global__ void {name}({", ".join([*arguments, "const int64_t count"])}) {{',
        "  const int64_t first = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;",
        "  const int64_t step = (int64_t)gridDim.x * blockDim.x;",
        "  for (int64_t i = first; i < count; i += step) {",
    ]
    for k, i in enumerate(inputs):
        missing = len(shape) - len(i.shape)
        strides = (0,) * missing + tuple(0 if n == 1 else s for n, s in zip(i.shape, i.strides))
        lines.append(f"    const {C_TYPES[i.dtype]} v{k} = a{k}[{_offset(shape, strides)}];")
    lines += [f"    {line}" for line in made.lines]
    for k, (r, (text, dtype)) in enumerate(zip(results, made.values)):
        value = text if dtype == r.dtype else f"({C_TYPES[r.dtype]}){text}"
        lines.append(f"    b{k}[{_offset(shape, r.strides)}] = {value};")
    return "\n".join([*lines, "  }", "}", ""])


def _offset(shape: Shape, strides: Shape) -> str:
    """The element of an array that belongs to element number `i` of `shape`."""
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
            index = "i" if after == 1 else f"i / {after}LL"
            index = index if position == 0 else f"{index} % {n}LL"
            terms.append(index if s == 1 else f"({index}) * {s}LL")
        after *= n
    return " + ".join(reversed(terms)) or "0"
