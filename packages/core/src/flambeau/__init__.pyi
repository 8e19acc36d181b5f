"""What flambeau shows, for type checkers and editors. Written by tools/stubs.py from the registry: change the operators, then run it again."""

from builtins import bool as _bool
from builtins import complex as _complex
from builtins import float as _float
from builtins import int as _int
from collections.abc import Callable, Sequence
from typing import Any, overload

from . import amp as amp
from . import autograd as autograd
from . import backends as backends
from . import compat as compat
from . import compiler as compiler
from . import cpu as cpu
from . import cuda as cuda
from . import distributed as distributed
from . import distributions as distributions
from . import export as export
from . import fft as fft
from . import func as func
from . import futures as futures
from . import graph as graph
from . import hub as hub
from . import ir as ir
from . import jit as jit
from . import library as library
from . import linalg as linalg
from . import masked as masked
from . import multiprocessing as multiprocessing
from . import nested as nested
from . import nn as nn
from . import onnx as onnx
from . import ops as ops
from . import optim as optim
from . import package as package
from . import profiler as profiler
from . import quantization as quantization
from . import random as random
from . import runtime as runtime
from . import serialization as serialization
from . import signal as signal
from . import sparse as sparse
from . import special as special
from . import storage as storage
from . import testing as testing
from . import train as train
from . import utils as utils
from ._base.devices import device as device
from ._base.dtypes import can_cast as can_cast
from ._base.dtypes import dtype as dtype
from ._base.dtypes import get_default_dtype as get_default_dtype
from ._base.dtypes import promote_types as promote_types
from ._base.dtypes import set_default_dtype as set_default_dtype
from ._base.errors import AcceleratorError as AcceleratorError
from ._base.errors import OutOfMemoryError as OutOfMemoryError
from ._base.formats import layout as layout
from ._base.formats import memory_format as memory_format
from ._base.limits import finfo as finfo
from ._base.limits import iinfo as iinfo
from .amp.autocast_mode import autocast as autocast
from .amp.autocast_mode import get_autocast_dtype as get_autocast_dtype
from .amp.autocast_mode import is_autocast_cache_enabled as is_autocast_cache_enabled
from .amp.autocast_mode import is_autocast_enabled as is_autocast_enabled
from .amp.autocast_mode import set_autocast_cache_enabled as set_autocast_cache_enabled
from .amp.autocast_mode import set_autocast_dtype as set_autocast_dtype
from .amp.autocast_mode import set_autocast_enabled as set_autocast_enabled
from .amp.by_device import autocast_decrement_nesting as autocast_decrement_nesting
from .amp.by_device import autocast_increment_nesting as autocast_increment_nesting
from .amp.by_device import clear_autocast_cache as clear_autocast_cache
from .amp.by_device import get_autocast_cpu_dtype as get_autocast_cpu_dtype
from .amp.by_device import get_autocast_gpu_dtype as get_autocast_gpu_dtype
from .amp.by_device import is_autocast_cpu_enabled as is_autocast_cpu_enabled
from .amp.by_device import set_autocast_cpu_dtype as set_autocast_cpu_dtype
from .amp.by_device import set_autocast_cpu_enabled as set_autocast_cpu_enabled
from .amp.by_device import set_autocast_gpu_dtype as set_autocast_gpu_dtype
from .amp.grad_scaler import GradScaler as GradScaler
from .autograd.modes import enable_grad as enable_grad
from .autograd.modes import inference_mode as inference_mode
from .autograd.modes import is_anomaly_check_nan_enabled as is_anomaly_check_nan_enabled
from .autograd.modes import is_anomaly_enabled as is_anomaly_enabled
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
from .func.batch import vmap as vmap
from .functions import abs_ as abs_
from .functions import acos_ as acos_
from .functions import acosh_ as acosh_
from .functions import addmv_ as addmv_
from .functions import alpha_dropout_ as alpha_dropout_
from .functions import arccos_ as arccos_
from .functions import arccosh_ as arccosh_
from .functions import arcsin_ as arcsin_
from .functions import arcsinh_ as arcsinh_
from .functions import arctan_ as arctan_
from .functions import arctanh_ as arctanh_
from .functions import asin_ as asin_
from .functions import asinh_ as asinh_
from .functions import atan_ as atan_
from .functions import atanh_ as atanh_
from .functions import ceil_ as ceil_
from .functions import clamp_ as clamp_
from .functions import clamp_max_ as clamp_max_
from .functions import clamp_min_ as clamp_min_
from .functions import clip_ as clip_
from .functions import conj_physical_ as conj_physical_
from .functions import cos_ as cos_
from .functions import cosh_ as cosh_
from .functions import deg2rad_ as deg2rad_
from .functions import detach_ as detach_
from .functions import dropout_ as dropout_
from .functions import erf_ as erf_
from .functions import erfc_ as erfc_
from .functions import exp2_ as exp2_
from .functions import exp_ as exp_
from .functions import expm1_ as expm1_
from .functions import feature_alpha_dropout_ as feature_alpha_dropout_
from .functions import feature_dropout_ as feature_dropout_
from .functions import fill_ as fill_
from .functions import fix_ as fix_
from .functions import floor_ as floor_
from .functions import frac_ as frac_
from .functions import gcd_ as gcd_
from .functions import get_device as get_device
from .functions import i0_ as i0_
from .functions import index_put_ as index_put_
from .functions import is_conj as is_conj
from .functions import is_inference as is_inference
from .functions import is_neg as is_neg
from .functions import is_nonzero as is_nonzero
from .functions import is_signed as is_signed
from .functions import lcm_ as lcm_
from .functions import ldexp_ as ldexp_
from .functions import log10_ as log10_
from .functions import log1p_ as log1p_
from .functions import log2_ as log2_
from .functions import log_ as log_
from .functions import logit_ as logit_
from .functions import nan_to_num_ as nan_to_num_
from .functions import neg_ as neg_
from .functions import negative_ as negative_
from .functions import rad2deg_ as rad2deg_
from .functions import reciprocal_ as reciprocal_
from .functions import relu_ as relu_
from .functions import resize_as_ as resize_as_
from .functions import round_ as round_
from .functions import rsqrt_ as rsqrt_
from .functions import sigmoid_ as sigmoid_
from .functions import sin_ as sin_
from .functions import sinc_ as sinc_
from .functions import sinh_ as sinh_
from .functions import sqrt_ as sqrt_
from .functions import square_ as square_
from .functions import tan_ as tan_
from .functions import tanh_ as tanh_
from .functions import trunc_ as trunc_
from .functions import xlogy_ as xlogy_
from .functions import zero_ as zero_
from .interchange import asarray as asarray
from .interchange import from_dlpack as from_dlpack
from .interchange import from_file as from_file
from .interchange import frombuffer as frombuffer
from .interchange import to_dlpack as to_dlpack
from .jit.compile import compile as compile
from .nn._functional.toplevel import adaptive_max_pool1d as adaptive_max_pool1d
from .nn._functional.toplevel import alpha_dropout as alpha_dropout
from .nn._functional.toplevel import batch_norm as batch_norm
from .nn._functional.toplevel import binary_cross_entropy_with_logits as binary_cross_entropy_with_logits
from .nn._functional.toplevel import cosine_embedding_loss as cosine_embedding_loss
from .nn._functional.toplevel import ctc_loss as ctc_loss
from .nn._functional.toplevel import dropout as dropout
from .nn._functional.toplevel import embedding as embedding
from .nn._functional.toplevel import embedding_bag as embedding_bag
from .nn._functional.toplevel import feature_alpha_dropout as feature_alpha_dropout
from .nn._functional.toplevel import feature_dropout as feature_dropout
from .nn._functional.toplevel import group_norm as group_norm
from .nn._functional.toplevel import hinge_embedding_loss as hinge_embedding_loss
from .nn._functional.toplevel import instance_norm as instance_norm
from .nn._functional.toplevel import kl_div as kl_div
from .nn._functional.toplevel import layer_norm as layer_norm
from .nn._functional.toplevel import margin_ranking_loss as margin_ranking_loss
from .nn._functional.toplevel import max_pool1d_with_indices as max_pool1d_with_indices
from .nn._functional.toplevel import poisson_nll_loss as poisson_nll_loss
from .nn._functional.toplevel import threshold as threshold
from .nn._functional.toplevel import triplet_margin_loss as triplet_margin_loss
from .nn.functional import bilinear as bilinear
from .nn.functional import celu as celu
from .nn.functional import celu_ as celu_
from .nn.functional import prelu as prelu
from .nn.functional import rrelu as rrelu
from .nn.functional import rrelu_ as rrelu_
from .nn.functional import selu as selu
from .nn.functional import selu_ as selu_
from .nn.functional import threshold_ as threshold_
from .ops.arranging import tril_indices as tril_indices
from .ops.arranging import triu_indices as triu_indices
from .ops.control import cond as cond
from .ops.control import while_loop as while_loop
from .ops.copies import alias_copy as alias_copy
from .ops.copies import as_strided_copy as as_strided_copy
from .ops.copies import detach_copy as detach_copy
from .ops.copies import diagonal_copy as diagonal_copy
from .ops.copies import expand_copy as expand_copy
from .ops.copies import narrow_copy as narrow_copy
from .ops.copies import permute_copy as permute_copy
from .ops.copies import select_copy as select_copy
from .ops.copies import slice_copy as slice_copy
from .ops.copies import split_copy as split_copy
from .ops.copies import split_with_sizes_copy as split_with_sizes_copy
from .ops.copies import squeeze_copy as squeeze_copy
from .ops.copies import t_copy as t_copy
from .ops.copies import transpose_copy as transpose_copy
from .ops.copies import unbind_copy as unbind_copy
from .ops.copies import unfold_copy as unfold_copy
from .ops.copies import unsafe_chunk as unsafe_chunk
from .ops.copies import unsafe_split as unsafe_split
from .ops.copies import unsafe_split_with_sizes as unsafe_split_with_sizes
from .ops.copies import unsqueeze_copy as unsqueeze_copy
from .ops.copies import view_as_complex_copy as view_as_complex_copy
from .ops.copies import view_as_real_copy as view_as_real_copy
from .ops.copies import view_copy as view_copy
from .ops.creation import get_default_device as get_default_device
from .ops.creation import set_default_device as set_default_device
from .ops.making import broadcast_shapes as broadcast_shapes
from .ops.making import logspace as logspace
from .ops.making import scalar_tensor as scalar_tensor
from .ops.ranges import range as range
from .ops.strided import as_strided_ as as_strided_
from .ops.strided import empty_permuted as empty_permuted
from .ops.strided import empty_strided as empty_strided
from .ops.zeta import polygamma as polygamma
from .printing import set_printoptions as set_printoptions
from .quantization.affine import dequantize as dequantize
from .quantization.affine import int_repr as int_repr
from .quantization.affine import q_per_channel_axis as q_per_channel_axis
from .quantization.affine import q_per_channel_scales as q_per_channel_scales
from .quantization.affine import q_per_channel_zero_points as q_per_channel_zero_points
from .quantization.affine import q_scale as q_scale
from .quantization.affine import q_zero_point as q_zero_point
from .quantization.affine import qscheme as qscheme
from .quantization.affine import quantize_per_channel as quantize_per_channel
from .quantization.affine import quantize_per_tensor as quantize_per_tensor
from .quantization.affine import quantize_per_tensor_dynamic as quantize_per_tensor_dynamic
from .quantization.affine import quantized_batch_norm as quantized_batch_norm
from .quantization.affine import quantized_max_pool1d as quantized_max_pool1d
from .quantization.affine import quantized_max_pool2d as quantized_max_pool2d
from .random import get_rng_state as get_rng_state
from .random import manual_seed as manual_seed
from .random import set_rng_state as set_rng_state
from .random import thread_safe_generator as thread_safe_generator
from .runtime.generator import Generator as Generator
from .runtime.promotion import result_type as result_type
from .runtime.random import initial_seed as initial_seed
from .runtime.random import seed as seed
from .runtime.tensor import Size as Size
from .runtime.tensor import Tensor as Tensor
from .serialization.checkpoint import load as load
from .serialization.checkpoint import save as save
from .sparse.create import sparse_bsc_tensor as sparse_bsc_tensor
from .sparse.create import sparse_bsr_tensor as sparse_bsr_tensor
from .sparse.create import sparse_compressed_tensor as sparse_compressed_tensor
from .sparse.create import sparse_coo_tensor as sparse_coo_tensor
from .sparse.create import sparse_csc_tensor as sparse_csc_tensor
from .sparse.create import sparse_csr_tensor as sparse_csr_tensor
from .sparse.functions import ccol_indices_copy as ccol_indices_copy
from .sparse.functions import col_indices_copy as col_indices_copy
from .sparse.functions import crow_indices_copy as crow_indices_copy
from .sparse.functions import hspmm as hspmm
from .sparse.functions import indices_copy as indices_copy
from .sparse.functions import row_indices_copy as row_indices_copy
from .sparse.functions import smm as smm
from .sparse.functions import sspaddmm as sspaddmm
from .sparse.functions import values_copy as values_copy
from .storage import BFloat16Storage as BFloat16Storage
from .storage import BoolStorage as BoolStorage
from .storage import ByteStorage as ByteStorage
from .storage import CharStorage as CharStorage
from .storage import ComplexDoubleStorage as ComplexDoubleStorage
from .storage import ComplexFloatStorage as ComplexFloatStorage
from .storage import DoubleStorage as DoubleStorage
from .storage import FloatStorage as FloatStorage
from .storage import HalfStorage as HalfStorage
from .storage import IntStorage as IntStorage
from .storage import LongStorage as LongStorage
from .storage import ShortStorage as ShortStorage
from .storage import TypedStorage as TypedStorage
from .storage import UntypedStorage as UntypedStorage
from .storage import is_storage as is_storage
from .streams import Event as Event
from .streams import Stream as Stream
from .switches import Tag as Tag
from .switches import compiled_with_cxx11_abi as compiled_with_cxx11_abi
from .switches import get_deterministic_debug_mode as get_deterministic_debug_mode
from .switches import get_device_module as get_device_module
from .switches import get_num_interop_threads as get_num_interop_threads
from .switches import is_deterministic_algorithms_warn_only_enabled as is_deterministic_algorithms_warn_only_enabled
from .switches import is_warn_always_enabled as is_warn_always_enabled
from .switches import set_deterministic_debug_mode as set_deterministic_debug_mode
from .switches import set_flush_denormal as set_flush_denormal
from .switches import set_num_interop_threads as set_num_interop_threads
from .switches import set_warn_always as set_warn_always
from .tensor_types import BFloat16Tensor as BFloat16Tensor
from .tensor_types import BoolTensor as BoolTensor
from .tensor_types import ByteTensor as ByteTensor
from .tensor_types import CharTensor as CharTensor
from .tensor_types import DoubleTensor as DoubleTensor
from .tensor_types import FloatTensor as FloatTensor
from .tensor_types import HalfTensor as HalfTensor
from .tensor_types import IntTensor as IntTensor
from .tensor_types import LongTensor as LongTensor
from .tensor_types import ShortTensor as ShortTensor
from .tensor_types import set_default_tensor_type as set_default_tensor_type
from .runtime.attached import AminmaxResult, CummaxResult, CumminResult, FrexpResult, GeqrfResult, HistogramResult, HistogramddResult, KthvalueResult, LuUnpackResult, MaxResult, MedianResult, MinResult, ModeResult, NanmedianResult, QrResult, SlogdetResult, SortResult, SvdResult, TopkResult, TriangularSolveResult

__version__: str
bfloat16: dtype
bool: dtype
cdouble: dtype
cfloat: dtype
chalf: dtype
channels_last: memory_format
channels_last_3d: memory_format
complex128: dtype
complex32: dtype
complex64: dtype
contiguous_format: memory_format
default_generator: Generator
double: dtype
e: _float
float: dtype
float16: dtype
float32: dtype
float64: dtype
float8_e4m3fn: dtype
float8_e4m3fnuz: dtype
float8_e5m2: dtype
float8_e5m2fnuz: dtype
float8_e8m0fnu: dtype
half: dtype
inf: _float
int: dtype
int16: dtype
int32: dtype
int64: dtype
int8: dtype
jagged: layout
long: dtype
nan: _float
newaxis: None
per_channel_affine: qscheme
per_channel_affine_float_qparams: qscheme
per_channel_symmetric: qscheme
per_tensor_affine: qscheme
per_tensor_symmetric: qscheme
pi: _float
preserve_format: memory_format
qint32: dtype
qint8: dtype
quint2x4: dtype
quint4x2: dtype
quint8: dtype
short: dtype
sparse_bsc: layout
sparse_bsr: layout
sparse_coo: layout
sparse_csc: layout
sparse_csr: layout
strided: layout
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
    """beta * input + alpha * (vec1 outer vec2). Of bools sums are "or", products "and"."""

def adjoint(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The last two dimensions swapped, and conjugated."""

def affine_grid_generator(
    theta: Tensor,
    size: Sequence[_int],
    align_corners: _bool,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Where each pixel of an output of `size` lies in the input, by affine maps (N, d, d + 1)."""

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

def arange(
    start: _float | Tensor | None = None,
    end: _float | Tensor | None = None,
    step: _float | Tensor = 1,
    *,
    out: Any = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: _bool = False,
    requires_grad: _bool = False,
) -> Tensor:
    """start, start + step, ... below end. Integers give int64."""

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

def as_strided(
    input: Tensor,
    size: Sequence[_int],
    stride: Sequence[_int],
    storage_offset: _int | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """The storage of `input` in another geometry: sizes, strides and offset in elements."""

def as_strided_scatter(
    input: Tensor,
    src: Tensor,
    size: Sequence[_int],
    stride: Sequence[_int],
    storage_offset: _int | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """A copy of `input` in which the elements at the given geometry are those of `src`."""

def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """`data` as a tensor, without a copy where dtype and device allow."""

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

def bartlett_window(
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
    """`1 - |2 n / N - 1|`: a triangle. See `hamming_window` for `periodic`."""

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

def binomial(
    count: Tensor,
    prob: Tensor,
    generator: Any = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """The number of successes in `count` trials that each succeed with probability `prob`; floats of one dtype."""

def bitwise_and(
    input: Tensor | _complex,
    other: Tensor | _complex,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Bitwise and of integers; logical and of bools."""

def bitwise_left_shift(
    input: Tensor | _complex,
    other: Tensor | _complex,
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
    input: Tensor | _complex,
    other: Tensor | _complex,
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

def blackman_window(
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
    """`0.42 - 0.5 cos(2 pi n / N) + 0.08 cos(4 pi n / N)`. See `hamming_window` for `periodic`."""

def block_diag(*tensors: Any, out: Tensor | None = None) -> Tensor:
    """Matrices along the diagonal of a larger one, zeros elsewhere."""

def bmm(input: Tensor, mat2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Products of two batches of matrices."""

def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """All expanded to their common shape."""

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

def chain_matmul(*matrices: Tensor, out: Any = None) -> Tensor:
    """Product of several matrices, in the order that costs least; PyTorch's older `linalg.multi_dot`."""

def channel_shuffle(input: Tensor, groups: _int, *, out: Tensor | None = None) -> Tensor:
    """The channels of (N, C, ...) taken in turn from each group."""

def cholesky(input: Tensor, upper: _bool = False, *, out: Tensor | None = None) -> Tensor:
    """The factor L of positive-definite matrices; as `linalg.cholesky`."""

def cholesky_inverse(
    input: Tensor,
    upper: _bool = False,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """The inverse of input @ input.mH (of input.mH @ input with `upper`), for the factor of a positive-definite matrix."""

def cholesky_solve(
    input: Tensor,
    input2: Tensor,
    upper: _bool = False,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """X with (input2 @ input2.mH) @ X = input, input2 the factor of a positive-definite matrix (input2.mH @ input2 with `upper`)."""

def chunk(input: Tensor, chunks: _int, dim: _int = 0) -> tuple[Tensor, ...]:
    """At most `chunks` views along `dim`, all of one size but perhaps the last."""

def clamp(
    input: Tensor,
    min: Tensor | _float | None = None,
    max: Tensor | _float | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Elements below `min` become it, elements above `max` become it; both bounds are numbers, or both tensors."""

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

def conj(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The complex conjugate; real tensors are returned as they are. Computed at once: PyTorch only marks it."""

def conj_physical(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The complex conjugate, computed."""

def constant_pad_nd(
    input: Tensor,
    pad: Sequence[_int],
    value: _complex | Tensor = 0,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """`input` with `value` around it: pairs of widths before and after, the last dimension first; negative ones cut."""

def contiguous(
    input: Tensor,
    memory_format: object = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """`input` itself if its memory is in row-major order (or that of `memory_format`), else a copy that is."""

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

def conv_tbc(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    pad: _int = 0,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Convolution of (time, batch, channels) with weight (width, channels, outputs) and bias (outputs)."""

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

def copysign(
    input: Tensor | _complex,
    other: Tensor | _complex,
    *,
    out: Tensor | None = None,
) -> Tensor:
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

def det(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The determinant of square matrices; as `linalg.det`."""

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

def digamma(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Derivative of `lgamma`; NaN at -1, -2, ..., infinite at 0."""

def dist(input: Tensor, other: Tensor, p: _float = 2, *, out: Tensor | None = None) -> Tensor:
    """p-norm of the difference."""

def div(
    input: Tensor | _float,
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

def einsum(equation: Any, *operands: Any, out: Tensor | None = None) -> Tensor:
    """Sums of products named by indices (Einstein's convention), such as "bij,bjk->bik"."""

def empty(
    *sizes: Any,
    size: Any = None,
    out: Any = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: _bool = False,
    requires_grad: _bool = False,
    memory_format: Any = None,
) -> Tensor:
    """A tensor whose elements are arbitrary (zeros here: memory fresh from the system costs nothing more)."""

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

def erfinv(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The number whose error function each element is: infinite at -1 and 1, NaN beyond."""

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

def eye(
    n: _int,
    m: _int | None = None,
    *,
    out: Any = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: _bool = False,
) -> Tensor:
    """Ones on the diagonal, zeros elsewhere."""

def fake_quantize_per_channel_affine(
    input: Tensor,
    scale: Tensor,
    zero_point: Tensor,
    axis: _int,
    quant_min: _int,
    quant_max: _int,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """As `fake_quantize_per_tensor_affine`, with a scale and a zero point for each slice along `axis`."""

def fake_quantize_per_tensor_affine(
    input: Tensor,
    scale: _float | Tensor,
    zero_point: _int | Tensor,
    quant_min: _int,
    quant_max: _int,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """The nearest of the numbers (q - zero_point) * scale, q from `quant_min` to `quant_max`."""

def fill(input: Tensor, value: Any, *, out: Tensor | None = None) -> Tensor:
    """A tensor like `input`, full of one number or of a 0-d tensor's element."""

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

def fmax(
    input: Tensor | _complex,
    other: Tensor | _complex,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """The larger of two elements; of a number and NaN the number."""

def fmin(
    input: Tensor | _complex,
    other: Tensor | _complex,
    *,
    out: Tensor | None = None,
) -> Tensor:
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

def frexp(input: Tensor) -> FrexpResult:
    """(mantissa, exponent) with input = mantissa * 2**exponent and 1/2 <= |mantissa| < 1."""

def from_numpy(array: Any) -> Tensor:
    """A tensor over the memory of a NumPy array; writes to one are seen in the other."""

def full(
    size: Any,
    fill_value: _complex | Tensor,
    *,
    out: Any = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: _bool = False,
) -> Tensor:
    """A tensor full of one number, whose kind decides the dtype."""

def full_like(
    input: Tensor,
    fill_value: _complex | Tensor,
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

def gcd(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Greatest common divisor of each pair of integers; that of 0 and 0 is 0."""

def ge(
    input: Tensor | _complex,
    other: Tensor | _complex,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Whether input >= other."""

def geqrf(input: Tensor) -> GeqrfResult:
    """(a, tau) as LAPACK's: R in a's upper triangle, below it and in tau the reflectors that `householder_product` reads."""

def gradient(
    input: Tensor,
    *,
    spacing: Any = 1,
    dim: _int | Sequence[_int] | None = None,
    edge_order: _int = 1,
) -> tuple[Tensor, ...]:
    """Slopes of a sampled function along each of `dim` (all dimensions unless given), by central differences."""

def grid_sampler(
    input: Tensor,
    grid: Tensor,
    interpolation_mode: _int,
    padding_mode: _int,
    align_corners: _bool,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """`grid_sample` with its modes as numbers: bilinear, nearest, bicubic; zeros, border, reflection."""

def grid_sampler_2d(
    input: Tensor,
    grid: Tensor,
    interpolation_mode: _int,
    padding_mode: _int,
    align_corners: _bool,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """`grid_sampler` of images: input (N, C, H, W), grid (N, H', W', 2)."""

def grid_sampler_3d(
    input: Tensor,
    grid: Tensor,
    interpolation_mode: _int,
    padding_mode: _int,
    align_corners: _bool,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """`grid_sampler` of volumes: input (N, C, D, H, W), grid (N, D', H', W', 3)."""

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

def hash_tensor(
    input: Tensor,
    dim: _int | Sequence[_int] | None = (),
    *,
    keepdim: _bool = False,
    mode: _int = 0,
    out: Tensor | None = None,
) -> Tensor:
    """A hash over `dim` (all dimensions if empty), as uint64: the exclusive or of the elements' bits."""

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

def histogram(
    input: Tensor,
    bins: Any,
    *,
    range: tuple[_float, _float] | None = None,
    weight: Tensor | None = None,
    density: _bool = False,
) -> HistogramResult:
    """(hist, bin_edges) of all elements: counts, or sums of weights, in equal bins, or between the edges of a tensor."""

def histogramdd(
    input: Tensor,
    bins: Any,
    range: Sequence[_float] | None = None,
    weight: Tensor | None = None,
    density: _bool = False,
) -> HistogramddResult:
    """(hist, bin_edges) of points, the rows of `input`: counts, or sums of weights, in a grid of bins."""

def hsplit(input: Tensor, indices_or_sections: _int | Sequence[_int]) -> tuple[Tensor, ...]:
    """`tensor_split` along the second dimension (of vectors the only one), into equal parts."""

def hstack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """Joined along the second dimension; 1-d tensors along the first."""

def hypot(
    input: Tensor | _complex,
    other: Tensor | _complex,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """sqrt(input² + other²), the long side of a right triangle."""

def i0(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Modified Bessel function of the first kind of order 0."""

def igamma(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The regularized lower incomplete gamma function P(input, other)."""

def igammac(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The regularized upper incomplete gamma function, 1 - igamma(input, other)."""

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

def index_reduce(
    input: Tensor,
    dim: _int,
    index: Tensor,
    source: Tensor,
    reduce: str,
    *,
    include_self: _bool = True,
    out: Tensor | None = None,
) -> Tensor:
    """A copy of `input` whose slices `index` along `dim` are the "prod", "mean", "amax" or "amin" of those of `source`."""

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

def inverse(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The inverse of square matrices; as `linalg.inv`."""

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
    window: Tensor | None = None,
    center: _bool = True,
    normalized: _bool = False,
    onesided: _bool | None = None,
    length: _int | None = None,
    return_complex: _bool = False,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """The signal `(..., time)` whose `stft` comes closest to `input` `(..., frequency, frame)`."""

def kaiser_window(
    window_length: _int,
    periodic: _bool = True,
    beta: _float = 12.0,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: _bool = False,
    requires_grad: _bool = False,
    out: Tensor | None = None,
) -> Tensor:
    """`i0(beta sqrt(1 - (2 n / N - 1)^2)) / i0(beta)`. See `hamming_window` for `periodic`."""

def kron(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Kronecker product: every element of `input` times all of `other`."""

def kthvalue(input: Tensor, k: _int, dim: _int = -1, keepdim: _bool = False) -> KthvalueResult:
    """(values, indices) of the k-th smallest elements along `dim`, counted from one."""

def lcm(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Least common multiple of each pair of integers, not negative; 0 if one is 0."""

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

def lgamma(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Logarithm of the absolute value of the gamma function; infinite at 0, -1, -2, ..."""

def linspace(
    start: Any,
    end: Any,
    steps: _int,
    *,
    out: Any = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: _bool = False,
) -> Tensor:
    """`steps` numbers from start to end, both included, at equal distances."""

def lobpcg(
    A: Tensor,
    k: _int | None = None,
    B: Tensor | None = None,
    X: Tensor | None = None,
    n: _int | None = None,
    iK: Tensor | None = None,
    niter: _int | None = None,
    tol: _float | None = None,
    largest: _bool | None = None,
    method: str | None = None,
    tracker: Callable[[Any], None] | None = None,
    ortho_iparams: dict[str, Any] | None = None,
    ortho_fparams: dict[str, Any] | None = None,
    ortho_bparams: dict[str, Any] | None = None,
) -> tuple[Tensor, Tensor]:
    """(E, X): the k largest (or smallest) solutions of A x = e B x for symmetric A and positive-definite B."""

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

def logaddexp(
    input: Tensor | _complex,
    other: Tensor | _complex,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """log(exp(input) + exp(other)) without overflow."""

def logaddexp2(
    input: Tensor | _complex,
    other: Tensor | _complex,
    *,
    out: Tensor | None = None,
) -> Tensor:
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

def lu(A: Tensor, pivot: _bool = True, get_infos: _bool = False) -> Any:
    """(LU, pivots), and with `get_infos` the places of zero pivots: PyTorch's older `linalg.lu_factor_ex`."""

def lu_solve(
    input: Tensor,
    LU_data: Tensor,
    LU_pivots: Tensor,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """X with A @ X = input, A given by `lu_factor`; as `linalg.lu_solve` with the right side first."""

def lu_unpack(
    LU_data: Tensor,
    LU_pivots: Tensor,
    unpack_data: _bool = True,
    unpack_pivots: _bool = True,
) -> LuUnpackResult:
    """(P, L, U) of what `lu_factor` gives; what is not asked for is empty."""

def masked_fill(
    input: Tensor,
    mask: Tensor,
    value: Tensor | _float,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """`input` with `value`, a number or a 0-d tensor, where `mask` (bool, broadcast to input) holds."""

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

def matrix_exp(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """exp of square matrices, I + A + A^2 / 2 + ...: by Padé's approximants, scaling and squaring."""

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

@overload
def median(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The lower median of all elements, or (values, indices) along `dim`; NaN where one is NaN."""
@overload
def median(input: Tensor, dim: _int, keepdim: _bool = False) -> MedianResult:
    """The lower median of all elements, or (values, indices) along `dim`; NaN where one is NaN."""

def meshgrid(*tensors: Tensor, indexing: str = 'ij') -> tuple[Tensor, ...]:
    """Coordinate grids of 1-d tensors; "xy" swaps the first two dimensions."""

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

def mode(input: Tensor, dim: _int = -1, keepdim: _bool = False) -> ModeResult:
    """(values, indices) of what occurs most often along `dim`; the smallest of equals, at its last place."""

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
    out: Any = None,
) -> Tensor:
    """Indices drawn with the weights in each row of `input`."""

def mv(input: Tensor, vec: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Product of a matrix and a vector."""

def mvlgamma(input: Tensor, p: _int, *, out: Tensor | None = None) -> Tensor:
    """Logarithm of the multivariate gamma function of dimension `p`, defined for x > (p - 1) / 2."""

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

@overload
def nanmedian(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`median` of the elements that are not NaN."""
@overload
def nanmedian(input: Tensor, dim: _int, keepdim: _bool = False) -> NanmedianResult:
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
    start: _int | Tensor,
    length: _int,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """`length` slices along `dim` from `start`."""

def native_channel_shuffle(input: Tensor, groups: _int, *, out: Tensor | None = None) -> Tensor:
    """`channel_shuffle` under the name of its kernel."""

def ne(
    input: Tensor | _complex,
    other: Tensor | _complex,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Whether the elements differ."""

def neg(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Each element with its sign changed."""

def nextafter(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The next number that the dtype has from `input` towards `other`."""

def nonzero(input: Tensor, *, as_tuple: _bool = False) -> Any:
    """Indices of elements that are not zero: an (n, dims) tensor, or a tuple of one index tensor per dimension."""

def nonzero_static(
    input: Tensor,
    *,
    size: _int,
    fill_value: _int = -1,
    out: Tensor | None = None,
) -> Tensor:
    """The first `size` rows of `nonzero`, filled up with `fill_value` where there are fewer: a shape known beforehand."""

def norm(
    input: Tensor,
    p: _float | str | None = 'fro',
    dim: _int | Sequence[_int] | None = None,
    keepdim: _bool = False,
    out: Any = None,
    dtype: dtype | None = None,
) -> Tensor:
    """Vector p-norm over all elements or over `dim`; "fro" is p = 2."""

def normal(
    mean: Any = 0.0,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Generator | None = None,
    out: Any = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: _bool = False,
    requires_grad: _bool = False,
) -> Tensor:
    """Normal numbers with the given mean and standard deviation (numbers or tensors)."""

def numel(input: Tensor) -> _int:
    """The number of elements."""

def ones(
    *sizes: Any,
    size: Any = None,
    out: Any = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: _bool = False,
    requires_grad: _bool = False,
) -> Tensor:
    """A tensor of ones."""

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

def orgqr(input: Tensor, input2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The Q of `geqrf`; as `linalg.householder_product`."""

def ormqr(
    input: Tensor,
    input2: Tensor,
    input3: Tensor,
    left: _bool = True,
    transpose: _bool = False,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Q @ input3 (input3 @ Q unless `left`), Q or its adjoint if `transpose`, for the Q of (input, input2) from `geqrf`."""

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

def pca_lowrank(
    A: Tensor,
    q: _int | None = None,
    center: _bool = True,
    niter: _int = 2,
) -> tuple[Tensor, Tensor, Tensor]:
    """(U, S, V): principal components V of A's rows, approximately; columns are centred unless told otherwise."""

def pdist(input: Tensor, p: _float = 2.0, *, out: Tensor | None = None) -> Tensor:
    """The p-norm distances between all pairs of rows of (N, M): N (N - 1) / 2 of them, the first row's first."""

@overload
def permute(input: Tensor, dims: Sequence[_int], *, out: Tensor | None = None) -> Tensor:
    """Dimensions in another order."""
@overload
def permute(input: Tensor, *dims: _int, out: Tensor | None = None) -> Tensor:
    """Dimensions in another order."""

def pinverse(input: Tensor, rcond: _float = 1e-15, *, out: Tensor | None = None) -> Tensor:
    """The pseudo-inverse, by singular values above `rcond` times the largest."""

def pixel_shuffle(input: Tensor, upscale_factor: _int, *, out: Tensor | None = None) -> Tensor:
    """Channels moved into space: (*, C r², H, W) to (*, C, H r, W r)."""

def pixel_unshuffle(
    input: Tensor,
    downscale_factor: _int,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Space moved into channels: (*, C, H r, W r) to (*, C r², H, W)."""

def poisson(input: Tensor, generator: Any = None, *, out: Tensor | None = None) -> Tensor:
    """How often events happened whose expected numbers are the elements of `input`; same dtype, no gradient (zeros)."""

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
    """(Q, R) with input = Q @ R; with `some` reduced, else complete. As `linalg.qr`."""

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

def rand(
    *sizes: Any,
    size: Any = None,
    generator: Generator | None = None,
    out: Any = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: _bool = False,
    pin_memory: _bool = False,
) -> Tensor:
    """Uniform numbers in [0, 1)."""

def rand_like(
    input: Tensor,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: _bool = False,
    memory_format: Any = None,
    generator: Any = None,
) -> Tensor:
    """Uniform numbers in the shape, dtype and device of `input`."""

def randint(
    low: Any = 0,
    high: Any = None,
    size: Any = None,
    *,
    generator: Generator | None = None,
    out: Any = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: _bool = False,
    pin_memory: _bool = False,
) -> Tensor:
    """Integers from low (0 unless given) up to and without high."""

def randint_like(
    input: Tensor,
    low: Any = 0,
    high: Any = None,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: _bool = False,
    memory_format: Any = None,
    generator: Any = None,
) -> Tensor:
    """Integers in the shape, dtype and device of `input`."""

def randn(
    *sizes: Any,
    size: Any = None,
    generator: Generator | None = None,
    out: Any = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: _bool = False,
    pin_memory: _bool = False,
) -> Tensor:
    """Normal numbers of mean 0 and variance 1."""

def randn_like(
    input: Tensor,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: _bool = False,
    memory_format: Any = None,
    generator: Any = None,
) -> Tensor:
    """Normal numbers in the shape, dtype and device of `input`."""

def randperm(
    n: _int,
    *,
    generator: Generator | None = None,
    out: Any = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: _bool = False,
    pin_memory: _bool = False,
) -> Tensor:
    """The integers below n in random order."""

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

def resolve_conj(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`input` with its conjugation computed, which it always is."""

def resolve_neg(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`input` with its negation computed, which it always is."""

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
    src: Tensor | _float | None = None,
    *,
    value: _float | None = None,
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

def scatter_reduce(
    input: Tensor,
    dim: _int,
    index: Tensor,
    src: Tensor,
    reduce: str,
    *,
    include_self: _bool = True,
    out: Tensor | None = None,
) -> Tensor:
    """A copy of `input` whose elements at `index` along `dim` are the "sum", "prod", "mean", "amax" or "amin" of `src`."""

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

def segment_reduce(
    data: Tensor,
    reduce: str,
    *,
    lengths: Tensor | None = None,
    indices: Tensor | None = None,
    offsets: Tensor | None = None,
    axis: _int = 0,
    unsafe: _bool = False,
    initial: _float | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """The "sum", "mean", "max", "min" or "prod" of consecutive pieces along `axis`, of the lengths or between the offsets given."""

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

def slogdet(input: Tensor) -> SlogdetResult:
    """(sign, log of the size) of the determinant; as `linalg.slogdet`."""

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
    window: Tensor | None = None,
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

def svd(input: Tensor, some: _bool = True, compute_uv: _bool = True) -> SvdResult:
    """(U, S, V) with input = U @ diag(S) @ V.mH; with `some` reduced. Without `compute_uv` U and V are zeros."""

def svd_lowrank(
    A: Tensor,
    q: _int | None = 6,
    niter: _int | None = 2,
    M: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """(U, S, V) with U @ diag(S) @ V.mH near A (near A - M): the q largest singular values, by random projections."""

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
    """`gather` with broadcasting, negative indices counted from the end; over the flattened input without `dim`."""

def tan(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Tangent of each element."""

def tanh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Hyperbolic tangent of each element."""

def tensor(
    data: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: _bool = False,
    pin_memory: _bool = False,
) -> Tensor:
    """A new tensor with a copy of `data`: a number, nested sequences, a NumPy array or a tensor."""

def tensor_split(
    input: Tensor,
    indices_or_sections: _int | Tensor | Sequence[_int],
    dim: _int = 0,
) -> tuple[Tensor, ...]:
    """Views of nearly equal parts along `dim`, or of what lies between the indices given."""

def tensordot(a: Tensor, b: Tensor, dims: Any = 2, out: Any = None) -> Tensor:
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

def trapz(
    y: Tensor,
    x: Tensor | None = None,
    *,
    dx: _float | None = None,
    dim: _int = -1,
    out: Tensor | None = None,
) -> Tensor:
    """`trapezoid` under its older name."""

def triangular_solve(
    input: Tensor,
    A: Tensor,
    upper: _bool = True,
    transpose: _bool = False,
    unitriangular: _bool = False,
) -> TriangularSolveResult:
    """(X, a copy of A) with A @ X = input for triangular A; with `transpose` of A's transpose."""

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

def unique_consecutive(
    input: Tensor,
    return_inverse: _bool = False,
    return_counts: _bool = False,
    dim: _int | None = None,
) -> Any:
    """The first of each run of equal elements (slices along `dim`); with the run of each element and lengths if asked."""

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

def view(
    input: Tensor,
    *shape: _int | Sequence[_int],
    size: Sequence[_int] | None = None,
    dtype: dtype | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """The same memory in another shape or dtype; RuntimeError where strides do not allow it without a copy."""

def view_as_complex(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Pairs in the last dimension as complex numbers, in the same memory."""

def view_as_real(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Complex numbers as pairs: the same memory with a last dimension of real and imaginary part."""

def vsplit(input: Tensor, indices_or_sections: _int | Sequence[_int]) -> tuple[Tensor, ...]:
    """`tensor_split` along the first dimension, into equal parts."""

def vstack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """Joined along the first dimension; 1-d tensors become rows."""

def where(condition: Tensor, *choices: Any, **named: Any) -> Any:
    """`where(condition, input, other)`: see `ops.comparison.where`; `where(condition)` alone: where it holds."""

def xlogy(
    input: Tensor | _complex,
    other: Tensor | _complex,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """input * log(other), 0 where input is 0."""

def zeros(
    *sizes: Any,
    size: Any = None,
    out: Any = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: _bool = False,
    requires_grad: _bool = False,
) -> Tensor:
    """A tensor of zeros."""

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
ger = outer
greater = gt
greater_equal = ge
less = lt
less_equal = le
moveaxis = movedim
multiply = mul
negative = neg
not_equal = ne
row_stack = vstack
subtract = sub
swapaxes = transpose
swapdims = transpose
