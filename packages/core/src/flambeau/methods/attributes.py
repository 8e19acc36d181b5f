"""What a tensor says of itself, besides its shape: device, kind, memory it shares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._base import formats
from ..runtime.operator import registry
from ..runtime.signature import explained
from ..runtime.tensor import Tensor
from .attach import attribute, method


@attribute
def is_cuda(self: Tensor) -> bool:
    """Whether the memory is a GPU's."""
    return self.device.type == "cuda"


@attribute
def is_cpu(self: Tensor) -> bool:
    """Whether the memory is the host's."""
    return self.device.type == "cpu"


@attribute
def is_meta(self: Tensor) -> bool:
    """Whether there is a shape and a dtype, and no memory."""
    return self.device.type == "meta"


@attribute
def itemsize(self: Tensor) -> int:
    """Bytes of one element."""
    return self.dtype.itemsize


@attribute
def nbytes(self: Tensor) -> int:
    """Bytes of all elements."""
    return self.numel() * self.dtype.itemsize


@attribute
def output_nr(self: Tensor) -> int:
    """Which output of the operator that made it this tensor is."""
    return getattr(self._node, "index", 0)


@attribute
def names(self: Tensor) -> tuple[None, ...]:
    """The names of the dimensions: they have none."""
    return (None,) * self.ndim


# Devices that there are none of.
Tensor.is_mps = Tensor.is_xpu = Tensor.is_xla = Tensor.is_mtia = Tensor.is_vulkan = False
Tensor.is_ipu = Tensor.is_maia = False
Tensor.is_sparse = Tensor.is_sparse_csr = Tensor.is_quantized = Tensor.is_nested = (
    Tensor.is_mkldnn
) = False


@method
def dequantize(self: Tensor) -> Tensor:
    """The real numbers of a quantized tensor; of any other, its numbers in float32."""
    return self.float()


def _of_quantized(name: str) -> Callable[..., Any]:
    def refused(self: Tensor) -> Any:
        raise NotImplementedError(f"{name}: expected a quantized tensor, got {self.dtype}")

    refused.__doc__ = "Of quantized tensors only; see `flambeau.quantize_per_tensor`."
    return method(refused, name)


for _name in (
    "int_repr", "q_scale", "q_zero_point", "q_per_channel_scales", "q_per_channel_zero_points",
    "q_per_channel_axis", "qscheme",
):  # fmt: skip
    _of_quantized(_name)
Tensor.layout = formats.strided
Tensor.name = None


@attribute
def imag(self: Tensor) -> Tensor:
    """The imaginary parts of a complex tensor, as a view."""
    return registry["imag"].public(self)


@attribute
def real(self: Tensor) -> Tensor:
    """The real parts of a complex tensor, as a view; a real tensor itself."""
    return registry["real"].public(self) if self.dtype.is_complex else self


@method
@explained
def is_set_to(self: Tensor, tensor: Tensor) -> bool:
    """Whether both are the same window of the same memory."""
    return (
        self.data_ptr() == tensor.data_ptr()
        and self.shape == tensor.shape
        and self.stride() == tensor.stride()
    )


@method
@explained
def allclose(
    self: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> bool:
    """Whether all elements are close; see `isclose`."""
    return bool(registry["isclose"].public(self, other, rtol, atol, equal_nan).all())


@method
@explained
def equal(self: Tensor, other: Tensor) -> bool:
    """Whether both have one shape and equal elements."""
    return tuple(self.shape) == tuple(other.shape) and bool((self == other).all())


@method
def share_memory_(self: Tensor) -> Tensor:
    """Moves the data to memory that processes share: those forked from now on, and those it is sent to; in place.

    RuntimeError for a view, whose base would stay behind.
    """
    if self.device.type != "cpu" or self.__dict__.get("_shared"):
        return self
    if self._base is not None:
        raise RuntimeError("share_memory_: the tensor is a view; share its base, or clone it first")
    from importlib import import_module

    sharing = import_module("flambeau.utils.sharing")  # of a layer above
    old = self._array
    self._array = sharing.shared_bytes(old.nbytes).view(old.dtype).reshape(old.shape)
    self._array[...] = old
    self.__dict__["_shared"] = True
    return self


@method
def pin_memory(self: Tensor) -> Tensor:
    """Page-locked memory for fast copies to a GPU; on a machine without one, the tensor itself."""
    return self


@method
def is_shared(self: Tensor) -> bool:
    """Whether other processes can see the memory."""
    return bool(self.__dict__.get("_shared"))


@method
def is_pinned(self: Tensor) -> bool:
    """Whether the memory is page-locked."""
    return False


@method
def is_inference(self: Tensor) -> bool:
    """Whether the tensor was made in inference mode."""
    inner: Any = self
    while inner._level:
        inner = inner.value if inner._level >= 1 else inner.main
    return inner._box is not None and not inner._box.tracked


@method
def is_neg(self: Tensor) -> bool:
    """Whether a negation is pending: never, it is computed at once."""
    return False


@method
def is_conj(self: Tensor) -> bool:
    """Whether a conjugation is pending: never, it is computed at once."""
    return False


@method
def get_device(self: Tensor) -> int:
    """The number of the GPU; -1 on the CPU."""
    return -1 if self.device.type == "cpu" else self.device.index or 0
