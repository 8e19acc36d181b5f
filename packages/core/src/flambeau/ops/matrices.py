"""What the files of linear algebra share: checks in PyTorch's words, adjoints, and results with names."""

from __future__ import annotations

from typing import Any

from .._base.checks import check, fail
from .._base.errors import LinAlgError
from ..runtime import state
from ..runtime.tensor import Tensor
from .creation import eye

# PyTorch's names of dtypes in errors.
SCALARS = {
    "float32": "Float", "float64": "Double", "float16": "Half", "bfloat16": "BFloat16", "complex64": "ComplexFloat",
    "complex128": "ComplexDouble", "complex32": "ComplexHalf", "int64": "Long", "int32": "Int", "int16": "Short",
    "int8": "Char", "uint8": "Byte", "bool": "Bool",
}  # fmt: skip
NO_ONNX = "ONNX has no decompositions of matrices"


def scalar_name(x: Any) -> str:
    """PyTorch's name of a tensor's or an array's dtype, such as Float."""
    return SCALARS.get(x.dtype.name, x.dtype.name)


def check_matrix(name: str, x: Any, letter: str = "A") -> None:
    """Refuses what has less than two dimensions."""
    check(
        x.ndim >= 2,
        lambda: f"{name}: The input tensor {letter} must have at least 2 dimensions.",
    )


def check_square(name: str, x: Any, letter: str = "A") -> None:
    """Refuses what is no batch of square matrices."""
    check_matrix(name, x, letter)
    check(
        x.shape[-1] == x.shape[-2],
        lambda: (
            f"{name}: {letter} must be batches of square matrices, "
            f"but they are {x.shape[-2]} by {x.shape[-1]} matrices"
        ),
    )


def check_floating(name: str, x: Any, low: str = "") -> None:
    """Refuses integers, and the floats of two bytes: with `low`, in the words of a kernel of that name that is missing."""
    kind = SCALARS.get(x.dtype.name, "")
    check(
        kind in ("Float", "Double", "Half", "BFloat16") or kind.startswith("Complex"),
        lambda: f"{name}: Expected a floating point or complex tensor as input. Got {kind}",
    )
    if kind in ("Half", "BFloat16", "ComplexHalf"):
        if low:
            fail(f"\"{low}\" not implemented for '{kind}'", NotImplementedError)
        fail(f"{name}: Low precision dtypes not supported. Got {kind}")


def check_supported(x: Any, kernel: str) -> None:
    """Refuses all but floats of four and eight bytes and complex numbers, as PyTorch does where only the kernel looks."""
    if x.dtype.name not in ("float32", "float64", "complex64", "complex128"):
        fail(f"\"{kernel}\" not implemented for '{scalar_name(x)}'", NotImplementedError)


def check_same(name: str, a: Any, b: Any, first: str = "A", second: str = "B") -> None:
    """Refuses two matrices of different dtypes."""
    check(
        a.dtype.name == b.dtype.name,
        lambda: (
            f"{name}: Expected {first} and {second} to have the same dtype, but found {first} of type "
            f"{scalar_name(a)} and {second} of type {scalar_name(b)} instead"
        ),
    )


def check_info(info: Any, text: str, error: type[Exception] = LinAlgError) -> None:
    """LinAlgError (or `error`) for the first matrix whose `info` is not zero; `text` has {at} for its place in the batch, {info} for it."""
    if not info.any():
        return
    if not info.ndim:
        raise error(text.format(at="", info=int(info)))
    first = int((info.reshape(-1) != 0).argmax())
    raise error(text.format(at=f"(Batch element {first}): ", info=int(info.reshape(-1)[first])))


def has_values(x: Tensor) -> bool:
    """Whether one may look at the elements: not under vmap, forward mode or a trace, nor on the meta device."""
    return not state.active and "_array" in x.__dict__ and x.device.type != "meta"


def adjoint_of(x: Tensor) -> Tensor:
    """Transposed and conjugated."""
    return x.mT.conj() if x.is_complex() else x.mT


def unit_like(x: Tensor, n: int | None = None) -> Tensor:
    """The n x n matrix with ones on its diagonal, of x's dtype and device; n is x's last size unless given."""
    return eye(x.shape[-1] if n is None else n, dtype=x.dtype, device=x.device)


def scaled_columns(x: Tensor, by: Tensor) -> Tensor:
    """x @ diag(by)."""
    return x * by.unsqueeze(-2).to(x.dtype)


def batched(op: Any) -> None:
    """The batch rule of an operator on one batch of matrices: the batch in front is one more of its own."""

    @op.batch
    def _(size: int, flags: Any, a: Any, **attrs: Any) -> Any:
        return op(a, **attrs)


def aligned(size: int, flags: Any, ranks: tuple[int, ...], values: Any) -> list:
    """The inputs of a call under vmap with the batch in front of all, ones put in so that outer dimensions broadcast.

    `ranks` says how many dimensions each input has of its own, such as two for matrices.
    """
    outer = max(v.ndim - f - r for v, f, r in zip(values, flags, ranks))
    made = []
    for v, f, r in zip(values, flags, ranks):
        missing = outer - (v.ndim - f - r)
        if f and missing:
            v = v.reshape(size, *[1] * missing, *v.shape[1:])
        made.append(v)
    return made
