"""`torch.backends.cuda`: how exact products on GPUs must be, which attention may be used, the cache of FFT plans.

`flambeau.backends.cuda` shows these names. Products are computed in float32 whatever is allowed; the wish is the same as
`set_float32_matmul_precision`'s.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple

from ..._base.checks import check, fail
from ..settings import attention, check_precision, products
from . import driver


def is_built() -> bool:
    """Whether CuPy is installed, without which no GPU can be used."""
    return driver.cupy_present()


class Products:
    """`matmul`: how exact products may be; and whether those of 16-bit floats may be summed in 16 bits, which they never are."""

    def __init__(self) -> None:
        self.__dict__.update(
            allow_fp16_reduced_precision_reduction=True,
            allow_bf16_reduced_precision_reduction=True,
            allow_fp16_accumulation=False,
            allow_fp16_reduced_precision_reduction_split_k=True,
            allow_bf16_reduced_precision_reduction_split_k=True,
        )

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"Unknown attribute {name}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("allow_tf32", "fp32_precision"):
            object.__setattr__(self, name, value)
            return
        check(name in self.__dict__, lambda: f"Unknown attribute {name}", AttributeError)
        check(
            isinstance(value, bool),
            lambda: f"{name} expects a bool, but got {type(value).__name__}",
        )
        self.__dict__[name] = value

    @property
    def allow_tf32(self) -> bool:
        """Whether products of float32 may be rounded more: `get_float32_matmul_precision() != "highest"`."""
        return products.precision != "highest"

    @allow_tf32.setter
    def allow_tf32(self, value: bool) -> None:
        check(
            isinstance(value, bool),
            lambda: f"set_allow_tf32_cublas expects a bool, but got {type(value).__name__}",
        )
        products.precision = "high" if value else "highest"

    @property
    def fp32_precision(self) -> str:
        """ "tf32" where products may be rounded more, else "ieee"."""
        return "tf32" if self.allow_tf32 else "ieee"

    @fp32_precision.setter
    def fp32_precision(self, value: str) -> None:
        check_precision(value)
        check(value != "bf16", lambda: "Invalid precision for cuda matmul: bf16")
        self.allow_tf32 = value == "tf32"


matmul = Products()


# -- attention ---------------------------------------------------------------------------------------------

_MATH, _FLASH, _EFFICIENT, _CUDNN = range(4)


def _allow(number: int, enabled: bool) -> None:
    rest = tuple(n for n in attention.get() if n != number)
    attention.set((*rest, number) if enabled else rest)


def flash_sdp_enabled() -> bool:
    """Whether "flash" attention is allowed; see `flambeau.nn.attention`."""
    return _FLASH in attention.get()


def enable_flash_sdp(enabled: bool) -> None:
    """Allows or forbids "flash" attention. All that can be named stand for one implementation, and give one result."""
    _allow(_FLASH, enabled)


def mem_efficient_sdp_enabled() -> bool:
    """Whether "memory efficient" attention is allowed."""
    return _EFFICIENT in attention.get()


def enable_mem_efficient_sdp(enabled: bool) -> None:
    """Allows or forbids "memory efficient" attention; see `enable_flash_sdp`."""
    _allow(_EFFICIENT, enabled)


def math_sdp_enabled() -> bool:
    """Whether attention by PyTorch's plain formula is allowed."""
    return _MATH in attention.get()


def enable_math_sdp(enabled: bool) -> None:
    """Allows or forbids attention by PyTorch's plain formula; see `enable_flash_sdp`."""
    _allow(_MATH, enabled)


def cudnn_sdp_enabled() -> bool:
    """Whether cuDNN's attention is allowed."""
    return _CUDNN in attention.get()


def enable_cudnn_sdp(enabled: bool) -> None:
    """Allows or forbids cuDNN's attention; see `enable_flash_sdp`."""
    _allow(_CUDNN, enabled)


def sdp_kernel(
    enable_flash: bool = True,
    enable_math: bool = True,
    enable_mem_efficient: bool = True,
    enable_cudnn: bool = True,
) -> AbstractContextManager[None]:
    """Allows some implementations inside the block; the older form of `flambeau.nn.attention.sdpa_kernel`, of which it warns."""
    import warnings

    warnings.warn(
        "backends.cuda.sdp_kernel() is deprecated; see nn.attention.sdpa_kernel()",
        FutureWarning,
        stacklevel=2,
    )
    return _chosen({
        _FLASH: enable_flash, _MATH: enable_math, _EFFICIENT: enable_mem_efficient, _CUDNN: enable_cudnn,
    })  # fmt: skip


@contextmanager
def _chosen(chosen: dict[int, bool]) -> Iterator[None]:
    token = attention.set(tuple(number for number, wanted in chosen.items() if wanted))
    try:
        yield
    finally:
        attention.reset(token)


class SDPAParams(NamedTuple):
    """A call of `scaled_dot_product_attention`, to ask whether a fused kernel would take it."""

    query: Any
    key: Any
    value: Any
    attn_mask: Any
    dropout: float
    is_causal: bool
    enable_gqa: bool


def is_flash_attention_available() -> bool:
    """Whether there is a kernel of that name: no."""
    return False


def can_use_flash_attention(params: SDPAParams, debug: bool = False) -> bool:
    """Whether the "flash" kernel would take a call: there is none. With `debug` a warning says so."""
    return _cannot("Flash attention", params, debug)


def can_use_efficient_attention(params: SDPAParams, debug: bool = False) -> bool:
    """Whether the "memory efficient" kernel would take a call: there is none. With `debug` a warning says so."""
    return _cannot("Memory efficient attention", params, debug)


def can_use_cudnn_attention(params: SDPAParams, debug: bool = False) -> bool:
    """Whether cuDNN's kernel would take a call: there is none. With `debug` a warning says so."""
    return _cannot("cuDNN attention", params, debug)


def _cannot(name: str, params: SDPAParams, debug: bool) -> bool:
    check(
        isinstance(params, SDPAParams),
        lambda: f"expected SDPAParams, but got {type(params).__name__}",
        TypeError,
    )
    if debug:
        import warnings

        warnings.warn(f"{name} is not a kernel of flambeau's", stacklevel=3)
    return False


_reduced = False


def fp16_bf16_reduction_math_sdp_allowed() -> bool:
    """What `allow_fp16_bf16_reduction_math_sdp` was given last; False at first."""
    return _reduced


def allow_fp16_bf16_reduction_math_sdp(enabled: bool) -> None:
    """Whether attention in 16-bit floats may be summed in them. It is not; the wish is kept."""
    global _reduced
    _reduced = bool(enabled)


# -- libraries ---------------------------------------------------------------------------------------------


class LinalgBackend(enum.IntEnum):
    """Who decomposes matrices on a GPU."""

    Default = 0
    Cusolver = 1
    Magma = 2


class BlasBackend(enum.IntEnum):
    """Who multiplies matrices on a GPU."""

    Default = 0
    Cublas = 1
    Cublaslt = 2


def _preferred(kind: Any, has: Any, given: Any) -> Any:
    if given is None:
        return has
    if isinstance(given, str):
        names = {member.name.lower(): member for member in kind}
        check(
            given in names,
            lambda: f"Unknown input value. Choose from: {', '.join(names)}.",
        )
        given = names[given]
    check(isinstance(given, kind), lambda: "Unknown input value type.")
    check(
        given in (kind.Default, has),
        lambda: (
            f"Cannot set preferred backend to {given.name}: operators run on {has.name} through CuPy"
        ),
    )
    return has


def preferred_linalg_library(backend: str | LinalgBackend | None = None) -> LinalgBackend:
    """Who decomposes matrices on a GPU: cuSOLVER through CuPy, or array functions. Nothing else can be chosen."""
    return _preferred(LinalgBackend, LinalgBackend.Default, backend)


def preferred_blas_library(backend: str | BlasBackend | None = None) -> BlasBackend:
    """Who multiplies matrices on a GPU: cuBLAS through CuPy. Nothing else can be chosen."""
    return _preferred(BlasBackend, BlasBackend.Cublas, backend)


class PlanCache:
    """CuPy's cache of FFT plans on one device, or on the current one."""

    def __init__(self, index: int | None = None) -> None:
        self._index = index

    def _cache(self) -> Any:
        cp = driver.cupy()
        return cp.fft.config.get_plan_cache() if self._index is None else self._of(cp, self._index)

    @staticmethod
    def _of(cp: Any, index: int) -> Any:
        with cp.cuda.Device(index):
            return cp.fft.config.get_plan_cache()

    @property
    def size(self) -> int:
        """How many plans are kept now."""
        return self._cache().get_curr_size()

    @property
    def max_size(self) -> int:
        """How many plans are kept at most; can be set."""
        return self._cache().get_size()

    @max_size.setter
    def max_size(self, number: int) -> None:
        self._cache().set_size(number)

    def clear(self) -> None:
        """Forgets all plans."""
        self._cache().clear()


class PlanCaches(PlanCache):
    """The cache of the current device; indexed by a device's number, that device's."""

    def __getitem__(self, device: int) -> PlanCache:
        index = device if isinstance(device, int) else device.index
        count = driver.cupy().cuda.runtime.getDeviceCount() if driver.available() else 0
        if not 0 <= index < count:
            fail(f"cufft_plan_cache: expected 0 <= device index < {count}, but got device with index {index}")  # fmt: skip
        return PlanCache(index)


cufft_plan_cache = PlanCaches()
