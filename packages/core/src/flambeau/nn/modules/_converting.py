"""Changing all tensors of a module at once: another dtype, another device, shared memory.

Parameters keep their identity (optimizers hold them): only their data is replaced.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flambeau._base.devices import device as Device
from flambeau._base.dtypes import dtype as DType
from flambeau.autograd import no_grad
from flambeau.ops.creation import empty_like
from flambeau.runtime.tensor import Tensor

from ._members import Members


class Convertible(Members):
    """The part of Module that converts its tensors."""

    def _apply(self, fn: Callable[[Any], Any], recurse: bool = True) -> Any:
        """Replace every parameter's data, its gradient and every buffer by ``fn`` of it."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        for param in self._parameters.values():
            if param is None:
                continue
            with no_grad():
                grad = param.grad
                param.data = fn(param)
                if grad is not None:
                    grad.data = fn(grad)
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[name] = fn(buffer)
        return self

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """Move to a device and/or convert floating-point tensors to a dtype; in place.

        Called as ``to(device, dtype, non_blocking)``, ``to(dtype)`` or ``to(tensor)``. ``memory_format`` lays out the tensors of
        four and five dimensions.

        >>> import flambeau
        >>> flambeau.nn.Linear(2, 2).to(flambeau.float64).weight.dtype
        flambeau.float64
        """
        memory_format = kwargs.get("memory_format")
        device, dtype, non_blocking = _parse_to(*args, **kwargs)
        if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
            raise TypeError(
                "nn.Module.to only accepts floating point or complex dtypes, "
                f"but got desired dtype={dtype}"
            )

        def convert(tensor: Any) -> Any:
            numeric = tensor.is_floating_point() or tensor.is_complex()
            wanted = dtype if numeric else None
            if memory_format is None or tensor.ndim not in (4, 5):
                return tensor.to(device, wanted, non_blocking=non_blocking)
            return tensor.to(device, wanted, non_blocking=non_blocking, memory_format=memory_format)

        return self._apply(convert)

    def to_empty(self, *, device: Any, recurse: bool = True) -> Any:
        """Move to a device without copying: the values are not initialised."""
        return self._apply(lambda t: empty_like(t, device=device), recurse=recurse)

    def cuda(self, device: Any = None) -> Any:
        """Move to a GPU (the current one, or the one given)."""
        return self._apply(lambda t: t.cuda(device))

    def cpu(self) -> Any:
        """Move to main memory."""
        return self._apply(lambda t: t.cpu())

    def type(self, dst_type: Any) -> Any:
        """Convert all parameters and buffers to this dtype."""
        return self._apply(lambda t: t.type(dst_type))

    def float(self) -> Any:
        """Convert floating-point parameters and buffers to float32."""
        return self._apply(lambda t: t.float() if t.is_floating_point() else t)

    def double(self) -> Any:
        """Convert floating-point parameters and buffers to float64."""
        return self._apply(lambda t: t.double() if t.is_floating_point() else t)

    def half(self) -> Any:
        """Convert floating-point parameters and buffers to float16."""
        return self._apply(lambda t: t.half() if t.is_floating_point() else t)

    def bfloat16(self) -> Any:
        """Convert floating-point parameters and buffers to bfloat16."""
        return self._apply(lambda t: t.bfloat16() if t.is_floating_point() else t)

    def share_memory(self) -> Any:
        """Move all tensors to memory that other processes can map."""
        return self._apply(lambda t: t.share_memory_())


def _parse_to(
    *args: Any,
    device: Any = None,
    dtype: Any = None,
    non_blocking: bool = False,
    memory_format: Any = None,
) -> tuple[Any, Any, bool]:
    """Device, dtype and non_blocking out of the three ways to call `to`."""
    rest = list(args)
    if rest and isinstance(rest[0], Tensor):
        other = rest.pop(0)
        device, dtype = other.device, other.dtype
    if rest and (rest[0] is None or isinstance(rest[0], (str, int, Device))):
        if not isinstance(rest[0], bool):
            device = rest.pop(0)
    if rest and (rest[0] is None or isinstance(rest[0], DType)):
        dtype = rest.pop(0)
    if rest and isinstance(rest[0], bool):
        non_blocking = rest.pop(0)
    if rest:
        raise TypeError(
            "to: expected (device, dtype, non_blocking), (dtype, non_blocking) or "
            f"(tensor, non_blocking), got {', '.join(type(arg).__name__ for arg in args)}"
        )
    return None if device is None else Device(device), dtype, non_blocking
