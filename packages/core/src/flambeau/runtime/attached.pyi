"""The base of Tensor in the eyes of a type checker: its methods. Written by tools/stubs.py from the registry: change the operators, then run it again."""

from builtins import bool as _bool
from builtins import float as _float
from builtins import int as _int
from builtins import type as _type
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Self, SupportsIndex, overload

import numpy as np

from .._base.devices import device
from .._base.dtypes import dtype
from .tape import Handle
from .tensor import Tensor

class AminmaxResult(NamedTuple):
    min: Tensor
    max: Tensor


class CummaxResult(NamedTuple):
    values: Tensor
    indices: Tensor


class CumminResult(NamedTuple):
    values: Tensor
    indices: Tensor


class FrexpResult(NamedTuple):
    mantissa: Tensor
    exponent: Tensor


class GeqrfResult(NamedTuple):
    a: Tensor
    tau: Tensor


class HistogramResult(NamedTuple):
    hist: Tensor
    bin_edges: Tensor


class HistogramddResult(NamedTuple):
    hist: Tensor
    bin_edges: tuple[Tensor, ...]


class KthvalueResult(NamedTuple):
    values: Tensor
    indices: Tensor


class LuUnpackResult(NamedTuple):
    P: Tensor
    L: Tensor
    U: Tensor


class MaxResult(NamedTuple):
    values: Tensor
    indices: Tensor


class MedianResult(NamedTuple):
    values: Tensor
    indices: Tensor


class MinResult(NamedTuple):
    values: Tensor
    indices: Tensor


class ModeResult(NamedTuple):
    values: Tensor
    indices: Tensor


class NanmedianResult(NamedTuple):
    values: Tensor
    indices: Tensor


class QrResult(NamedTuple):
    Q: Tensor
    R: Tensor


class SlogdetResult(NamedTuple):
    sign: Tensor
    logabsdet: Tensor


class SortResult(NamedTuple):
    values: Tensor
    indices: Tensor


class SvdResult(NamedTuple):
    U: Tensor
    S: Tensor
    V: Tensor


class TopkResult(NamedTuple):
    values: Tensor
    indices: Tensor


class TriangularSolveResult(NamedTuple):
    solution: Tensor
    cloned_coefficient: Tensor


class Attached:
    @property
    def H(self) -> Tensor:
        """A matrix transposed and conjugated."""

    @property
    def T(self) -> Tensor:
        """The dimensions in reverse order."""

    def abs(self) -> Tensor:
        """Absolute value of each element."""

    def abs_(self) -> Self:
        """In-place version of `abs`."""

    def acos(self) -> Tensor:
        """Inverse cosine of each element."""

    def acos_(self) -> Self:
        """In-place version of `acos`."""

    def acosh(self) -> Tensor:
        """Inverse hyperbolic cosine of each element."""

    def acosh_(self) -> Self:
        """In-place version of `acosh`."""

    def add(self, other: Tensor | complex, *, alpha: _float = 1) -> Tensor:
        """Sum of two tensors: input + alpha * other."""

    def add_(self, other: Tensor | complex, *, alpha: _float = 1) -> Self:
        """In-place version of `add`."""

    def addbmm(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.products`, on this tensor."""

    def addbmm_(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.products`, on this tensor."""

    def addcdiv(
        self,
        tensor1: Tensor | complex,
        tensor2: Tensor | complex,
        *,
        value: _float = 1,
    ) -> Tensor:
        """input + value * tensor1 / tensor2."""

    def addcdiv_(
        self,
        tensor1: Tensor | complex,
        tensor2: Tensor | complex,
        *,
        value: _float = 1,
    ) -> Self:
        """In-place version of `addcdiv`."""

    def addcmul(
        self,
        tensor1: Tensor | complex,
        tensor2: Tensor | complex,
        *,
        value: _float = 1,
    ) -> Tensor:
        """input + value * tensor1 * tensor2."""

    def addcmul_(
        self,
        tensor1: Tensor | complex,
        tensor2: Tensor | complex,
        *,
        value: _float = 1,
    ) -> Self:
        """In-place version of `addcmul`."""

    def addmm(
        self,
        mat1: Tensor,
        mat2: Tensor,
        *,
        beta: _float = 1,
        alpha: _float = 1,
    ) -> Tensor:
        """beta * input + alpha * (mat1 @ mat2)."""

    def addmm_(
        self,
        mat1: Tensor,
        mat2: Tensor,
        *,
        beta: _float = 1,
        alpha: _float = 1,
    ) -> Self:
        """In-place version of `addmm`."""

    def addmv(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.products`, on this tensor."""

    def addmv_(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.products`, on this tensor."""

    def addr(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.products`, on this tensor."""

    def addr_(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.products`, on this tensor."""

    def adjoint(self) -> Tensor:
        """The last two dimensions swapped, and conjugated."""

    def all(self, dim: _int | Sequence[_int] | None = None, keepdim: _bool = False) -> Tensor:
        """Whether all elements are true (not zero)."""

    def allclose(
        self,
        other: Tensor,
        rtol: _float = 1e-05,
        atol: _float = 1e-08,
        equal_nan: _bool = False,
    ) -> _bool:
        """Whether all elements are close; see `isclose`."""

    def amax(self, dim: _int | Sequence[_int] | None = (), keepdim: _bool = False) -> Tensor:
        """Largest element over `dim` (all dimensions if empty). Ties share the gradient equally."""

    def amin(self, dim: _int | Sequence[_int] | None = (), keepdim: _bool = False) -> Tensor:
        """Smallest element over `dim` (all dimensions if empty). Ties share the gradient equally."""

    def aminmax(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.statistics`, on this tensor."""

    def angle(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.elementary`, on this tensor."""

    def any(self, dim: _int | Sequence[_int] | None = None, keepdim: _bool = False) -> Tensor:
        """Whether any element is true (not zero)."""

    def apply_(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.seldom.apply_`."""

    def argmax(self, dim: _int | None = None, keepdim: _bool = False) -> Tensor:
        """Index of the largest element of the flattened input, or along `dim`; the first of equals."""

    def argmin(self, dim: _int | None = None, keepdim: _bool = False) -> Tensor:
        """Index of the smallest element of the flattened input, or along `dim`; the first of equals."""

    def argsort(
        self,
        dim: _int = -1,
        descending: _bool = False,
        stable: _bool = False,
    ) -> Tensor:
        """Indices that sort `input` along `dim`."""

    def argwhere(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.arranging`, on this tensor."""

    def as_strided(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.strided`, on this tensor."""

    def as_strided_(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.seldom.as_strided_`."""

    def as_strided_scatter(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.strided`, on this tensor."""

    def as_subclass(self, cls: _type) -> Any:
        """This tensor's memory and history as a tensor of `cls`, a subclass of Tensor."""

    def asin(self) -> Tensor:
        """Inverse sine of each element."""

    def asin_(self) -> Self:
        """In-place version of `asin`."""

    def asinh(self) -> Tensor:
        """Inverse hyperbolic sine of each element."""

    def asinh_(self) -> Self:
        """In-place version of `asinh`."""

    def atan(self) -> Tensor:
        """Inverse tangent of each element."""

    def atan2(self, other: Tensor | complex) -> Tensor:
        """The angle of the point (other, input), in (-pi, pi]."""

    def atan2_(self, other: Tensor | complex) -> Self:
        """In-place version of `atan2`."""

    def atan_(self) -> Self:
        """In-place version of `atan`."""

    def atanh(self) -> Tensor:
        """Inverse hyperbolic tangent of each element."""

    def atanh_(self) -> Self:
        """In-place version of `atanh`."""

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: _bool | None = None,
        create_graph: _bool = False,
        inputs: Any = None,
    ) -> None:
        """Adds the gradient of this tensor to the `.grad` of the leaves it was computed from."""

    def baddbmm(
        self,
        batch1: Tensor,
        batch2: Tensor,
        *,
        beta: _float = 1,
        alpha: _float = 1,
    ) -> Tensor:
        """beta * input + alpha * (batch1 @ batch2)."""

    def baddbmm_(
        self,
        batch1: Tensor,
        batch2: Tensor,
        *,
        beta: _float = 1,
        alpha: _float = 1,
    ) -> Self:
        """In-place version of `baddbmm`."""

    def bernoulli(self, p: _float | None = None, *, generator: Any = None) -> Tensor:
        """1 with the probabilities of `input` (or with probability p), else 0, in input's dtype."""

    def bernoulli_(self, p: _float | None = None, *, generator: Any = None) -> Self:
        """Fills with 1 with probability p, else 0."""

    def bfloat16(self, memory_format: Any = None) -> Tensor:
        """The tensor in dtype bfloat16; self if it has it already."""

    def bincount(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.histograms`, on this tensor."""

    def bitwise_and(self, other: Tensor | complex) -> Tensor:
        """Bitwise and of integers; logical and of bools."""

    def bitwise_and_(self, other: Tensor | complex) -> Self:
        """In-place version of `bitwise_and`."""

    def bitwise_left_shift(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.elementary`, on this tensor."""

    def bitwise_left_shift_(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.elementary`, on this tensor."""

    def bitwise_not(self) -> Tensor:
        """Bitwise not of integers; logical not of bools."""

    def bitwise_not_(self) -> Self:
        """In-place version of `bitwise_not`."""

    def bitwise_or(self, other: Tensor | complex) -> Tensor:
        """Bitwise or of integers; logical or of bools."""

    def bitwise_or_(self, other: Tensor | complex) -> Self:
        """In-place version of `bitwise_or`."""

    def bitwise_right_shift(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.elementary`, on this tensor."""

    def bitwise_right_shift_(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.elementary`, on this tensor."""

    def bitwise_xor(self, other: Tensor | complex) -> Tensor:
        """Bitwise xor of integers; logical xor of bools."""

    def bitwise_xor_(self, other: Tensor | complex) -> Self:
        """In-place version of `bitwise_xor`."""

    def bmm(self, mat2: Tensor) -> Tensor:
        """Products of two batches of matrices."""

    def bool(self, memory_format: Any = None) -> Tensor:
        """The tensor in dtype bool; self if it has it already."""

    def broadcast_to(self, size: Any) -> Tensor:
        """`expand` to a shape."""

    def byte(self, memory_format: Any = None) -> Tensor:
        """The tensor in dtype uint8; self if it has it already."""

    def cauchy_(self, median: _float = 0, sigma: _float = 1, *, generator: Any = None) -> Self:
        """Fills with numbers of the Cauchy distribution around `median` with half width `sigma`."""

    def ccol_indices(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.sparse.methods.ccol_indices`."""

    def cdouble(self, memory_format: Any = None) -> Tensor:
        """The tensor in dtype complex128; self if it has it already."""

    def ceil(self) -> Tensor:
        """The smallest integer not below each element."""

    def ceil_(self) -> Self:
        """In-place version of `ceil`."""

    def cfloat(self, memory_format: Any = None) -> Tensor:
        """The tensor in dtype complex64; self if it has it already."""

    def chalf(self, memory_format: Any = None) -> Tensor:
        """The tensor in dtype complex32; self if it has it already."""

    def char(self, memory_format: Any = None) -> Tensor:
        """The tensor in dtype int8; self if it has it already."""

    def cholesky(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.factorizations`, on this tensor."""

    def cholesky_inverse(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.factored`, on this tensor."""

    def cholesky_solve(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.factored`, on this tensor."""

    def chunk(self, chunks: _int, dim: _int = 0) -> tuple[Tensor, ...]:
        """At most `chunks` views along `dim`, all of one size but perhaps the last."""

    def clamp(
        self,
        min: Tensor | _float | None = None,
        max: Tensor | _float | None = None,
    ) -> Tensor:
        """Elements below `min` become it, elements above `max` become it; both bounds are numbers, or both tensors."""

    def clamp_(
        self,
        min: Tensor | _float | None = None,
        max: Tensor | _float | None = None,
    ) -> Self:
        """In-place version of `clamp`."""

    def clamp_max(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.elementary`, on this tensor."""

    def clamp_max_(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.elementary`, on this tensor."""

    def clamp_min(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.elementary`, on this tensor."""

    def clamp_min_(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.elementary`, on this tensor."""

    def clone(self, *, memory_format: object = None) -> Tensor:
        """A copy in memory of its own; gradients flow through."""

    def coalesce(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.sparse.methods.coalesce`."""

    def col_indices(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.sparse.methods.col_indices`."""

    def combinations(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.arranging`, on this tensor."""

    def conj(self) -> Tensor:
        """The complex conjugate; real tensors are returned as they are. Computed at once: PyTorch only marks it."""

    def conj_physical(self) -> Tensor:
        """The complex conjugate, computed."""

    def conj_physical_(self) -> Self:
        """In-place version of `conj_physical`."""

    def contiguous(self, memory_format: object = None) -> Tensor:
        """`input` itself if its memory is in row-major order (or that of `memory_format`), else a copy that is."""

    def copy_(self, src: Any, non_blocking: _bool = False) -> Self:
        """The elements of `src`, broadcast and cast, written into this tensor."""

    def copysign(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.elementary`, on this tensor."""

    def copysign_(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.elementary`, on this tensor."""

    def corrcoef(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.products`, on this tensor."""

    def cos(self) -> Tensor:
        """Cosine of each element."""

    def cos_(self) -> Self:
        """In-place version of `cos`."""

    def cosh(self) -> Tensor:
        """Hyperbolic cosine of each element."""

    def cosh_(self) -> Self:
        """In-place version of `cosh`."""

    def count_nonzero(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.statistics`, on this tensor."""

    def cov(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.products`, on this tensor."""

    def cpu(self, memory_format: Any = None) -> Tensor:
        """The tensor on the CPU."""

    def cross(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.products`, on this tensor."""

    def crow_indices(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.sparse.methods.crow_indices`."""

    def cuda(
        self,
        device: Any = None,
        non_blocking: _bool = False,
        memory_format: Any = None,
    ) -> Tensor:
        """The tensor on a CUDA device (the current one unless given)."""

    def cummax(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.statistics`, on this tensor."""

    def cummin(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.statistics`, on this tensor."""

    def cumprod(self, dim: _int, *, dtype: dtype | None = None) -> Tensor:
        """Running product along `dim`."""

    def cumprod_(self, dim: _int, *, dtype: dtype | None = None) -> Self:
        """In-place version of `cumprod`."""

    def cumsum(self, dim: _int, *, dtype: dtype | None = None) -> Tensor:
        """Running sum along `dim`."""

    def cumsum_(self, dim: _int, *, dtype: dtype | None = None) -> Self:
        """In-place version of `cumsum`."""

    @property
    def data(self) -> Tensor:
        """The values without history, over the same memory, whose writes autograd does not see."""
    @data.setter
    def data(self, value: Tensor) -> None: ...

    def data_ptr(self) -> _int:
        """Address of the first element."""

    def deg2rad(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.elementary`, on this tensor."""

    def deg2rad_(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.elementary`, on this tensor."""

    def dense_dim(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.sparse.methods.dense_dim`."""

    def dequantize(self) -> Tensor:
        """The real numbers of a quantized tensor; of any other, its numbers in float32."""

    def det(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.linalg`, on this tensor."""

    def detach(self) -> Tensor:
        """The same memory without history."""

    def detach_(self) -> Self:
        """Drops this tensor's history."""

    def diag(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.arranging`, on this tensor."""

    def diag_embed(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.arranging`, on this tensor."""

    def diagflat(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.arranging`, on this tensor."""

    def diagonal(self, offset: _int = 0, dim1: _int = 0, dim2: _int = 1) -> Tensor:
        """The diagonal of dimensions dim1 and dim2, as the last dimension of a view."""

    def diagonal_scatter(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.arranging`, on this tensor."""

    def diff(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.differences`, on this tensor."""

    def digamma(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.gamma`, on this tensor."""

    def digamma_(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.gamma`, on this tensor."""

    def dim(self) -> _int:
        """The number of dimensions."""

    def dim_order(self, *, ambiguity_check: Any = False) -> tuple[_int, ...]:
        """The dimensions in the order in which they lie in memory, the widest stride first."""

    def dist(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.products`, on this tensor."""

    def div(self, other: Tensor | _float, *, rounding_mode: str | None = None) -> Tensor:
        """Quotient of two tensors, rounded towards zero ("trunc"), down ("floor") or not at all (None)."""

    def div_(self, other: Tensor | _float, *, rounding_mode: str | None = None) -> Self:
        """In-place version of `div`."""

    def dot(self, tensor: Tensor) -> Tensor:
        """Product of two vectors."""

    def double(self, memory_format: Any = None) -> Tensor:
        """The tensor in dtype float64; self if it has it already."""

    def dsplit(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.arranging`, on this tensor."""

    def element_size(self) -> _int:
        """Bytes of one element."""

    def eq(self, other: Tensor | complex) -> Tensor:
        """Whether the elements are equal."""

    def eq_(self, other: Tensor | complex) -> Self:
        """In-place version of `eq`."""

    def equal(self, other: Tensor) -> _bool:
        """Whether both have one shape and equal elements."""

    def erf(self) -> Tensor:
        """Error function of each element: 2 / sqrt(pi) times the integral of exp(-t^2) from 0."""

    def erf_(self) -> Self:
        """In-place version of `erf`."""

    def erfc(self) -> Tensor:
        """1 - erf(x), accurate for large x."""

    def erfc_(self) -> Self:
        """In-place version of `erfc`."""

    def erfinv(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.error_functions`, on this tensor."""

    def erfinv_(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.error_functions`, on this tensor."""

    def exp(self) -> Tensor:
        """e to the power of each element."""

    def exp2(self) -> Tensor:
        """2 to the power of each element."""

    def exp2_(self) -> Self:
        """In-place version of `exp2`."""

    def exp_(self) -> Self:
        """In-place version of `exp`."""

    @overload
    def expand(self, shape: Sequence[_int]) -> Tensor:
        """Dimensions of size one repeated without copying; -1 keeps a size; new dimensions go in front."""
    @overload
    def expand(self, *shape: _int) -> Tensor:
        """Dimensions of size one repeated without copying; -1 keeps a size; new dimensions go in front."""

    def expand_as(self, other: Tensor) -> Tensor:
        """`expand` to the shape of `other`."""

    def expm1(self) -> Tensor:
        """exp(x) - 1, accurate near zero."""

    def expm1_(self) -> Self:
        """In-place version of `expm1`."""

    def exponential_(self, lambd: _float = 1, *, generator: Any = None) -> Self:
        """Fills with exponentially distributed numbers of rate lambd."""

    def fill_(self, value: Any) -> Self:
        """One number written everywhere."""

    def fill_diagonal_(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.seldom.fill_diagonal_`."""

    def flatten(self, start_dim: _int = 0, end_dim: _int = -1) -> Tensor:
        """Dimensions start_dim to end_dim made one."""

    @overload
    def flip(self, dims: _int | Sequence[_int]) -> Tensor:
        """Elements in reverse order along `dims`; a copy, as in PyTorch."""
    @overload
    def flip(self, *dims: _int) -> Tensor:
        """Elements in reverse order along `dims`; a copy, as in PyTorch."""

    def fliplr(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.arranging`, on this tensor."""

    def flipud(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.arranging`, on this tensor."""

    def float(self, memory_format: Any = None) -> Tensor:
        """The tensor in dtype float32; self if it has it already."""

    def float_power(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.elementary`, on this tensor."""

    def float_power_(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.elementary`, on this tensor."""

    def floor(self) -> Tensor:
        """The largest integer not above each element."""

    def floor_(self) -> Self:
        """In-place version of `floor`."""

    def floor_divide(self, other: Tensor | complex) -> Tensor:
        """Quotient rounded down."""

    def floor_divide_(self, other: Tensor | complex) -> Self:
        """In-place version of `floor_divide`."""

    def fmax(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.elementary`, on this tensor."""

    def fmin(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.elementary`, on this tensor."""

    def fmod(self, other: Tensor | complex) -> Tensor:
        """Remainder of the division rounded towards zero; it has the sign of `input`, as C's fmod."""

    def fmod_(self, other: Tensor | complex) -> Self:
        """In-place version of `fmod`."""

    def frac(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.elementary`, on this tensor."""

    def frac_(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.elementary`, on this tensor."""

    def frexp(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.exact`, on this tensor."""

    def gather(self, dim: _int, index: Tensor, *, sparse_grad: _bool = False) -> Tensor:
        """out[i][j][k] = input[index[i][j][k]][j][k] for dim 0, and so on."""

    def gcd(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.exact`, on this tensor."""

    def gcd_(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.exact`, on this tensor."""

    def ge(self, other: Tensor | complex) -> Tensor:
        """Whether input >= other."""

    def ge_(self, other: Tensor | complex) -> Self:
        """In-place version of `ge`."""

    def geometric_(self, p: _float, *, generator: Any = None) -> Self:
        """Fills with the number of tries until an event of probability `p` happens: 1, 2, ..."""

    def geqrf(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.reflectors`, on this tensor."""

    def get_device(self) -> _int:
        """The number of the GPU; -1 on the CPU."""

    @property
    def grad_dtype(self) -> Any:
        """The dtype that an assigned gradient must have; None: any."""
    @grad_dtype.setter
    def grad_dtype(self, value: Any) -> None: ...

    def gt(self, other: Tensor | complex) -> Tensor:
        """Whether input > other."""

    def gt_(self, other: Tensor | complex) -> Self:
        """In-place version of `gt`."""

    def half(self, memory_format: Any = None) -> Tensor:
        """The tensor in dtype float16; self if it has it already."""

    def hardshrink(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.nn.functional.hardshrink`."""

    def hash_tensor(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.distinct`, on this tensor."""

    def heaviside(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.elementary`, on this tensor."""

    def heaviside_(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.elementary`, on this tensor."""

    def histc(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.histograms`, on this tensor."""

    def histogram(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.histograms`, on this tensor."""

    def hsplit(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.arranging`, on this tensor."""

    def hypot(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.elementary`, on this tensor."""

    def hypot_(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.elementary`, on this tensor."""

    def i0(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.bessel`, on this tensor."""

    def i0_(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.bessel`, on this tensor."""

    def igamma(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.incomplete_gamma`, on this tensor."""

    def igamma_(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.incomplete_gamma`, on this tensor."""

    def igammac(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.incomplete_gamma`, on this tensor."""

    def igammac_(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.incomplete_gamma`, on this tensor."""

    @property
    def imag(self) -> Tensor:
        """The imaginary parts of a complex tensor, as a view."""

    def index(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.functorch.dim.index`."""

    def index_add(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.selecting`, on this tensor."""

    def index_add_(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.selecting`, on this tensor."""

    def index_copy(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.selecting`, on this tensor."""

    def index_copy_(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.selecting`, on this tensor."""

    def index_fill(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.selecting`, on this tensor."""

    def index_fill_(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.selecting`, on this tensor."""

    def index_put(
        self,
        indices: tuple[Any, ...],
        values: Tensor,
        accumulate: _bool = False,
    ) -> Tensor:
        """A copy of `input` with `values` written (or added) where `indices`, a tuple of index tensors, point."""

    def index_put_(
        self,
        indices: tuple[Any, ...],
        values: Tensor,
        accumulate: _bool = False,
    ) -> Self:
        """In-place version of `index_put`."""

    def index_reduce(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.scattering`, on this tensor."""

    def index_reduce_(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.scattering`, on this tensor."""

    def index_select(self, dim: _int, index: Tensor) -> Tensor:
        """The slices of `input` along `dim` that `index` (1-d, integer) names."""

    def indices(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.sparse.methods.indices`."""

    def inner(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.products`, on this tensor."""

    def int(self, memory_format: Any = None) -> Tensor:
        """The tensor in dtype int32; self if it has it already."""

    def int_repr(self) -> Any:
        """Of quantized tensors only; see `flambeau.quantize_per_tensor`."""

    def inverse(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.solvers`, on this tensor."""

    def is_coalesced(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.sparse.methods.is_coalesced`."""

    def is_complex(self) -> _bool:
        """Whether the dtype is a complex one."""

    def is_conj(self) -> _bool:
        """Whether a conjugation is pending: never, it is computed at once."""

    def is_contiguous(self, memory_format: Any = None) -> _bool:
        """Whether memory is in row-major order, or in that of `memory_format`, without gaps."""

    @property
    def is_cpu(self) -> _bool:
        """Whether the memory is the host's."""

    @property
    def is_cuda(self) -> _bool:
        """Whether the memory is a GPU's."""

    def is_floating_point(self) -> _bool:
        """Whether the dtype is a floating one."""

    def is_inference(self) -> _bool:
        """Whether the tensor was made in inference mode."""

    @property
    def is_meta(self) -> _bool:
        """Whether there is a shape and a dtype, and no memory."""

    def is_neg(self) -> _bool:
        """Whether a negation is pending: never, it is computed at once."""

    def is_nonzero(self) -> _bool:
        """Whether the one element is not zero."""

    def is_pinned(self) -> _bool:
        """Whether the memory is page-locked."""

    def is_set_to(self, tensor: Tensor) -> _bool:
        """Whether both are the same window of the same memory."""

    def is_shared(self) -> _bool:
        """Whether other processes can see the memory."""

    def is_signed(self) -> _bool:
        """Whether the dtype has negative numbers."""

    def isclose(
        self,
        other: Tensor,
        rtol: _float = 1e-05,
        atol: _float = 1e-08,
        equal_nan: _bool = False,
    ) -> Tensor:
        """Whether |input - other| <= atol + rtol * |other|, element by element."""

    def isfinite(self) -> Tensor:
        """Whether each element is neither infinite nor NaN."""

    def isinf(self) -> Tensor:
        """Whether each element is infinite."""

    def isnan(self) -> Tensor:
        """Whether each element is NaN."""

    def isneginf(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.elementary`, on this tensor."""

    def isposinf(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.elementary`, on this tensor."""

    def isreal(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.elementary`, on this tensor."""

    def istft(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.ops.spectral.istft`."""

    def item(self) -> Any:
        """The one element as a Python number."""

    @property
    def itemsize(self) -> _int:
        """Bytes of one element."""

    def kron(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.products`, on this tensor."""

    def kthvalue(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.statistics`, on this tensor."""

    def lcm(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.exact`, on this tensor."""

    def lcm_(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.exact`, on this tensor."""

    def ldexp(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.elementary`, on this tensor."""

    def ldexp_(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.elementary`, on this tensor."""

    def le(self, other: Tensor | complex) -> Tensor:
        """Whether input <= other."""

    def le_(self, other: Tensor | complex) -> Self:
        """In-place version of `le`."""

    def lerp(self, end: Tensor | complex, weight: Tensor | complex) -> Tensor:
        """Linear interpolation: input + weight * (end - input)."""

    def lerp_(self, end: Tensor | complex, weight: Tensor | complex) -> Self:
        """In-place version of `lerp`."""

    def lgamma(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.gamma`, on this tensor."""

    def lgamma_(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.gamma`, on this tensor."""

    def log(self) -> Tensor:
        """Natural logarithm of each element."""

    def log10(self) -> Tensor:
        """Logarithm to base 10 of each element."""

    def log10_(self) -> Self:
        """In-place version of `log10`."""

    def log1p(self) -> Tensor:
        """log(1 + x), accurate near zero."""

    def log1p_(self) -> Self:
        """In-place version of `log1p`."""

    def log2(self) -> Tensor:
        """Logarithm to base 2 of each element."""

    def log2_(self) -> Self:
        """In-place version of `log2`."""

    def log_(self) -> Self:
        """In-place version of `log`."""

    def log_normal_(self, mean: _float = 1, std: _float = 2, *, generator: Any = None) -> Self:
        """Fills with numbers whose logarithm is normal with `mean` and `std`."""

    def log_softmax(self, dim: _int, *, dtype: dtype | None = None) -> Tensor:
        """log(softmax(x)), without losing the small ones."""

    def logaddexp(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.elementary`, on this tensor."""

    def logaddexp2(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.elementary`, on this tensor."""

    def logcumsumexp(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.logsums`, on this tensor."""

    def logdet(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.linalg`, on this tensor."""

    def logical_and(self, other: Tensor | complex) -> Tensor:
        """Logical and of truth values; numbers are true unless zero."""

    def logical_and_(self, other: Tensor | complex) -> Self:
        """In-place version of `logical_and`."""

    def logical_not(self) -> Tensor:
        """Logical not of truth values."""

    def logical_not_(self) -> Self:
        """In-place version of `logical_not`."""

    def logical_or(self, other: Tensor | complex) -> Tensor:
        """Logical or of truth values; numbers are true unless zero."""

    def logical_or_(self, other: Tensor | complex) -> Self:
        """In-place version of `logical_or`."""

    def logical_xor(self, other: Tensor | complex) -> Tensor:
        """Logical xor of truth values; numbers are true unless zero."""

    def logical_xor_(self, other: Tensor | complex) -> Self:
        """In-place version of `logical_xor`."""

    def logit(self, eps: _float | None = None) -> Tensor:
        """Log-odds of each element, log(x / (1 - x)); with `eps`, x is first kept within [eps, 1 - eps]."""

    def logit_(self, eps: _float | None = None) -> Self:
        """In-place version of `logit`."""

    def logsumexp(self, dim: _int | Sequence[_int], keepdim: _bool = False) -> Tensor:
        """log(sum(exp(input))) over `dim`, without overflow."""

    def long(self, memory_format: Any = None) -> Tensor:
        """The tensor in dtype int64; self if it has it already."""

    def lt(self, other: Tensor | complex) -> Tensor:
        """Whether input < other."""

    def lt_(self, other: Tensor | complex) -> Self:
        """In-place version of `lt`."""

    def lu(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.factorizations`, on this tensor."""

    def lu_solve(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.factored`, on this tensor."""

    @property
    def mH(self) -> Tensor:
        """The last two dimensions swapped, and conjugated."""

    @property
    def mT(self) -> Tensor:
        """The last two dimensions swapped."""

    def map_(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.seldom.map_`."""

    def masked_fill(self, mask: Tensor, value: Tensor | _float) -> Tensor:
        """`input` with `value`, a number or a 0-d tensor, where `mask` (bool, broadcast to input) holds."""

    def masked_fill_(self, mask: Tensor, value: Tensor | _float) -> Self:
        """In-place version of `masked_fill`."""

    def masked_scatter(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.selecting`, on this tensor."""

    def masked_scatter_(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.selecting`, on this tensor."""

    def masked_select(self, mask: Tensor) -> Tensor:
        """The elements where `mask` (bool, broadcast) holds, in a 1-d tensor."""

    def matmul(self, other: Tensor) -> Tensor:
        """Matrix product over the last two dimensions, the others broadcast; 1-d operands are row and column vectors."""

    def matrix_exp(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.linalg`, on this tensor."""

    def matrix_power(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.linalg`, on this tensor."""

    @overload
    def max(self) -> Tensor:
        """The largest element; with `dim` (values, indices) along it; with a tensor the larger of two elements."""
    @overload
    def max(self, dim: _int, keepdim: _bool = False) -> MaxResult:
        """The largest element; with `dim` (values, indices) along it; with a tensor the larger of two elements."""
    @overload
    def max(self, other: Tensor) -> Tensor:
        """The largest element; with `dim` (values, indices) along it; with a tensor the larger of two elements."""

    def maximum(self, other: Tensor | complex) -> Tensor:
        """The larger of two elements; NaN if either is NaN. Ties share the gradient."""

    def mean(
        self,
        dim: _int | Sequence[_int] | None = None,
        keepdim: _bool = False,
        *,
        dtype: dtype | None = None,
    ) -> Tensor:
        """Mean of all elements, or over `dim`. Needs a floating dtype."""

    @overload
    def median(self) -> Tensor:
        """The lower median of all elements, or (values, indices) along `dim`; NaN where one is NaN."""
    @overload
    def median(self, dim: _int, keepdim: _bool = False) -> MedianResult:
        """The lower median of all elements, or (values, indices) along `dim`; NaN where one is NaN."""

    @overload
    def min(self) -> Tensor:
        """The smallest element; with `dim` (values, indices) along it; with a tensor the smaller of two elements."""
    @overload
    def min(self, dim: _int, keepdim: _bool = False) -> MinResult:
        """The smallest element; with `dim` (values, indices) along it; with a tensor the smaller of two elements."""
    @overload
    def min(self, other: Tensor) -> Tensor:
        """The smallest element; with `dim` (values, indices) along it; with a tensor the smaller of two elements."""

    def minimum(self, other: Tensor | complex) -> Tensor:
        """The smaller of two elements; NaN if either is NaN. Ties share the gradient."""

    def mm(self, mat2: Tensor) -> Tensor:
        """Product of two matrices."""

    def mode(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.distinct`, on this tensor."""

    def module_load(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.seldom.module_load`."""

    def movedim(
        self,
        source: _int | Sequence[_int],
        destination: _int | Sequence[_int],
    ) -> Tensor:
        """Dimensions `source` moved to `destination`, the others in order."""

    def msort(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.statistics`, on this tensor."""

    def mul(self, other: Tensor | complex) -> Tensor:
        """Product of two tensors, element by element."""

    def mul_(self, other: Tensor | complex) -> Self:
        """In-place version of `mul`."""

    def multinomial(
        self,
        num_samples: _int,
        replacement: _bool = False,
        *,
        generator: Any = None,
        out: Any = None,
    ) -> Tensor:
        """Indices drawn with the weights in each row of `input`."""

    def mv(self, vec: Tensor) -> Tensor:
        """Product of a matrix and a vector."""

    def mvlgamma(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.gamma`, on this tensor."""

    def mvlgamma_(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.gamma`, on this tensor."""

    @property
    def names(self) -> tuple[None, ...]:
        """The names of the dimensions: they have none."""

    def nan_to_num(
        self,
        nan: _float | None = None,
        posinf: _float | None = None,
        neginf: _float | None = None,
    ) -> Tensor:
        """NaN and infinities replaced by numbers: 0 and the largest finite values unless given."""

    def nan_to_num_(
        self,
        nan: _float | None = None,
        posinf: _float | None = None,
        neginf: _float | None = None,
    ) -> Self:
        """In-place version of `nan_to_num`."""

    def nanmean(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.statistics`, on this tensor."""

    def nanmedian(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.statistics`, on this tensor."""

    def nanquantile(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.statistics`, on this tensor."""

    def nansum(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.statistics`, on this tensor."""

    def narrow(self, dim: _int, start: _int | Tensor, length: _int) -> Tensor:
        """`length` slices along `dim` from `start`."""

    def narrow_copy(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.ops.copies.narrow_copy`."""

    @property
    def nbytes(self) -> _int:
        """Bytes of all elements."""

    def ne(self, other: Tensor | complex) -> Tensor:
        """Whether the elements differ."""

    def ne_(self, other: Tensor | complex) -> Self:
        """In-place version of `ne`."""

    def neg(self) -> Tensor:
        """Each element with its sign changed."""

    def neg_(self) -> Self:
        """In-place version of `neg`."""

    def new(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.tensor_types.new`."""

    def new_empty(
        self,
        *size: Any,
        dtype: Any = None,
        device: Any = None,
        requires_grad: _bool = False,
        **_: Any
    ) -> Tensor: ...

    def new_empty_strided(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.ops.strided.new_empty_strided`."""

    def new_full(
        self,
        size: Any,
        fill_value: Any,
        *,
        dtype: Any = None,
        device: Any = None,
        requires_grad: _bool = False,
    ) -> Tensor:
        """A tensor full of one number, of this dtype and device."""

    def new_ones(
        self,
        *size: Any,
        dtype: Any = None,
        device: Any = None,
        requires_grad: _bool = False,
        **_: Any
    ) -> Tensor: ...

    def new_tensor(
        self,
        *size: Any,
        dtype: Any = None,
        device: Any = None,
        requires_grad: _bool = False,
        **_: Any
    ) -> Tensor: ...

    def new_zeros(
        self,
        *size: Any,
        dtype: Any = None,
        device: Any = None,
        requires_grad: _bool = False,
        **_: Any
    ) -> Tensor: ...

    def nextafter(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.exact`, on this tensor."""

    def nextafter_(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.exact`, on this tensor."""

    def nonzero(self, *, as_tuple: _bool = False) -> Any:
        """Indices of elements that are not zero: an (n, dims) tensor, or a tuple of one index tensor per dimension."""

    def nonzero_static(self, *, size: _int, fill_value: _int = -1) -> Tensor:
        """The first `size` rows of `nonzero`, filled up with `fill_value` where there are fewer: a shape known beforehand."""

    def norm(
        self,
        p: _float | str | None = 'fro',
        dim: _int | Sequence[_int] | None = None,
        keepdim: _bool = False,
        out: Any = None,
        dtype: dtype | None = None,
    ) -> Tensor:
        """Vector p-norm over all elements or over `dim`; "fro" is p = 2."""

    def normal_(self, mean: _float = 0, std: _float = 1, *, generator: Any = None) -> Self:
        """Fills with normal numbers."""

    def numel(self) -> _int:
        """The number of elements."""

    def numpy(self, *, force: _bool = False) -> np.ndarray:
        """The NumPy array over the same memory; `force` detaches and copies to the CPU where needed."""

    def orgqr(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.reflectors`, on this tensor."""

    def ormqr(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.reflectors`, on this tensor."""

    def outer(self, vec2: Tensor) -> Tensor:
        """All products of elements of two vectors."""

    @property
    def output_nr(self) -> _int:
        """Which output of the operator that made it this tensor is."""

    @overload
    def permute(self, dims: Sequence[_int]) -> Tensor:
        """Dimensions in another order."""
    @overload
    def permute(self, *dims: _int) -> Tensor:
        """Dimensions in another order."""

    def pin_memory(self) -> Tensor:
        """Page-locked memory for fast copies to a GPU; on a machine without one, the tensor itself."""

    def pinverse(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.rank`, on this tensor."""

    def polygamma(self, n: _int) -> Tensor:
        """See `flambeau.polygamma`, whose first argument is `n`."""

    def polygamma_(self, n: _int) -> Self:
        """In-place `polygamma`."""

    def positive(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.elementary`, on this tensor."""

    def pow(self, exponent: Tensor | complex) -> Tensor:
        """Each element to the power of `exponent`."""

    def pow_(self, exponent: Tensor | complex) -> Self:
        """In-place version of `pow`."""

    def prelu(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.nn.functional.prelu`."""

    def prod(
        self,
        dim: _int | None = None,
        keepdim: _bool = False,
        *,
        dtype: dtype | None = None,
    ) -> Tensor:
        """Product of all elements, or along `dim`."""

    def put(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.selecting`, on this tensor."""

    def put_(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.selecting`, on this tensor."""

    def q_per_channel_axis(self) -> Any:
        """Of quantized tensors only; see `flambeau.quantize_per_tensor`."""

    def q_per_channel_scales(self) -> Any:
        """Of quantized tensors only; see `flambeau.quantize_per_tensor`."""

    def q_per_channel_zero_points(self) -> Any:
        """Of quantized tensors only; see `flambeau.quantize_per_tensor`."""

    def q_scale(self) -> Any:
        """Of quantized tensors only; see `flambeau.quantize_per_tensor`."""

    def q_zero_point(self) -> Any:
        """Of quantized tensors only; see `flambeau.quantize_per_tensor`."""

    def qr(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.factorizations`, on this tensor."""

    def qscheme(self) -> Any:
        """Of quantized tensors only; see `flambeau.quantize_per_tensor`."""

    def quantile(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.statistics`, on this tensor."""

    def rad2deg(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.elementary`, on this tensor."""

    def rad2deg_(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.elementary`, on this tensor."""

    def random_(
        self,
        from_: _int | None = None,
        to: _int | None = None,
        *,
        generator: Any = None,
    ) -> Self:
        """Fills with integers in [from, to), in [0, to) for one argument, over the dtype's whole range for none."""

    def ravel(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.arranging`, on this tensor."""

    @property
    def real(self) -> Tensor:
        """The real parts of a complex tensor, as a view; a real tensor itself."""

    def reciprocal(self) -> Tensor:
        """One over each element."""

    def reciprocal_(self) -> Self:
        """In-place version of `reciprocal`."""

    def record_stream(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.seldom.record_stream`."""

    def register_hook(self, hook: Callable[[Tensor], Any]) -> Handle:
        """`hook(grad)` whenever a gradient for this tensor is computed; may return another gradient."""

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], Any]) -> Handle:
        """`hook(tensor)` after a gradient was added to this leaf's `.grad`."""

    def relu(self) -> Tensor:
        """max(x, 0) of each element."""

    def relu_(self) -> Self:
        """In-place version of `relu`."""

    def remainder(self, other: Tensor | complex) -> Tensor:
        """Remainder of the division rounded down; it has the sign of `other`, as Python's %."""

    def remainder_(self, other: Tensor | complex) -> Self:
        """In-place version of `remainder`."""

    def renorm(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.products`, on this tensor."""

    def renorm_(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.products`, on this tensor."""

    def repeat(self, *sizes: _int | Sequence[_int]) -> Tensor:
        """The tensor tiled `sizes` times along each dimension; further sizes in front add dimensions."""

    def repeat_interleave(
        self,
        repeats: Tensor | _int,
        dim: _int | None = None,
        *,
        output_size: _int | None = None,
    ) -> Tensor:
        """Each element (or slice along `dim`) repeated in place."""

    def requires_grad_(self, requires_grad: _bool = True) -> Self:
        """Says whether gradients are to be kept for this leaf."""

    @overload
    def reshape(self, shape: Sequence[_int]) -> Tensor:
        """The same elements in another shape; a view where strides allow, else a copy. One -1 is worked out."""
    @overload
    def reshape(self, *shape: _int) -> Tensor:
        """The same elements in another shape; a view where strides allow, else a copy. One -1 is worked out."""

    def reshape_as(self, other: Tensor) -> Tensor:
        """`reshape` to the shape of `other`."""

    def resize_(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.storage.resize_`."""

    def resize_as_(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.storage.resize_as_`."""

    def resolve_conj(self) -> Tensor:
        """`input` with its conjugation computed, which it always is."""

    def resolve_neg(self) -> Tensor:
        """`input` with its negation computed, which it always is."""

    def retain_grad(self) -> None:
        """Keeps `.grad` of this tensor although it is no leaf."""

    @property
    def retains_grad(self) -> _bool:
        """Whether `retain_grad` was called on a tensor that is no leaf."""

    def roll(
        self,
        shifts: _int | Sequence[_int],
        dims: _int | Sequence[_int] | None = None,
    ) -> Tensor:
        """Elements shifted along `dims`, those that fall off come back at the other end."""

    def rot90(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.arranging`, on this tensor."""

    def round(self, *, decimals: _int = 0) -> Tensor:
        """Each element rounded to `decimals` places, halves to even."""

    def round_(self, *, decimals: _int = 0) -> Self:
        """In-place version of `round`."""

    def row_indices(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.sparse.methods.row_indices`."""

    def rsqrt(self) -> Tensor:
        """One over the square root of each element."""

    def rsqrt_(self) -> Self:
        """In-place version of `rsqrt`."""

    def rsub(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.elementary`, on this tensor."""

    def scatter(
        self,
        dim: _int,
        index: Tensor,
        src: Tensor | _float | None = None,
        *,
        value: _float | None = None,
        reduce: str | None = None,
    ) -> Tensor:
        """A copy of `input` with `src` (a tensor or a number) written at `index` along `dim`."""

    def scatter_(
        self,
        dim: _int,
        index: Tensor,
        src: Tensor | _float | None = None,
        *,
        value: _float | None = None,
        reduce: str | None = None,
    ) -> Self:
        """In-place version of `scatter`."""

    def scatter_add(self, dim: _int, index: Tensor, src: Tensor) -> Tensor:
        """A copy of `input` to which `src` is added at `index` along `dim`."""

    def scatter_add_(self, dim: _int, index: Tensor, src: Tensor) -> Self:
        """In-place version of `scatter_add`."""

    def scatter_reduce(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.scattering`, on this tensor."""

    def scatter_reduce_(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.scattering`, on this tensor."""

    def select(self, dim: _int, index: _int) -> Tensor:
        """The slice at `index` along `dim`, which is dropped."""

    def select_scatter(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.arranging`, on this tensor."""

    def set_(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.storage.set_`."""

    def sgn(self) -> Tensor:
        """Each element's direction: x / |x|, and 0 for 0; for real numbers the sign."""

    def sgn_(self) -> Self:
        """In-place version of `sgn`."""

    def share_memory_(self) -> Self:
        """Moves the data to memory that processes share: those forked from now on, and those it is sent to; in place."""

    def short(self, memory_format: Any = None) -> Tensor:
        """The tensor in dtype int16; self if it has it already."""

    def sigmoid(self) -> Tensor:
        """1 / (1 + exp(-x)) of each element."""

    def sigmoid_(self) -> Self:
        """In-place version of `sigmoid`."""

    def sign(self) -> Tensor:
        """-1, 0 or 1 by the sign of each element."""

    def sign_(self) -> Self:
        """In-place version of `sign`."""

    def signbit(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.elementary`, on this tensor."""

    def sin(self) -> Tensor:
        """Sine of each element."""

    def sin_(self) -> Self:
        """In-place version of `sin`."""

    def sinc(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.elementary`, on this tensor."""

    def sinc_(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.elementary`, on this tensor."""

    def sinh(self) -> Tensor:
        """Hyperbolic sine of each element."""

    def sinh_(self) -> Self:
        """In-place version of `sinh`."""

    def size(self, dim: _int | None = None) -> Any:
        """The shape, or the size of one dimension."""

    def slice_scatter(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.arranging`, on this tensor."""

    def slogdet(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.linalg`, on this tensor."""

    def smm(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.sparse.methods.smm`."""

    def softmax(self, dim: _int, *, dtype: dtype | None = None) -> Tensor:
        """exp(x) over the sum of exp(x) along `dim`."""

    def sort(
        self,
        dim: _int = -1,
        descending: _bool = False,
        stable: _bool = False,
    ) -> SortResult:
        """(values, indices) in order along `dim`; equal elements keep their order. NaN counts as the largest."""

    def sparse_dim(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.sparse.methods.sparse_dim`."""

    def sparse_mask(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.sparse.methods.sparse_mask`."""

    def sparse_resize_(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.sparse.methods.sparse_resize_`."""

    def sparse_resize_and_clear_(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.sparse.methods.sparse_resize_and_clear_`."""

    def split(self, split_size: Any, dim: _int = 0) -> tuple[Tensor, ...]:
        """Pieces of `split_size` along `dim`, the last one shorter; or of the sizes in a list."""

    def split_with_sizes(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.arranging`, on this tensor."""

    def sqrt(self) -> Tensor:
        """Square root of each element."""

    def sqrt_(self) -> Self:
        """In-place version of `sqrt`."""

    def square(self) -> Tensor:
        """Each element times itself."""

    def square_(self) -> Self:
        """In-place version of `square`."""

    def squeeze(self, dim: _int | Sequence[_int] | None = None) -> Tensor:
        """Dimensions of size one dropped: all, or those of `dim` that have size one."""

    def squeeze_(self, dim: _int | Sequence[_int] | None = None) -> Self:
        """In-place `squeeze`."""

    def sspaddmm(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.sparse.methods.sspaddmm`."""

    def std(
        self,
        dim: _int | Sequence[_int] | _bool | None = None,
        unbiased: _bool | None = None,
        keepdim: _bool = False,
        *,
        correction: _float | None = None,
    ) -> Tensor:
        """Standard deviation over `dim`: the square root of `var`."""

    def std_mean(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.statistics`, on this tensor."""

    def stft(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.ops.spectral.stft`."""

    def storage(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.storage.storage`."""

    def storage_offset(self) -> _int:
        """Elements between the start of the memory and this view's first element."""

    def stride(self, dim: _int | None = None) -> Any:
        """Distances in memory between neighbours along each dimension, in elements."""

    def sub(self, other: Tensor | complex, *, alpha: _float = 1) -> Tensor:
        """Difference of two tensors: input - alpha * other."""

    def sub_(self, other: Tensor | complex, *, alpha: _float = 1) -> Self:
        """In-place version of `sub`."""

    def sum(
        self,
        dim: _int | Sequence[_int] | None = None,
        keepdim: _bool = False,
        *,
        dtype: dtype | None = None,
    ) -> Tensor:
        """Sum over all elements, or over the dimensions `dim`. bools and integers give int64."""

    @overload
    def sum_to_size(self, size: Sequence[_int]) -> Tensor:
        """Summed to a shape that broadcasts to the input's: the inverse of broadcasting."""
    @overload
    def sum_to_size(self, *size: _int) -> Tensor:
        """Summed to a shape that broadcasts to the input's: the inverse of broadcasting."""

    def svd(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.spectra`, on this tensor."""

    def t(self) -> Tensor:
        """The transpose of a matrix; tensors of fewer dimensions unchanged."""

    def t_(self) -> Self:
        """In-place `t`."""

    def take(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.selecting`, on this tensor."""

    def take_along_dim(self, indices: Tensor, dim: _int | None = None) -> Tensor:
        """`gather` with broadcasting, negative indices counted from the end; over the flattened input without `dim`."""

    def tan(self) -> Tensor:
        """Tangent of each element."""

    def tan_(self) -> Self:
        """In-place version of `tan`."""

    def tanh(self) -> Tensor:
        """Hyperbolic tangent of each element."""

    def tanh_(self) -> Self:
        """In-place version of `tanh`."""

    def tensor_split(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.arranging`, on this tensor."""

    def tile(self, *dims: _int | Sequence[_int]) -> Tensor:
        """As `repeat`, with missing sizes taken as one."""

    def to(self, *args: Any, **kwargs: Any) -> Tensor:
        """`to(dtype)`, `to(device)`, `to(device, dtype)`, `to(other)`: self where nothing changes, unless copy=True."""

    def to_dense(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.sparse.methods.to_dense`."""

    def to_padded_tensor(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.seldom.to_padded_tensor`."""

    def to_sparse(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.sparse.methods.to_sparse`."""

    def to_sparse_bsc(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.sparse.methods.to_sparse_bsc`."""

    def to_sparse_bsr(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.sparse.methods.to_sparse_bsr`."""

    def to_sparse_coo(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.sparse.methods.to_sparse_coo`."""

    def to_sparse_csc(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.sparse.methods.to_sparse_csc`."""

    def to_sparse_csr(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.sparse.methods.to_sparse_csr`."""

    def tolist(self) -> Any:
        """Nested lists of Python numbers."""

    def topk(
        self,
        k: _int,
        dim: _int = -1,
        largest: _bool = True,
        sorted: _bool = True,
    ) -> TopkResult:
        """The k largest (or smallest) elements along `dim`, in order, with their indices."""

    def trace(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.products`, on this tensor."""

    def transpose(self, dim0: _int, dim1: _int) -> Tensor:
        """Two dimensions swapped."""

    def transpose_(self, dim0: _int, dim1: _int) -> Self:
        """In-place `transpose`."""

    def triangular_solve(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.solvers`, on this tensor."""

    def tril(self, diagonal: _int = 0) -> Tensor:
        """The lower triangle of matrices, zeros above."""

    def tril_(self, diagonal: _int = 0) -> Self:
        """In-place version of `tril`."""

    def triu(self, diagonal: _int = 0) -> Tensor:
        """The upper triangle of matrices, zeros below."""

    def triu_(self, diagonal: _int = 0) -> Self:
        """In-place version of `triu`."""

    def true_divide(self, other: Tensor | complex) -> Tensor:
        """Quotient of two tensors; integers give floats."""

    def true_divide_(self, other: Tensor | complex) -> Self:
        """In-place version of `true_divide`."""

    def trunc(self) -> Tensor:
        """Each element without its fraction."""

    def trunc_(self) -> Self:
        """In-place version of `trunc`."""

    def type(self, dtype: Any = None, non_blocking: _bool = False, **kwargs: Any) -> Any:
        """The type's name, such as "torch.FloatTensor"; with `dtype` (a dtype, such a name or type) the tensor in it."""

    def type_as(self, other: Tensor) -> Tensor:
        """The tensor in the dtype and on the device of `other`."""

    def unbind(self, dim: _int = 0) -> tuple[Tensor, ...]:
        """All slices along `dim`, as a tuple of views."""

    def unflatten(self, dim: _int, sizes: Sequence[_int]) -> Tensor:
        """Dimension `dim` split into `sizes`; one may be -1."""

    def unfold(self, dimension: _int, size: _int, step: _int) -> Tensor:
        """All windows of `size` along a dimension, every `step`; the window is the last dimension of the view."""

    def uniform_(self, a: _float = 0, b: _float = 1, *, generator: Any = None) -> Self:
        """Fills with uniform numbers in [a, b)."""

    def unique(
        self,
        sorted: _bool = True,
        return_inverse: _bool = False,
        return_counts: _bool = False,
        dim: _int | None = None,
    ) -> Any:
        """Distinct elements in rising order; with where each element went and how often each occurs if asked."""

    def unique_consecutive(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.distinct`, on this tensor."""

    def unsafe_chunk(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.ops.copies.unsafe_chunk`."""

    def unsafe_split(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.ops.copies.unsafe_split`."""

    def unsafe_split_with_sizes(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.ops.copies.unsafe_split_with_sizes`."""

    def unsqueeze(self, dim: _int) -> Tensor:
        """A dimension of size one inserted at `dim`."""

    def unsqueeze_(self, dim: _int) -> Self:
        """In-place `unsqueeze`."""

    def untyped_storage(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.storage.untyped_storage`."""

    def values(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.sparse.methods.values`."""

    def var(
        self,
        dim: _int | Sequence[_int] | _bool | None = None,
        unbiased: _bool | None = None,
        keepdim: _bool = False,
        *,
        correction: _float | None = None,
    ) -> Tensor:
        """Variance over `dim`: squared distances from the mean, divided by n - correction (1 unless given)."""

    def var_mean(
        self,
        dim: _int | Sequence[_int] | None = None,
        unbiased: _bool = True,
        keepdim: _bool = False,
        *,
        correction: _float | None = None,
    ) -> tuple[Tensor, Tensor]:
        """(variance, mean) over `dim`."""

    def vdot(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.products`, on this tensor."""

    def view(
        self,
        *shape: _int | Sequence[_int],
        size: Sequence[_int] | None = None,
        dtype: dtype | None = None,
    ) -> Tensor:
        """The same memory in another shape or dtype; RuntimeError where strides do not allow it without a copy."""

    def view_as(self, other: Tensor) -> Tensor:
        """`view` in the shape of `other`."""

    def vsplit(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of `flambeau.ops.arranging`, on this tensor."""

    def where(self, condition: Tensor, other: Any) -> Tensor:
        """This tensor's elements where `condition` holds, those of `other` elsewhere."""

    def xlogy(self, other: Tensor | complex) -> Tensor:
        """input * log(other), 0 where input is 0."""

    def xlogy_(self, other: Tensor | complex) -> Self:
        """In-place version of `xlogy`."""

    def zero_(self) -> Self:
        """Zeros written everywhere."""

    def __abs__(self) -> Tensor:
        """Absolute value of each element."""

    def __add__(self, other: Tensor | complex | np.ndarray | np.generic) -> Tensor: ...

    def __and__(self, other: Tensor | complex | np.ndarray | np.generic) -> Tensor: ...

    def __array__(self, dtype: Any = None, copy: _bool | None = None) -> np.ndarray: ...

    def __array_ufunc__(self, ufunc: Any, how: str, *inputs: Any, **kwargs: Any) -> Any:
        """NumPy's functions on tensors give tensors; ndarray's own operators give way to ours."""

    def __array_wrap__(
        self,
        array: Any,
        context: Any = None,
        return_scalar: _bool = False,
    ) -> Tensor: ...

    def __bool__(self) -> _bool: ...

    def __complex__(self) -> complex: ...

    def __contains__(self, element: Any) -> _bool: ...

    def __deepcopy__(self, memo: dict[Any, Any]) -> Tensor: ...

    def __div__(self, other: Any, *rest: Any, **kw: Any) -> Any: ...

    def __dlpack__(
        self,
        *,
        stream: Any = -1,
        max_version: Any = None,
        dl_device: Any = None,
        copy: Any = None,
    ) -> Any: ...

    def __dlpack_device__(self) -> Any: ...

    def __eq__(self, other: object) -> Tensor:  # type: ignore[override]
        ...

    def __float__(self) -> _float: ...

    def __floordiv__(self, other: Tensor | complex | np.ndarray | np.generic) -> Tensor: ...

    def __format__(self, spec: str) -> str: ...

    def __ge__(self, other: Tensor | complex | np.ndarray | np.generic) -> Tensor: ...

    def __getitem__(self, key: Any) -> Tensor:
        """input[key]: a view for basic keys, a copy where index tensors or masks pick."""

    def __gt__(self, other: Tensor | complex | np.ndarray | np.generic) -> Tensor: ...

    def __hash__(self) -> _int: ...

    def __iadd__(self, other: Tensor | complex | np.ndarray | np.generic) -> Tensor: ...

    def __iand__(self, other: Tensor | complex | np.ndarray | np.generic) -> Tensor: ...

    def __idiv__(self, other: Any) -> Any: ...

    def __ifloordiv__(self, other: Tensor | complex | np.ndarray | np.generic) -> Tensor: ...

    def __ilshift__(self, other: Tensor | complex | np.ndarray | np.generic) -> Tensor: ...

    def __imod__(self, other: Tensor | complex | np.ndarray | np.generic) -> Tensor: ...

    def __imul__(self, other: Tensor | complex | np.ndarray | np.generic) -> Tensor: ...

    def __index__(self) -> _int: ...

    def __int__(self) -> _int: ...

    def __invert__(self) -> Tensor:
        """Bitwise not of integers; logical not of bools."""

    def __ior__(self, other: Tensor | complex | np.ndarray | np.generic) -> Tensor: ...

    def __ipow__(self, other: Tensor | complex | np.ndarray | np.generic) -> Tensor: ...

    def __irshift__(self, other: Tensor | complex | np.ndarray | np.generic) -> Tensor: ...

    def __isub__(self, other: Tensor | complex | np.ndarray | np.generic) -> Tensor: ...

    def __iter__(self) -> Iterator[Tensor]: ...

    def __itruediv__(self, other: Tensor | complex | np.ndarray | np.generic) -> Tensor: ...

    def __ixor__(self, other: Tensor | complex | np.ndarray | np.generic) -> Tensor: ...

    def __le__(self, other: Tensor | complex | np.ndarray | np.generic) -> Tensor: ...

    def __len__(self) -> _int: ...

    def __lshift__(self, other: Tensor | complex | np.ndarray | np.generic) -> Tensor: ...

    def __lt__(self, other: Tensor | complex | np.ndarray | np.generic) -> Tensor: ...

    def __matmul__(self, other: Tensor | complex | np.ndarray | np.generic) -> Tensor: ...

    def __mod__(self, other: Tensor | complex | np.ndarray | np.generic) -> Tensor: ...

    def __mul__(self, other: Tensor | complex | np.ndarray | np.generic) -> Tensor: ...

    def __ne__(self, other: object) -> Tensor:  # type: ignore[override]
        ...

    def __neg__(self) -> Tensor:
        """Each element with its sign changed."""

    def __or__(self, other: Tensor | complex | np.ndarray | np.generic) -> Tensor: ...

    def __pos__(self) -> Tensor: ...

    def __pow__(self, other: Tensor | complex | np.ndarray | np.generic) -> Tensor: ...

    def __radd__(self, other: Tensor | complex | np.ndarray | np.generic) -> Tensor: ...

    def __rand__(self, other: Tensor | complex | np.ndarray | np.generic) -> Tensor: ...

    def __rdiv__(self, other: Any) -> Any: ...

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]: ...

    def __repr__(self, *, tensor_contents: str | None = None) -> str: ...

    def __reversed__(self) -> Tensor: ...

    def __rfloordiv__(self, other: Tensor | complex | np.ndarray | np.generic) -> Tensor: ...

    def __rlshift__(self, other: Tensor | complex | np.ndarray | np.generic) -> Tensor: ...

    def __rmatmul__(self, other: Tensor | complex | np.ndarray | np.generic) -> Tensor: ...

    def __rmod__(self, other: Tensor | complex | np.ndarray | np.generic) -> Tensor: ...

    def __rmul__(self, other: Tensor | complex | np.ndarray | np.generic) -> Tensor: ...

    def __ror__(self, other: Tensor | complex | np.ndarray | np.generic) -> Tensor: ...

    def __rpow__(self, other: Tensor | complex | np.ndarray | np.generic) -> Tensor: ...

    def __rrshift__(self, other: Tensor | complex | np.ndarray | np.generic) -> Tensor: ...

    def __rshift__(self, other: Tensor | complex | np.ndarray | np.generic) -> Tensor: ...

    def __rsub__(self, other: Tensor | complex | np.ndarray | np.generic) -> Tensor: ...

    def __rtruediv__(self, other: Tensor | complex | np.ndarray | np.generic) -> Tensor: ...

    def __rxor__(self, other: Tensor | complex | np.ndarray | np.generic) -> Tensor: ...

    def __setitem__(self, key: Any, value: Any) -> None:
        """input[key] = value, the value broadcast."""

    def __setstate__(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.seldom.__setstate__`."""

    def __sub__(self, other: Tensor | complex | np.ndarray | np.generic) -> Tensor: ...

    def __truediv__(self, other: Tensor | complex | np.ndarray | np.generic) -> Tensor: ...

    def __xor__(self, other: Tensor | complex | np.ndarray | np.generic) -> Tensor: ...

    def _coalesced_(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.sparse.methods._coalesced_`."""

    def _dimI(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.sparse.methods._dimI`."""

    def _dimV(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.sparse.methods._dimV`."""

    def _indices(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.sparse.methods._indices`."""

    def _is_view(self) -> _bool:
        """Whether this looks at another tensor's memory."""

    def _nnz(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.sparse.methods._nnz`."""

    def _values(self, *args: Any, **kwargs: Any) -> Any:
        """See `flambeau.sparse.methods._values`."""

    _make_subclass: staticmethod
    is_ipu: _bool
    is_maia: _bool
    is_mkldnn: _bool
    is_mps: _bool
    is_mtia: _bool
    is_nested: _bool
    is_quantized: _bool
    is_sparse: _bool
    is_sparse_csr: _bool
    is_vulkan: _bool
    is_xla: _bool
    is_xpu: _bool
    layout: Any
    name: None
    absolute = abs
    absolute_ = abs_
    arccos = acos
    arccos_ = acos_
    arccosh = acosh
    arccosh_ = acosh_
    arcsin = asin
    arcsin_ = asin_
    arcsinh = asinh
    arcsinh_ = asinh_
    arctan = atan
    arctan2 = atan2
    arctan2_ = atan2_
    arctan_ = atan_
    arctanh = atanh
    arctanh_ = atanh_
    clip = clamp
    clip_ = clamp_
    const_data_ptr = data_ptr
    divide = div
    divide_ = div_
    fix = trunc
    fix_ = trunc_
    ger = outer
    greater = gt
    greater_ = gt_
    greater_equal = ge
    greater_equal_ = ge_
    less = lt
    less_ = lt_
    less_equal = le
    less_equal_ = le_
    moveaxis = movedim
    multiply = mul
    multiply_ = mul_
    ndimension = dim
    negative = neg
    negative_ = neg_
    nelement = numel
    not_equal = ne
    not_equal_ = ne_
    subtract = sub
    subtract_ = sub_
    swapaxes = transpose
    swapaxes_ = transpose_
    swapdims = transpose
    swapdims_ = transpose_
