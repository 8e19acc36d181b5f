"""What flambeau shows, for type checkers and editors. Written by tools/stubs.py from the registry: change the operators, then run it again."""

from builtins import bool as _bool
from builtins import complex as _complex
from builtins import float as _float
from builtins import int as _int
from collections.abc import Sequence
from typing import Any, overload

from . import amp as amp
from . import autograd as autograd
from . import backends as backends
from . import compat as compat
from . import cuda as cuda
from . import distributed as distributed
from . import fft as fft
from . import func as func
from . import graph as graph
from . import ir as ir
from . import jit as jit
from . import linalg as linalg
from . import nn as nn
from . import onnx as onnx
from . import ops as ops
from . import optim as optim
from . import quantization as quantization
from . import random as random
from . import runtime as runtime
from . import serialization as serialization
from . import testing as testing
from . import utils as utils
from ._base.devices import device as device
from ._base.dtypes import can_cast as can_cast
from ._base.dtypes import dtype as dtype
from ._base.dtypes import get_default_dtype as get_default_dtype
from ._base.dtypes import promote_types as promote_types
from ._base.dtypes import set_default_dtype as set_default_dtype
from ._base.errors import OutOfMemoryError as OutOfMemoryError
from ._base.limits import finfo as finfo
from ._base.limits import iinfo as iinfo
from .amp.autocast_mode import autocast as autocast
from .amp.autocast_mode import get_autocast_dtype as get_autocast_dtype
from .amp.autocast_mode import is_autocast_enabled as is_autocast_enabled
from .amp.autocast_mode import set_autocast_dtype as set_autocast_dtype
from .amp.autocast_mode import set_autocast_enabled as set_autocast_enabled
from .autograd.modes import enable_grad as enable_grad
from .autograd.modes import inference_mode as inference_mode
from .autograd.modes import is_grad_enabled as is_grad_enabled
from .autograd.modes import is_inference_mode_enabled as is_inference_mode_enabled
from .autograd.modes import no_grad as no_grad
from .autograd.modes import set_grad_enabled as set_grad_enabled
from .config import are_deterministic_algorithms_enabled as are_deterministic_algorithms_enabled
from .config import get_float32_matmul_precision as get_float32_matmul_precision
from .config import get_num_threads as get_num_threads
from .config import set_float32_matmul_precision as set_float32_matmul_precision
from .config import set_num_threads as set_num_threads
from .config import show_config as show_config
from .config import use_deterministic_algorithms as use_deterministic_algorithms
from .func import vmap as vmap
from .jit.compile import compile as compile
from .nn.functional import alpha_dropout as alpha_dropout
from .nn.functional import bilinear as bilinear
from .nn.functional import celu as celu
from .nn.functional import dropout as dropout
from .nn.functional import prelu as prelu
from .nn.functional import rrelu as rrelu
from .nn.functional import selu as selu
from .ops.arranging import alias_copy as alias_copy
from .ops.arranging import detach_copy as detach_copy
from .ops.arranging import diagonal_copy as diagonal_copy
from .ops.arranging import expand_copy as expand_copy
from .ops.arranging import narrow_copy as narrow_copy
from .ops.arranging import permute_copy as permute_copy
from .ops.arranging import select_copy as select_copy
from .ops.arranging import split_copy as split_copy
from .ops.arranging import split_with_sizes_copy as split_with_sizes_copy
from .ops.arranging import squeeze_copy as squeeze_copy
from .ops.arranging import t_copy as t_copy
from .ops.arranging import transpose_copy as transpose_copy
from .ops.arranging import tril_indices as tril_indices
from .ops.arranging import triu_indices as triu_indices
from .ops.arranging import unbind_copy as unbind_copy
from .ops.arranging import unfold_copy as unfold_copy
from .ops.arranging import unsqueeze_copy as unsqueeze_copy
from .ops.arranging import view_copy as view_copy
from .ops.creation import arange as arange
from .ops.creation import as_tensor as as_tensor
from .ops.creation import empty as empty
from .ops.creation import eye as eye
from .ops.creation import from_numpy as from_numpy
from .ops.creation import full as full
from .ops.creation import get_default_device as get_default_device
from .ops.creation import linspace as linspace
from .ops.creation import ones as ones
from .ops.creation import set_default_device as set_default_device
from .ops.creation import tensor as tensor
from .ops.creation import zeros as zeros
from .ops.joining import broadcast_tensors as broadcast_tensors
from .ops.joining import hstack as hstack
from .ops.joining import meshgrid as meshgrid
from .ops.joining import vstack as vstack
from .ops.random import normal as normal
from .ops.random import rand as rand
from .ops.random import rand_like as rand_like
from .ops.random import randint as randint
from .ops.random import randint_like as randint_like
from .ops.random import randn as randn
from .ops.random import randn_like as randn_like
from .ops.random import randperm as randperm
from .printing import set_printoptions as set_printoptions
from .random import get_rng_state as get_rng_state
from .random import manual_seed as manual_seed
from .random import set_rng_state as set_rng_state
from .runtime.generator import Generator as Generator
from .runtime.promotion import result_type as result_type
from .runtime.random import initial_seed as initial_seed
from .runtime.random import seed as seed
from .runtime.tensor import Size as Size
from .runtime.tensor import Tensor as Tensor
from .serialization.checkpoint import load as load
from .serialization.checkpoint import save as save
from .runtime.attached import AminmaxResult, CummaxResult, CumminResult, KthvalueResult, MaxResult, MinResult, QrResult, SortResult, TopkResult

__version__: str
bfloat16: dtype
bool: dtype
cdouble: dtype
cfloat: dtype
channels_last: str
channels_last_3d: str
complex128: dtype
complex64: dtype
contiguous_format: str
default_generator: Generator
double: dtype
e: _float
float: dtype
float16: dtype
float32: dtype
float64: dtype
float8_e4m3fn: dtype
float8_e5m2: dtype
half: dtype
inf: _float
int: dtype
int16: dtype
int32: dtype
int64: dtype
int8: dtype
long: dtype
nan: _float
newaxis: None
pi: _float
preserve_format: str
qint8: dtype
short: dtype
strided: str
uint16: dtype
uint32: dtype
uint64: dtype
uint8: dtype

def abs(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Absolute value of each element."""

def acos(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Inverse cosine of each element."""

def acosh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Inverse hyperbolic cosine of each element."""

def adaptive_avg_pool1d(
    input: Tensor,
    output_size: _int | Sequence[_int],
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Means of windows chosen so that the output has the size asked for; None keeps a size."""

def add(
    input: Tensor | _complex,
    other: Tensor | _complex,
    *,
    alpha: _float = 1,
    out: Tensor | None = None,
) -> Tensor:
    """Sum of two tensors: input + alpha * other."""

def addbmm(
    input: Tensor,
    batch1: Tensor,
    batch2: Tensor,
    *,
    beta: _float = 1,
    alpha: _float = 1,
    out: Tensor | None = None,
) -> Tensor:
    """beta * input + alpha * the sum of batch1[i] @ batch2[i]."""

def addcdiv(
    input: Tensor | _complex,
    tensor1: Tensor | _complex,
    tensor2: Tensor | _complex,
    *,
    value: _float = 1,
    out: Tensor | None = None,
) -> Tensor:
    """input + value * tensor1 / tensor2."""

def addcmul(
    input: Tensor | _complex,
    tensor1: Tensor | _complex,
    tensor2: Tensor | _complex,
    *,
    value: _float = 1,
    out: Tensor | None = None,
) -> Tensor:
    """input + value * tensor1 * tensor2."""

def addmm(
    input: Tensor,
    mat1: Tensor,
    mat2: Tensor,
    *,
    beta: _float = 1,
    alpha: _float = 1,
    out: Tensor | None = None,
) -> Tensor:
    """beta * input + alpha * (mat1 @ mat2)."""

def addmv(
    input: Tensor,
    mat: Tensor,
    vec: Tensor,
    *,
    beta: _float = 1,
    alpha: _float = 1,
    out: Tensor | None = None,
) -> Tensor:
    """beta * input + alpha * (mat @ vec)."""

def addr(
    input: Tensor,
    vec1: Tensor,
    vec2: Tensor,
    *,
    beta: _float = 1,
    alpha: _float = 1,
    out: Tensor | None = None,
) -> Tensor:
    """beta * input + alpha * (vec1 outer vec2)."""

def all(
    input: Tensor,
    dim: _int | Sequence[_int] | None = None,
    keepdim: _bool = False,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Whether all elements are true (not zero)."""

def allclose(
    input: Tensor,
    other: Tensor,
    rtol: _float = 1e-05,
    atol: _float = 1e-08,
    equal_nan: _bool = False,
) -> _bool:
    """Whether all elements are close; see `isclose`."""

def amax(
    input: Tensor,
    dim: _int | Sequence[_int] | None = (),
    keepdim: _bool = False,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Largest element over `dim` (all dimensions if empty). Ties share the gradient equally."""

def amin(
    input: Tensor,
    dim: _int | Sequence[_int] | None = (),
    keepdim: _bool = False,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Smallest element over `dim` (all dimensions if empty). Ties share the gradient equally."""

@overload
def aminmax(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """(min, max) of all elements or along `dim`."""
@overload
def aminmax(input: Tensor, *, dim: _int, keepdim: _bool = False) -> AminmaxResult:
    """(min, max) of all elements or along `dim`."""

def angle(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The angle of each complex number; of real ones 0 or pi."""

def any(
    input: Tensor,
    dim: _int | Sequence[_int] | None = None,
    keepdim: _bool = False,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Whether any element is true (not zero)."""

def argmax(
    input: Tensor,
    dim: _int | None = None,
    keepdim: _bool = False,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Index of the largest element of the flattened input, or along `dim`; the first of equals."""

def argmin(
    input: Tensor,
    dim: _int | None = None,
    keepdim: _bool = False,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Index of the smallest element of the flattened input, or along `dim`; the first of equals."""

def argsort(
    input: Tensor,
    dim: _int = -1,
    descending: _bool = False,
    stable: _bool = False,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Indices that sort `input` along `dim`."""

def argwhere(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Places of elements that are not zero, one row each."""

def asin(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Inverse sine of each element."""

def asinh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Inverse hyperbolic sine of each element."""

def atan(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Inverse tangent of each element."""

def atan2(
    input: Tensor | _complex,
    other: Tensor | _complex,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """The angle of the point (other, input), in (-pi, pi]."""

def atanh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Inverse hyperbolic tangent of each element."""

def atleast_1d(*tensors: Any, out: Tensor | None = None) -> Tensor:
    """0-d tensors with one dimension; others as they are."""

def atleast_2d(*tensors: Any, out: Tensor | None = None) -> Tensor:
    """Tensors of fewer dimensions as a matrix of one row."""

def atleast_3d(*tensors: Any, out: Tensor | None = None) -> Tensor:
    """Tensors of fewer dimensions with ones put around."""

def avg_pool1d(
    input: Tensor,
    kernel_size: _int | Sequence[_int],
    stride: _int | Sequence[_int] | None = None,
    padding: _int | Sequence[_int] = 0,
    ceil_mode: _bool = False,
    count_include_pad: _bool = True,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """The mean of each window of (N, C, L) or (C, L)."""

def baddbmm(
    input: Tensor,
    batch1: Tensor,
    batch2: Tensor,
    *,
    beta: _float = 1,
    alpha: _float = 1,
    out: Tensor | None = None,
) -> Tensor:
    """beta * input + alpha * (batch1 @ batch2)."""

def bernoulli(
    input: Tensor,
    p: _float | None = None,
    *,
    generator: Any = None,
    out: Tensor | None = None,
) -> Tensor:
    """1 with the probabilities of `input` (or with probability p), else 0, in input's dtype."""

def bincount(
    input: Tensor,
    weights: Tensor | None = None,
    minlength: _int = 0,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """How often each number from 0 up occurs, or the sum of its weights."""

def bitwise_and(
    input: Tensor | _complex,
    other: Tensor | _complex,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Bitwise and of integers; logical and of bools."""

def bitwise_left_shift(
    input: Tensor,
    other: Tensor | _int,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Bits moved `other` places up."""

def bitwise_not(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Bitwise not of integers; logical not of bools."""

def bitwise_or(
    input: Tensor | _complex,
    other: Tensor | _complex,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Bitwise or of integers; logical or of bools."""

def bitwise_right_shift(
    input: Tensor,
    other: Tensor | _int,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Bits moved `other` places down; the sign stays."""

def bitwise_xor(
    input: Tensor | _complex,
    other: Tensor | _complex,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Bitwise xor of integers; logical xor of bools."""

def block_diag(*tensors: Any, out: Tensor | None = None) -> Tensor:
    """Matrices along the diagonal of a larger one, zeros elsewhere."""

def bmm(input: Tensor, mat2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Products of two batches of matrices."""

def broadcast_to(input: Tensor, size: Any) -> Tensor:
    """`expand` to a shape."""

def bucketize(
    input: Tensor | _float,
    boundaries: Tensor,
    *,
    out_int32: _bool = False,
    right: _bool = False,
    out: Tensor | None = None,
) -> Tensor:
    """The bucket each value falls into; the boundaries rise."""

def cartesian_prod(*tensors: Any, out: Tensor | None = None) -> Tensor:
    """All ways to take one element of each vector, as rows."""

def cat(tensors: Sequence[Tensor], dim: _int = 0, *, out: Tensor | None = None) -> Tensor:
    """Tensors joined along an existing dimension."""

def cdist(
    x1: Tensor,
    x2: Tensor,
    p: _float = 2.0,
    compute_mode: str = 'use_mm_for_euclid_dist_if_necessary',
    *,
    out: Tensor | None = None,
) -> Tensor:
    """p-norm distances between every row of x1 and every row of x2."""

def ceil(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The smallest integer not below each element."""

def channel_shuffle(input: Tensor, groups: _int, *, out: Tensor | None = None) -> Tensor:
    """The channels of (N, C, ...) taken in turn from each group."""

def chunk(input: Tensor, chunks: _int, dim: _int = 0) -> tuple[Tensor, ...]:
    """At most `chunks` views along `dim`, all of one size but perhaps the last."""

def clamp(
    input: Tensor,
    min: Tensor | _float | None = None,
    max: Tensor | _float | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Elements below `min` become it, elements above `max` become it; the bounds are numbers or tensors."""

def clamp_max(input: Tensor, max: Tensor | _float, *, out: Tensor | None = None) -> Tensor:
    """Elements above `max` become it."""

def clamp_min(input: Tensor, min: Tensor | _float, *, out: Tensor | None = None) -> Tensor:
    """Elements below `min` become it."""

def clone(input: Tensor, *, memory_format: object = None, out: Tensor | None = None) -> Tensor:
    """A copy in memory of its own; gradients flow through."""

def column_stack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """Vectors as columns beside each other, matrices beside each other."""

def combinations(
    input: Tensor,
    r: _int = 2,
    with_replacement: _bool = False,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """All ways to take r elements of a vector, as rows."""

def complex(real: Tensor, imag: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Complex numbers from their real and imaginary parts."""

def conj_physical(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The complex conjugate, computed."""

def contiguous(
    input: Tensor,
    memory_format: object = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """`input` itself if its memory is in row-major order, else a copy that is."""

def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: _int | Sequence[_int] = 1,
    padding: str | _int | Sequence[_int] = 0,
    dilation: _int | Sequence[_int] = 1,
    groups: _int = 1,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Convolution of (N, C, L) or (C, L) with weight (O, C / groups, *kernel)."""

def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: _int | Sequence[_int] = 1,
    padding: str | _int | Sequence[_int] = 0,
    dilation: _int | Sequence[_int] = 1,
    groups: _int = 1,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Convolution of (N, C, H, W) or (C, H, W) with weight (O, C / groups, *kernel)."""

def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: _int | Sequence[_int] = 1,
    padding: str | _int | Sequence[_int] = 0,
    dilation: _int | Sequence[_int] = 1,
    groups: _int = 1,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Convolution of (N, C, D, H, W) or (C, D, H, W) with weight (O, C / groups, *kernel)."""

def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: _int | Sequence[_int] = 1,
    padding: _int | Sequence[_int] = 0,
    output_padding: _int | Sequence[_int] = 0,
    groups: _int = 1,
    dilation: _int | Sequence[_int] = 1,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Transposed convolution of (N, C, L) or (C, L), weight (C, O / groups, *kernel)."""

def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: _int | Sequence[_int] = 1,
    padding: _int | Sequence[_int] = 0,
    output_padding: _int | Sequence[_int] = 0,
    groups: _int = 1,
    dilation: _int | Sequence[_int] = 1,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Transposed convolution of (N, C, H, W) or (C, H, W), weight (C, O / groups, *kernel)."""

def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: _int | Sequence[_int] = 1,
    padding: _int | Sequence[_int] = 0,
    output_padding: _int | Sequence[_int] = 0,
    groups: _int = 1,
    dilation: _int | Sequence[_int] = 1,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Transposed convolution of (N, C, D, H, W) or (C, D, H, W), weight (C, O / groups, *kernel)."""

def copysign(input: Tensor, other: Tensor | _float, *, out: Tensor | None = None) -> Tensor:
    """The size of `input` with the sign of `other`."""

def corrcoef(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Correlations of the rows (variables) over the columns (observations)."""

def cos(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Cosine of each element."""

def cosh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Hyperbolic cosine of each element."""

def cosine_similarity(
    x1: Tensor,
    x2: Tensor,
    dim: _int = 1,
    eps: _float = 1e-08,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """The cosine of the angle between x1 and x2 along a dimension; norms count as at least eps."""

def count_nonzero(
    input: Tensor,
    dim: _int | Sequence[_int] | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """How many elements are not zero."""

def cov(
    input: Tensor,
    *,
    correction: _int = 1,
    fweights: Tensor | None = None,
    aweights: Tensor | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Covariances of the rows (variables) over the columns (observations), weighted if asked."""

def cross(
    input: Tensor,
    other: Tensor,
    dim: _int | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Cross product of vectors of three along `dim` (the first of size three unless given)."""

def cummax(input: Tensor, dim: _int) -> CummaxResult:
    """(values, indices) of the largest element so far along `dim`."""

def cummin(input: Tensor, dim: _int) -> CumminResult:
    """(values, indices) of the smallest element so far along `dim`."""

def cumprod(
    input: Tensor,
    dim: _int,
    *,
    dtype: dtype | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Running product along `dim`."""

def cumsum(
    input: Tensor,
    dim: _int,
    *,
    dtype: dtype | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Running sum along `dim`."""

def cumulative_trapezoid(
    y: Tensor,
    x: Tensor | None = None,
    *,
    dx: _float | None = None,
    dim: _int = -1,
    out: Tensor | None = None,
) -> Tensor:
    """The running integral of y over x (or steps of dx) along `dim`, by trapezoids."""

def deg2rad(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Degrees as radians."""

def detach(input: Tensor) -> Tensor:
    """The same memory without history."""

def diag(input: Tensor, diagonal: _int = 0, *, out: Tensor | None = None) -> Tensor:
    """A vector as a diagonal matrix; of a matrix its diagonal (a copy)."""

def diag_embed(
    input: Tensor,
    offset: _int = 0,
    dim1: _int = -2,
    dim2: _int = -1,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Matrices with the last dimension on their diagonals."""

def diagflat(input: Tensor, offset: _int = 0, *, out: Tensor | None = None) -> Tensor:
    """All elements as a diagonal matrix."""

def diagonal(
    input: Tensor,
    offset: _int = 0,
    dim1: _int = 0,
    dim2: _int = 1,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """The diagonal of dimensions dim1 and dim2, as the last dimension of a view."""

def diagonal_scatter(
    input: Tensor,
    src: Tensor,
    offset: _int = 0,
    dim1: _int = 0,
    dim2: _int = 1,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """A copy of `input` with `src` on the diagonal."""

def diff(
    input: Tensor,
    n: _int = 1,
    dim: _int = -1,
    prepend: Tensor | None = None,
    append: Tensor | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Differences of neighbours along `dim`, n times over."""

def dist(input: Tensor, other: Tensor, p: _float = 2, *, out: Tensor | None = None) -> Tensor:
    """p-norm of the difference."""

def div(
    input: Tensor,
    other: Tensor | _float,
    *,
    rounding_mode: str | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Quotient of two tensors, rounded towards zero ("trunc"), down ("floor") or not at all (None)."""

def dot(input: Tensor, tensor: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Product of two vectors."""

def dsplit(input: Tensor, indices_or_sections: _int | Sequence[_int]) -> tuple[Tensor, ...]:
    """`tensor_split` along the third dimension, into equal parts."""

def dstack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """Joined along the third dimension."""

def einsum(equation: str, *operands: Any, out: Tensor | None = None) -> Tensor:
    """Sums of products named by indices (Einstein's convention), such as "bij,bjk->bik"."""

def empty_like(
    input: Tensor,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: _bool = False,
    memory_format: Any = None,
    out: Tensor | None = None,
) -> Tensor:
    """Arbitrary elements (zeros here) in the shape, dtype and device of `input`."""

def eq(
    input: Tensor | _complex,
    other: Tensor | _complex,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Whether the elements are equal."""

def equal(input: Tensor, other: Tensor) -> _bool:
    """Whether both have one shape and equal elements."""

def erf(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Error function of each element: 2 / sqrt(pi) times the integral of exp(-t^2) from 0."""

def erfc(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """1 - erf(x), accurate for large x."""

def exp(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """e to the power of each element."""

def exp2(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """2 to the power of each element."""

@overload
def expand(input: Tensor, shape: Sequence[_int], *, out: Tensor | None = None) -> Tensor:
    """Dimensions of size one repeated without copying; -1 keeps a size; new dimensions go in front."""
@overload
def expand(input: Tensor, *shape: _int, out: Tensor | None = None) -> Tensor:
    """Dimensions of size one repeated without copying; -1 keeps a size; new dimensions go in front."""

def expm1(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """exp(x) - 1, accurate near zero."""

def flatten(
    input: Tensor,
    start_dim: _int = 0,
    end_dim: _int = -1,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Dimensions start_dim to end_dim made one."""

@overload
def flip(input: Tensor, dims: _int | Sequence[_int], *, out: Tensor | None = None) -> Tensor:
    """Elements in reverse order along `dims`; a copy, as in PyTorch."""
@overload
def flip(input: Tensor, *dims: _int, out: Tensor | None = None) -> Tensor:
    """Elements in reverse order along `dims`; a copy, as in PyTorch."""

def fliplr(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Columns in reverse order."""

def flipud(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Rows in reverse order."""

def float_power(
    input: Tensor | _float,
    exponent: Tensor | _float,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """`pow` in double precision."""

def floor(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The largest integer not above each element."""

def floor_divide(
    input: Tensor | _complex,
    other: Tensor | _complex,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Quotient rounded down."""

def fmax(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The larger of two elements; of a number and NaN the number."""

def fmin(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The smaller of two elements; of a number and NaN the number."""

def fmod(
    input: Tensor | _complex,
    other: Tensor | _complex,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Remainder of the division rounded towards zero; it has the sign of `input`, as C's fmod."""

def frac(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """What is left of each element without its whole part; it keeps the sign."""

def full_like(
    input: Tensor,
    fill_value: Any,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: _bool = False,
    memory_format: Any = None,
    out: Tensor | None = None,
) -> Tensor:
    """One number in the shape, dtype and device of `input`."""

def gather(
    input: Tensor,
    dim: _int,
    index: Tensor,
    *,
    sparse_grad: _bool = False,
    out: Tensor | None = None,
) -> Tensor:
    """out[i][j][k] = input[index[i][j][k]][j][k] for dim 0, and so on."""

def ge(
    input: Tensor | _complex,
    other: Tensor | _complex,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Whether input >= other."""

def group_norm(
    input: Tensor,
    num_groups: _int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: _float = 1e-05,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Groups of channels of each sample of (N, C, ...) brought to mean 0 and variance 1."""

def gt(
    input: Tensor | _complex,
    other: Tensor | _complex,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Whether input > other."""

def hamming_window(
    window_length: _int,
    periodic: _bool = True,
    alpha: _float = 0.54,
    beta: _float = 0.46,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: _bool = False,
    requires_grad: _bool = False,
    out: Tensor | None = None,
) -> Tensor:
    """`alpha - beta cos(2 pi n / N)`: a raised cosine that ends at 0.08."""

def hann_window(
    window_length: _int,
    periodic: _bool = True,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: _bool = False,
    requires_grad: _bool = False,
    out: Tensor | None = None,
) -> Tensor:
    """`(1 - cos(2 pi n / N)) / 2`: a raised cosine that ends at 0. See `hamming_window` for `periodic`."""

def hardshrink(input: Tensor, lambd: _float = 0.5, *, out: Tensor | None = None) -> Tensor:
    """x where |x| > lambd, else 0."""

def heaviside(input: Tensor, values: Tensor, *, out: Tensor | None = None) -> Tensor:
    """0 below zero, 1 above, `values` at zero."""

def histc(
    input: Tensor,
    bins: _int = 100,
    min: _float = 0,
    max: _float = 0,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Counts in `bins` equal bins from min to max (of the data if both are equal); what is outside is left out."""

def hsplit(input: Tensor, indices_or_sections: _int | Sequence[_int]) -> tuple[Tensor, ...]:
    """`tensor_split` along the second dimension (of vectors the only one), into equal parts."""

def hypot(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """sqrt(input² + other²), the long side of a right triangle."""

def imag(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The imaginary part of complex numbers, as a view."""

def index_add(
    input: Tensor,
    dim: _int,
    index: Tensor,
    source: Tensor,
    *,
    alpha: _float = 1,
    out: Tensor | None = None,
) -> Tensor:
    """A copy of `input` to whose slices `index` along `dim` those of alpha * source are added."""

def index_copy(
    input: Tensor,
    dim: _int,
    index: Tensor,
    source: Tensor,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """A copy of `input` with `source` as its slices `index` along `dim`."""

def index_fill(
    input: Tensor,
    dim: _int,
    index: Tensor,
    value: Tensor | _float,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """A copy of `input` with one value in its slices `index` along `dim`."""

def index_put(
    input: Tensor,
    indices: tuple[Any, ...],
    values: Tensor,
    accumulate: _bool = False,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """A copy of `input` with `values` written (or added) where `indices`, a tuple of index tensors, point."""

def index_select(
    input: Tensor,
    dim: _int,
    index: Tensor,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """The slices of `input` along `dim` that `index` (1-d, integer) names."""

def inner(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Sums of products over the last dimensions of both."""

def is_complex(input: Tensor) -> _bool:
    """Whether the dtype is a complex one."""

def is_floating_point(input: Tensor) -> _bool:
    """Whether the dtype is a floating one."""

def is_tensor(obj: Any) -> _bool:
    """Whether `obj` is a Tensor."""

def isclose(
    input: Tensor,
    other: Tensor,
    rtol: _float = 1e-05,
    atol: _float = 1e-08,
    equal_nan: _bool = False,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Whether |input - other| <= atol + rtol * |other|, element by element."""

def isfinite(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Whether each element is neither infinite nor NaN."""

def isin(
    elements: Any,
    test_elements: Any,
    *,
    assume_unique: _bool = False,
    invert: _bool = False,
    out: Tensor | None = None,
) -> Tensor:
    """Whether each element occurs among the others."""

def isinf(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Whether each element is infinite."""

def isnan(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Whether each element is NaN."""

def isneginf(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Whether each element is negative infinity."""

def isposinf(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Whether each element is positive infinity."""

def isreal(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Whether each element has no imaginary part."""

def istft(
    input: Tensor,
    n_fft: _int,
    hop_length: _int | None = None,
    win_length: _int | None = None,
    window: Any = None,
    center: _bool = True,
    normalized: _bool = False,
    onesided: _bool | None = None,
    length: _int | None = None,
    return_complex: _bool = False,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """The signal `(..., time)` whose `stft` comes closest to `input` `(..., frequency, frame)`."""

def kron(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Kronecker product: every element of `input` times all of `other`."""

def kthvalue(input: Tensor, k: _int, dim: _int = -1, keepdim: _bool = False) -> KthvalueResult:
    """(values, indices) of the k-th smallest elements along `dim`, counted from one."""

def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[_int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: _float = 1e-05,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """The last dimensions, of sizes `normalized_shape`, brought to mean 0 and variance 1."""

def ldexp(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """input * 2**other."""

def le(
    input: Tensor | _complex,
    other: Tensor | _complex,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Whether input <= other."""

def lerp(
    input: Tensor | _complex,
    end: Tensor | _complex,
    weight: Tensor | _complex,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Linear interpolation: input + weight * (end - input)."""

def log(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Natural logarithm of each element."""

def log10(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Logarithm to base 10 of each element."""

def log1p(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """log(1 + x), accurate near zero."""

def log2(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Logarithm to base 2 of each element."""

def log_softmax(
    input: Tensor,
    dim: _int,
    *,
    dtype: dtype | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """log(softmax(x)), without losing the small ones."""

def logaddexp(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """log(exp(input) + exp(other)) without overflow."""

def logaddexp2(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """log2(2**input + 2**other) without overflow."""

def logcumsumexp(input: Tensor, dim: _int, *, out: Tensor | None = None) -> Tensor:
    """log of the running sum of exp(input) along `dim`, without overflow."""

def logdet(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """log of the determinant; NaN where that is negative."""

def logical_and(
    input: Tensor | _complex,
    other: Tensor | _complex,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Logical and of truth values; numbers are true unless zero."""

def logical_not(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Logical not of truth values."""

def logical_or(
    input: Tensor | _complex,
    other: Tensor | _complex,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Logical or of truth values; numbers are true unless zero."""

def logical_xor(
    input: Tensor | _complex,
    other: Tensor | _complex,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Logical xor of truth values; numbers are true unless zero."""

def logit(input: Tensor, eps: _float | None = None, *, out: Tensor | None = None) -> Tensor:
    """Log-odds of each element, log(x / (1 - x)); with `eps`, x is first kept within [eps, 1 - eps]."""

def logsumexp(
    input: Tensor,
    dim: _int | Sequence[_int],
    keepdim: _bool = False,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """log(sum(exp(input))) over `dim`, without overflow."""

def lt(
    input: Tensor | _complex,
    other: Tensor | _complex,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Whether input < other."""

def masked_fill(
    input: Tensor,
    mask: Tensor,
    value: Tensor | _float,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """`input` with `value` where `mask` (bool, broadcast to input) holds."""

def masked_scatter(
    input: Tensor,
    mask: Tensor,
    source: Tensor,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """A copy of `input` whose elements under `mask` are those of `source`, in order."""

def masked_select(input: Tensor, mask: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The elements where `mask` (bool, broadcast) holds, in a 1-d tensor."""

def matmul(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Matrix product over the last two dimensions, the others broadcast; 1-d operands are row and column vectors."""

def matrix_power(input: Tensor, n: _int, *, out: Tensor | None = None) -> Tensor:
    """A square matrix times itself n times; of its inverse for n < 0."""

@overload
def max(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The largest element; with `dim` (values, indices) along it; with a tensor the larger of two elements."""
@overload
def max(input: Tensor, dim: _int, keepdim: _bool = False) -> MaxResult:
    """The largest element; with `dim` (values, indices) along it; with a tensor the larger of two elements."""
@overload
def max(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The largest element; with `dim` (values, indices) along it; with a tensor the larger of two elements."""

def max_pool1d(
    input: Tensor,
    kernel_size: _int | Sequence[_int],
    stride: _int | Sequence[_int] | None = None,
    padding: _int | Sequence[_int] = 0,
    dilation: _int | Sequence[_int] = 1,
    ceil_mode: _bool = False,
    return_indices: _bool = False,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """The largest value of each window of (N, C, L) or (C, L)."""

def max_pool2d(
    input: Tensor,
    kernel_size: _int | Sequence[_int],
    stride: _int | Sequence[_int] | None = None,
    padding: _int | Sequence[_int] = 0,
    dilation: _int | Sequence[_int] = 1,
    ceil_mode: _bool = False,
    return_indices: _bool = False,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """The largest value of each window of (N, C, H, W) or (C, H, W)."""

def max_pool3d(
    input: Tensor,
    kernel_size: _int | Sequence[_int],
    stride: _int | Sequence[_int] | None = None,
    padding: _int | Sequence[_int] = 0,
    dilation: _int | Sequence[_int] = 1,
    ceil_mode: _bool = False,
    return_indices: _bool = False,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """The largest value of each window of (N, C, D, H, W) or (C, D, H, W)."""

def maximum(
    input: Tensor | _complex,
    other: Tensor | _complex,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """The larger of two elements; NaN if either is NaN. Ties share the gradient."""

def mean(
    input: Tensor,
    dim: _int | Sequence[_int] | None = None,
    keepdim: _bool = False,
    *,
    dtype: dtype | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Mean of all elements, or over `dim`. Needs a floating dtype."""

def median(input: Tensor, dim: _int | None = None, keepdim: _bool = False) -> Any:
    """The lower median of all elements, or (values, indices) along `dim`."""

@overload
def min(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The smallest element; with `dim` (values, indices) along it; with a tensor the smaller of two elements."""
@overload
def min(input: Tensor, dim: _int, keepdim: _bool = False) -> MinResult:
    """The smallest element; with `dim` (values, indices) along it; with a tensor the smaller of two elements."""
@overload
def min(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The smallest element; with `dim` (values, indices) along it; with a tensor the smaller of two elements."""

def minimum(
    input: Tensor | _complex,
    other: Tensor | _complex,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """The smaller of two elements; NaN if either is NaN. Ties share the gradient."""

def mm(input: Tensor, mat2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Product of two matrices."""

def movedim(
    input: Tensor,
    source: _int | Sequence[_int],
    destination: _int | Sequence[_int],
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Dimensions `source` moved to `destination`, the others in order."""

def msort(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Sorted along the first dimension."""

def mul(
    input: Tensor | _complex,
    other: Tensor | _complex,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Product of two tensors, element by element."""

def multinomial(
    input: Tensor,
    num_samples: _int,
    replacement: _bool = False,
    *,
    generator: Any = None,
    out: Tensor | None = None,
) -> Tensor:
    """Indices drawn with the weights in each row of `input`."""

def mv(input: Tensor, vec: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Product of a matrix and a vector."""

def nan_to_num(
    input: Tensor,
    nan: _float | None = None,
    posinf: _float | None = None,
    neginf: _float | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """NaN and infinities replaced by numbers: 0 and the largest finite values unless given."""

def nanmean(
    input: Tensor,
    dim: _int | Sequence[_int] | None = None,
    keepdim: _bool = False,
    *,
    dtype: Any = None,
    out: Tensor | None = None,
) -> Tensor:
    """`mean` of the elements that are not NaN."""

def nanmedian(input: Tensor, dim: _int | None = None, keepdim: _bool = False) -> Any:
    """`median` of the elements that are not NaN."""

def nanquantile(
    input: Tensor,
    q: Tensor | _float,
    dim: _int | None = None,
    keepdim: _bool = False,
    *,
    interpolation: str = 'linear',
    out: Tensor | None = None,
) -> Tensor:
    """`quantile` of the elements that are not NaN."""

def nansum(
    input: Tensor,
    dim: _int | Sequence[_int] | None = None,
    keepdim: _bool = False,
    *,
    dtype: Any = None,
    out: Tensor | None = None,
) -> Tensor:
    """`sum` with NaN as zero."""

def narrow(
    input: Tensor,
    dim: _int,
    start: _int,
    length: _int,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """`length` slices along `dim` from `start`."""

def ne(
    input: Tensor | _complex,
    other: Tensor | _complex,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Whether the elements differ."""

def neg(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Each element with its sign changed."""

def nonzero(input: Tensor, *, as_tuple: _bool = False) -> Any:
    """Indices of elements that are not zero: an (n, dims) tensor, or a tuple of one index tensor per dimension."""

def norm(
    input: Tensor,
    p: _float | str | None = 'fro',
    dim: _int | Sequence[_int] | None = None,
    keepdim: _bool = False,
    out: None = None,
    dtype: dtype | None = None,
) -> Tensor:
    """Vector p-norm over all elements or over `dim`; "fro" is p = 2."""

def numel(input: Tensor) -> _int:
    """The number of elements."""

def ones_like(
    input: Tensor,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: _bool = False,
    memory_format: Any = None,
    out: Tensor | None = None,
) -> Tensor:
    """Ones in the shape, dtype and device of `input`."""

def outer(input: Tensor, vec2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """All products of elements of two vectors."""

def pairwise_distance(
    x1: Tensor,
    x2: Tensor,
    p: _float = 2.0,
    eps: _float = 1e-06,
    keepdim: _bool = False,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """The p-norm of x1 - x2 + eps along the last dimension."""

@overload
def permute(input: Tensor, dims: Sequence[_int], *, out: Tensor | None = None) -> Tensor:
    """Dimensions in another order."""
@overload
def permute(input: Tensor, *dims: _int, out: Tensor | None = None) -> Tensor:
    """Dimensions in another order."""

def pixel_shuffle(input: Tensor, upscale_factor: _int, *, out: Tensor | None = None) -> Tensor:
    """Channels moved into space: (*, C r², H, W) to (*, C, H r, W r)."""

def pixel_unshuffle(
    input: Tensor,
    downscale_factor: _int,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Space moved into channels: (*, C, H r, W r) to (*, C r², H, W)."""

def polar(abs: Tensor, angle: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Complex numbers from their sizes and angles."""

def positive(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The input itself; bools are refused."""

def pow(
    input: Tensor | _complex,
    exponent: Tensor | _complex,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Each element to the power of `exponent`."""

def prod(
    input: Tensor,
    dim: _int | None = None,
    keepdim: _bool = False,
    *,
    dtype: dtype | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Product of all elements, or along `dim`."""

def put(
    input: Tensor,
    index: Tensor,
    source: Tensor,
    accumulate: _bool = False,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """A copy of `input` whose elements at `index`, counted flat, are those of `source` (or grow by them)."""

def qr(input: Tensor, some: _bool = True) -> QrResult:
    """A matrix (..., m, n) as an orthogonal times an upper triangular one."""

def quantile(
    input: Tensor,
    q: Tensor | _float,
    dim: _int | None = None,
    keepdim: _bool = False,
    *,
    interpolation: str = 'linear',
    out: Tensor | None = None,
) -> Tensor:
    """The q-quantiles (0 to 1) along `dim`, or of all elements; NaN where an element is NaN."""

def rad2deg(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Radians as degrees."""

def ravel(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """All elements in one dimension; a view where strides allow."""

def real(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The real part of complex numbers, as a view."""

def reciprocal(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """One over each element."""

def relu(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """max(x, 0) of each element."""

def remainder(
    input: Tensor | _complex,
    other: Tensor | _complex,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Remainder of the division rounded down; it has the sign of `other`, as Python's %."""

def renorm(
    input: Tensor,
    p: _float,
    dim: _int,
    maxnorm: _float,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Slices along `dim` whose p-norm exceeds `maxnorm` scaled down to it."""

def repeat(input: Tensor, *sizes: _int | Sequence[_int], out: Tensor | None = None) -> Tensor:
    """The tensor tiled `sizes` times along each dimension; further sizes in front add dimensions."""

def repeat_interleave(
    input: Tensor,
    repeats: Tensor | _int,
    dim: _int | None = None,
    *,
    output_size: _int | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Each element (or slice along `dim`) repeated in place."""

@overload
def reshape(input: Tensor, shape: Sequence[_int], *, out: Tensor | None = None) -> Tensor:
    """The same elements in another shape; a view where strides allow, else a copy. One -1 is worked out."""
@overload
def reshape(input: Tensor, *shape: _int, out: Tensor | None = None) -> Tensor:
    """The same elements in another shape; a view where strides allow, else a copy. One -1 is worked out."""

def rms_norm(
    input: Tensor,
    normalized_shape: Sequence[_int],
    weight: Tensor | None = None,
    eps: _float | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """The last dimensions divided by their root mean square; `eps` is the dtype's unless given."""

def roll(
    input: Tensor,
    shifts: _int | Sequence[_int],
    dims: _int | Sequence[_int] | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Elements shifted along `dims`, those that fall off come back at the other end."""

def rot90(
    input: Tensor,
    k: _int = 1,
    dims: tuple[_int, _int] = ...,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Turned by k quarter turns in the plane of `dims`, from the first towards the second."""

def round(input: Tensor, *, decimals: _int = 0, out: Tensor | None = None) -> Tensor:
    """Each element rounded to `decimals` places, halves to even."""

def rsqrt(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """One over the square root of each element."""

def rsub(
    input: Tensor,
    other: Tensor | _float,
    *,
    alpha: _float = 1,
    out: Tensor | None = None,
) -> Tensor:
    """other - alpha * input."""

def scatter(
    input: Tensor,
    dim: _int,
    index: Tensor,
    src: Tensor | _float,
    *,
    reduce: str | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """A copy of `input` with `src` (a tensor or a number) written at `index` along `dim`."""

def scatter_add(
    input: Tensor,
    dim: _int,
    index: Tensor,
    src: Tensor,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """A copy of `input` to which `src` is added at `index` along `dim`."""

def searchsorted(
    sorted_sequence: Tensor,
    input: Tensor | _float,
    *,
    out_int32: _bool = False,
    right: _bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Where values would go into sorted rows: before equals, or behind them with right=True (side="right")."""

def select(input: Tensor, dim: _int, index: _int, *, out: Tensor | None = None) -> Tensor:
    """The slice at `index` along `dim`, which is dropped."""

def select_scatter(
    input: Tensor,
    src: Tensor,
    dim: _int,
    index: _int,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """A copy of `input` with `src` as its slice at `index` along `dim`."""

def sgn(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Each element's direction: x / |x|, and 0 for 0; for real numbers the sign."""

def sigmoid(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """1 / (1 + exp(-x)) of each element."""

def sign(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """-1, 0 or 1 by the sign of each element."""

def signbit(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Whether the sign is set: for numbers below zero, and for -0.0."""

def sin(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Sine of each element."""

def sinc(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """sin(pi x) / (pi x), and 1 at zero."""

def sinh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Hyperbolic sine of each element."""

def slice_scatter(
    input: Tensor,
    src: Tensor,
    dim: _int = 0,
    start: _int | None = None,
    end: _int | None = None,
    step: _int = 1,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """A copy of `input` with `src` as its part start:end:step along `dim`."""

def softmax(
    input: Tensor,
    dim: _int,
    *,
    dtype: dtype | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """exp(x) over the sum of exp(x) along `dim`."""

def sort(
    input: Tensor,
    dim: _int = -1,
    descending: _bool = False,
    stable: _bool = False,
) -> SortResult:
    """(values, indices) in order along `dim`; equal elements keep their order. NaN counts as the largest."""

def split(
    tensor: Tensor,
    split_size_or_sections: _int | Sequence[_int],
    dim: _int = 0,
) -> tuple[Tensor, ...]:
    """Views of pieces along `dim`: of one size (the last may be smaller), or of the sizes listed."""

def split_with_sizes(
    input: Tensor,
    split_sizes: Sequence[_int],
    dim: _int = 0,
) -> tuple[Tensor, ...]:
    """Views of pieces of the sizes listed."""

def sqrt(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Square root of each element."""

def square(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Each element times itself."""

def squeeze(
    input: Tensor,
    dim: _int | Sequence[_int] | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Dimensions of size one dropped: all, or those of `dim` that have size one."""

def stack(tensors: Sequence[Tensor], dim: _int = 0, *, out: Tensor | None = None) -> Tensor:
    """Tensors of one shape joined along a new dimension."""

def std(
    input: Tensor,
    dim: _int | Sequence[_int] | _bool | None = None,
    unbiased: _bool | None = None,
    keepdim: _bool = False,
    *,
    correction: _float | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Standard deviation over `dim`: the square root of `var`."""

def std_mean(
    input: Tensor,
    dim: Any = None,
    unbiased: _bool | None = None,
    keepdim: _bool = False,
    *,
    correction: _float | None = None,
) -> tuple[Tensor, Tensor]:
    """(standard deviation, mean) over `dim`."""

def stft(
    input: Tensor,
    n_fft: _int,
    hop_length: _int | None = None,
    win_length: _int | None = None,
    window: Any = None,
    center: _bool = True,
    pad_mode: str = 'reflect',
    normalized: _bool = False,
    onesided: _bool | None = None,
    return_complex: _bool | None = None,
    align_to_window: _bool | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Fourier transforms of overlapping, windowed frames: `(..., frequency, frame)` of a signal `(..., time)`."""

def sub(
    input: Tensor | _complex,
    other: Tensor | _complex,
    *,
    alpha: _float = 1,
    out: Tensor | None = None,
) -> Tensor:
    """Difference of two tensors: input - alpha * other."""

def sum(
    input: Tensor,
    dim: _int | Sequence[_int] | None = None,
    keepdim: _bool = False,
    *,
    dtype: dtype | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Sum over all elements, or over the dimensions `dim`. bools and integers give int64."""

@overload
def sum_to_size(input: Tensor, size: Sequence[_int], *, out: Tensor | None = None) -> Tensor:
    """Summed to a shape that broadcasts to the input's: the inverse of broadcasting."""
@overload
def sum_to_size(input: Tensor, *size: _int, out: Tensor | None = None) -> Tensor:
    """Summed to a shape that broadcasts to the input's: the inverse of broadcasting."""

def t(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The transpose of a matrix; tensors of fewer dimensions unchanged."""

def take(input: Tensor, index: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The elements of the flattened input that `index` names, in its shape."""

def take_along_dim(
    input: Tensor,
    indices: Tensor,
    dim: _int | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """`gather` with broadcasting; over the flattened input without `dim`."""

def tan(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Tangent of each element."""

def tanh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Hyperbolic tangent of each element."""

def tensor_split(
    input: Tensor,
    indices_or_sections: _int | Tensor | Sequence[_int],
    dim: _int = 0,
) -> tuple[Tensor, ...]:
    """Views of nearly equal parts along `dim`, or of what lies between the indices given."""

def tensordot(
    a: Tensor,
    b: Tensor,
    dims: _int | tuple[Any, ...] = 2,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Products summed over `dims`: the last of a with the first of b, or a pair of lists of dimensions."""

def tile(input: Tensor, *dims: _int | Sequence[_int], out: Tensor | None = None) -> Tensor:
    """As `repeat`, with missing sizes taken as one."""

def topk(
    input: Tensor,
    k: _int,
    dim: _int = -1,
    largest: _bool = True,
    sorted: _bool = True,
) -> TopkResult:
    """The k largest (or smallest) elements along `dim`, in order, with their indices."""

def trace(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Sum of a matrix's diagonal."""

def transpose(input: Tensor, dim0: _int, dim1: _int, *, out: Tensor | None = None) -> Tensor:
    """Two dimensions swapped."""

def trapezoid(
    y: Tensor,
    x: Tensor | None = None,
    *,
    dx: _float | None = None,
    dim: _int = -1,
    out: Tensor | None = None,
) -> Tensor:
    """The integral of y over x (or steps of dx) along `dim`, by trapezoids."""

def tril(input: Tensor, diagonal: _int = 0, *, out: Tensor | None = None) -> Tensor:
    """The lower triangle of matrices, zeros above."""

def triu(input: Tensor, diagonal: _int = 0, *, out: Tensor | None = None) -> Tensor:
    """The upper triangle of matrices, zeros below."""

def true_divide(
    input: Tensor | _complex,
    other: Tensor | _complex,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Quotient of two tensors; integers give floats."""

def trunc(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Each element without its fraction."""

def unbind(input: Tensor, dim: _int = 0) -> tuple[Tensor, ...]:
    """All slices along `dim`, as a tuple of views."""

def unflatten(
    input: Tensor,
    dim: _int,
    sizes: Sequence[_int],
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Dimension `dim` split into `sizes`; one may be -1."""

def unfold(
    input: Tensor,
    dimension: _int,
    size: _int,
    step: _int,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """All windows of `size` along a dimension, every `step`; the window is the last dimension of the view."""

def unique(
    input: Tensor,
    sorted: _bool = True,
    return_inverse: _bool = False,
    return_counts: _bool = False,
    dim: _int | None = None,
) -> Any:
    """Distinct elements in rising order; with where each element went and how often each occurs if asked."""

def unravel_index(indices: Tensor, shape: _int | Sequence[_int]) -> tuple[Tensor, ...]:
    """Places in a flattened tensor as one index tensor per dimension of `shape`."""

def unsqueeze(input: Tensor, dim: _int, *, out: Tensor | None = None) -> Tensor:
    """A dimension of size one inserted at `dim`."""

def vander(
    x: Tensor,
    N: _int | None = None,
    increasing: _bool = False,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Powers of a vector's elements as columns, falling unless `increasing`."""

def var(
    input: Tensor,
    dim: _int | Sequence[_int] | _bool | None = None,
    unbiased: _bool | None = None,
    keepdim: _bool = False,
    *,
    correction: _float | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Variance over `dim`: squared distances from the mean, divided by n - correction (1 unless given)."""

def var_mean(
    input: Tensor,
    dim: _int | Sequence[_int] | None = None,
    unbiased: _bool = True,
    keepdim: _bool = False,
    *,
    correction: _float | None = None,
) -> tuple[Tensor, Tensor]:
    """(variance, mean) over `dim`."""

def vdot(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Product of two vectors, the first conjugated."""

def view(input: Tensor, *shape: _int | Sequence[_int], out: Tensor | None = None) -> Tensor:
    """The same memory in another shape or dtype; RuntimeError where strides do not allow it without a copy."""

def view_as_complex(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Pairs in the last dimension as complex numbers, in the same memory."""

def view_as_real(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Complex numbers as pairs: the same memory with a last dimension of real and imaginary part."""

def vsplit(input: Tensor, indices_or_sections: _int | Sequence[_int]) -> tuple[Tensor, ...]:
    """`tensor_split` along the first dimension, into equal parts."""

def where(condition: Tensor, *choices: Any, **named: Any) -> Any:
    """`where(condition, input, other)`: see `ops.comparison.where`; `where(condition)` alone: where it holds."""

def xlogy(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """input * log(other), 0 where input is 0."""

def zeros_like(
    input: Tensor,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: _bool = False,
    memory_format: Any = None,
    out: Tensor | None = None,
) -> Tensor:
    """Zeros in the shape, dtype and device of `input`."""

absolute = abs
arccos = acos
arccosh = acosh
arcsin = asin
arcsinh = asinh
arctan = atan
arctan2 = atan2
arctanh = atanh
clip = clamp
concat = cat
concatenate = cat
divide = div
fix = trunc
greater = gt
greater_equal = ge
less = lt
less_equal = le
moveaxis = movedim
multiply = mul
negative = neg
not_equal = ne
subtract = sub
swapaxes = transpose
swapdims = transpose
unsafe_chunk = chunk
unsafe_split = split
