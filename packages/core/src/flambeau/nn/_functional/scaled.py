"""Products of many matrices at once, and of 8-bit floats with scales."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any

from flambeau._base import dtypes
from flambeau._base.checks import check
from flambeau.ops.creation import zeros
from flambeau.ops.joining import cat, stack
from flambeau.ops.matrix import matmul
from flambeau.runtime.tensor import Tensor


class ScalingType(Enum):
    """What one scale of `scaled_mm` is for."""

    TensorWise = 0
    RowWise = 1
    BlockWise1x16 = 2
    BlockWise1x32 = 3
    BlockWise1x128 = 4
    BlockWise128x128 = 5


class SwizzleType(Enum):
    """How scales are laid out in memory, which only GPUs ask."""

    NO_SWIZZLE = 0
    SWIZZLE_32_4_4 = 1


_GROUPED = (dtypes.float32, dtypes.bfloat16, dtypes.float16)


def _groups(offs: Tensor | None) -> list[tuple[int, int]]:
    ends = offs.tolist() if offs is not None else []
    return list(zip([0, *ends[:-1]], ends))


def grouped_mm(
    mat_a: Tensor,
    mat_b: Tensor,
    *,
    offs: Tensor | None = None,
    bias: Tensor | None = None,
    out_dtype: Any = None,
) -> Tensor:
    """A matrix product for each group. A 3-d operand has one matrix a group; a 2-d one is cut at `offs`, its groups' ends.

    Rows (M, K) with matrices (G, K, N) give (M, N), matrices (G, M, K) with columns (K, N) give (M, N), and two 2-d
    operands, cut along the inner size, give (G, M, N).

    >>> import flambeau
    >>> x, w = flambeau.ones(3, 2), flambeau.stack([flambeau.eye(2), 2 * flambeau.eye(2)])
    >>> grouped_mm(x, w, offs=flambeau.tensor([1, 3]))
    tensor([[1., 1.],
            [2., 2.],
            [2., 2.]])
    """
    for name, x in (("mat_a", mat_a), ("mat_b", mat_b)):
        if x.ndim not in (2, 3):
            raise RuntimeError(f"{name} has to be 2 or 3d")
        if x.dtype not in _GROUPED:
            raise RuntimeError(
                f"Expected {name} to be Float32, BFloat16 or Float16 matrix, got {x.dtype}"
            )
    jagged = mat_a.ndim == 2 or mat_b.ndim == 2
    check(
        (offs is not None) == jagged,
        lambda: (
            "Have to provide offsets if there is a 2d matrix, or no offset if both matrices are 3d"
        ),
    )
    check(
        mat_a.shape[-1] == mat_b.shape[-2],
        lambda: "contraction dimension of mat_a and mat_b must match",
    )
    check(bias is None, lambda: "Bias not supported yet")
    check(
        out_dtype is None or out_dtype is mat_a.dtype,
        lambda: "Grouped gemm output dtype must match `mat_a` dtype",
    )
    return _grouped(mat_a, mat_b, offs)


def _grouped(a: Tensor, b: Tensor, offs: Tensor | None) -> Tensor:
    spans = _groups(offs)
    if a.ndim == 3 and b.ndim == 3:
        return matmul(a, b)
    if a.ndim == 2 and b.ndim == 2:
        return stack([matmul(a[:, i:j], b[i:j]) for i, j in spans])
    many, one, dim = (b, a, 0) if a.ndim == 2 else (a, b, 1)
    check(
        len(spans) == many.shape[0],
        lambda: (
            f"matrix batch sizes have to match: {len(spans)} offsets for {many.shape[0]} matrices"
        ),
    )
    if dim == 0:
        parts = [matmul(one[i:j], m) for (i, j), m in zip(spans, many)]
    else:
        parts = [matmul(m, one[:, i:j]) for (i, j), m in zip(spans, many)]
    rest = one.shape[dim] - (spans[-1][1] if spans else 0)
    if rest:  # what lies behind the last group belongs to none
        shape = (rest, many.shape[2]) if dim == 0 else (many.shape[1], rest)
        parts.append(zeros(*shape, dtype=a.dtype, device=a.device))
    return cat(parts, dim)


def _one(given: Any) -> Any:
    """The only entry of what may be given as a list: several scales are for 4-bit floats, which have no kernel here."""
    if not isinstance(given, (list, tuple)):
        return given
    check(len(given) == 1, lambda: "scaled_mm: expected one scale for each matrix", ValueError)
    return given[0]


def _is_float8(x: Tensor) -> bool:
    return x.dtype.name.startswith("float8")


def _refuse_scaling(a: Tensor, b: Tensor, scale_a: Any, scale_b: Any) -> None:
    raise ValueError(
        "Invalid scaling configuration: expected float8 matrices with float scales, singletons for "
        f"TensorWise, ({a.shape[0]}, 1) and (1, {b.shape[-1]}) for RowWise scaling; got "
        f"{a.dtype} {list(a.shape)} by {scale_a.dtype} {list(scale_a.shape)} and "
        f"{b.dtype} {list(b.shape)} by {scale_b.dtype} {list(scale_b.shape)}"
    )


def scaled_mm(
    mat_a: Tensor,
    mat_b: Tensor,
    scale_a: Tensor | list[Tensor],
    scale_recipe_a: ScalingType | list[ScalingType],
    scale_b: Tensor | list[Tensor],
    scale_recipe_b: ScalingType | list[ScalingType],
    swizzle_a: SwizzleType | list[SwizzleType] | None = None,
    swizzle_b: SwizzleType | list[SwizzleType] | None = None,
    bias: Tensor | None = None,
    output_dtype: Any = dtypes.bfloat16,
    contraction_dim: Sequence[int] = (),
    use_fast_accum: bool = False,
) -> Tensor:
    """The product of two float8 matrices times their scales, summed in float32: one scale each, or one a row and column.

    As on PyTorch's CPU, blocks of scales (BlockWise) are refused.

    >>> import flambeau
    >>> x, half = flambeau.eye(2).to(flambeau.float8_e4m3fn), flambeau.tensor(0.5)
    >>> whole = ScalingType.TensorWise
    >>> scaled_mm(x, x, half, whole, half, whole, output_dtype=flambeau.float32)
    tensor([[0.2500, 0.0000],
            [0.0000, 0.2500]])
    """
    by_a, by_b = _one(scale_a), _one(scale_b)
    recipes = {_one(scale_recipe_a), _one(scale_recipe_b)}
    whole = by_a.numel() == 1 and by_b.numel() == 1
    rows = tuple(by_a.shape) == (mat_a.shape[0], 1) and tuple(by_b.shape) == (1, mat_b.shape[-1])
    fits = (recipes == {ScalingType.TensorWise} and whole) or (
        recipes == {ScalingType.RowWise} and rows
    )
    floats = by_a.dtype is dtypes.float32 and by_b.dtype is dtypes.float32
    if not (fits and floats and _is_float8(mat_a) and _is_float8(mat_b)):
        _refuse_scaling(mat_a, mat_b, by_a, by_b)
    if whole:
        by_a, by_b = by_a.reshape(()), by_b.reshape(())
    out = matmul(mat_a.float() * by_a, mat_b.float() * by_b)
    if bias is not None:
        out = out + bias.float()
    return out.to(mat_a.dtype if output_dtype is None else output_dtype)


def scaled_grouped_mm(
    mat_a: Tensor,
    mat_b: Tensor,
    scale_a: Tensor | list[Tensor],
    scale_recipe_a: ScalingType | list[ScalingType],
    scale_b: Tensor | list[Tensor],
    scale_recipe_b: ScalingType | list[ScalingType],
    swizzle_a: SwizzleType | list[SwizzleType] | None = None,
    swizzle_b: SwizzleType | list[SwizzleType] | None = None,
    bias: Tensor | None = None,
    offs: Tensor | None = None,
    output_dtype: Any = dtypes.bfloat16,
    contraction_dim: Sequence[int] = (),
    use_fast_accum: bool = False,
) -> Tensor:
    """`grouped_mm` of float8 rows (M, K) and matrices (G, K, N) with a scale for each row (M) and column (G, N).

    PyTorch has it on GPUs only.

    >>> import flambeau
    >>> x = flambeau.ones(2, 2).to(flambeau.float8_e4m3fn)
    >>> w, ends = flambeau.ones(1, 2, 2).to(flambeau.float8_e4m3fn), flambeau.tensor([2])
    >>> row = ScalingType.RowWise
    >>> scaled_grouped_mm(
    ...     x, w, flambeau.tensor([1.0, 2.0]), row, flambeau.ones(1, 2), row, offs=ends,
    ...     output_dtype=flambeau.float32)
    tensor([[2., 2.],
            [4., 4.]])
    """
    by_a, by_b = _one(scale_a), _one(scale_b)
    recipes = {_one(scale_recipe_a), _one(scale_recipe_b)}
    fits = (
        recipes == {ScalingType.RowWise}
        and mat_a.ndim == 2
        and mat_b.ndim == 3
        and tuple(by_a.shape) == (mat_a.shape[0],)
        and tuple(by_b.shape) == (mat_b.shape[0], mat_b.shape[2])
    )
    if not (fits and _is_float8(mat_a) and _is_float8(mat_b)):
        raise ValueError(
            "scaled_grouped_mm: expected float8 rows (M, K) and matrices (G, K, N) with RowWise scales "
            f"(M) and (G, N), got {mat_a.dtype} {list(mat_a.shape)} by {list(by_a.shape)} and "
            f"{mat_b.dtype} {list(mat_b.shape)} by {list(by_b.shape)}"
        )
    check(bias is None, lambda: "scaled_grouped_mm: bias is not supported")
    a = mat_a.float() * by_a.unsqueeze(1)
    b = mat_b.float() * by_b.unsqueeze(1)
    return _grouped(a, b, offs).to(mat_a.dtype if output_dtype is None else output_dtype)
