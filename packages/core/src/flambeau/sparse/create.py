"""Making sparse tensors of indices and values: what fits is checked, sizes are inferred where none are given."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import flambeau
from flambeau._base import formats
from flambeau._base.checks import as_size
from flambeau.runtime.signature import explained
from flambeau.runtime.tensor import Tensor, history

from .tensor import BLOCKS, ROWS, CompressedTensor, CooTensor, compressed, coo

NAMES = {"sparse_csr": "Csr", "sparse_csc": "Csc", "sparse_bsr": "Bsr", "sparse_bsc": "Bsc"}


class check_sparse_tensor_invariants:
    """Whether constructors look at every index: a context manager, a decorator, or `enable()` and `disable()`.

    Here indices that lie outside of the shape are refused always; with the checks on so are compressed indices
    whose columns are not in order, or not distinct.

    >>> import flambeau
    >>> with flambeau.sparse.check_sparse_tensor_invariants():
    ...     print(flambeau.sparse.check_sparse_tensor_invariants.is_enabled())
    True
    """

    _on = False

    @staticmethod
    def is_enabled() -> bool:
        """Whether the checks are on."""
        return check_sparse_tensor_invariants._on

    @staticmethod
    def enable() -> None:
        """Turns the checks on."""
        check_sparse_tensor_invariants._on = True

    @staticmethod
    def disable() -> None:
        """Turns the checks off."""
        check_sparse_tensor_invariants._on = False

    def __init__(self, enable: bool = True) -> None:
        self.state = enable
        self.saved_state: bool | None = None

    def __enter__(self) -> None:
        if self.saved_state is not None:
            raise RuntimeError(
                "This context manager instance is already activated. Use a different context manager instance for "
                "context nesting."
            )
        self.saved_state = self.is_enabled()
        check_sparse_tensor_invariants._on = self.state

    def __exit__(self, *_: Any) -> None:
        assert self.saved_state is not None
        check_sparse_tensor_invariants._on = self.saved_state
        self.saved_state = None

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with type(self)(self.state):
                return function(*args, **kwargs)

        return call


def _values(values: Any, dtype: Any, device: Any) -> Tensor:
    if isinstance(values, Tensor):
        return values.to(device=device, dtype=dtype) if dtype or device else values
    return flambeau.tensor(values, dtype=dtype, device=device)


def _indices(name: str, indices: Any, device: Any) -> Tensor:
    made = indices if isinstance(indices, Tensor) else flambeau.tensor(indices, device=device)
    if made.dtype.is_complex or made.dtype is flambeau.bool:
        raise RuntimeError(f"{name}: expected indices of an integer dtype, but got {made.dtype}")
    return made.detach()


def _finished(made: Any, requires_grad: bool) -> Any:
    if requires_grad and history(made) is None:
        made.requires_grad_()
    return made


@explained
def sparse_coo_tensor(
    indices: Any,
    values: Any = None,
    size: Any = None,
    *,
    dtype: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    check_invariants: bool | None = None,
    is_coalesced: bool | None = None,
) -> Any:
    """A sparse tensor in coordinate form: `values` (n, *dense dimensions) at `indices` (sparse dimensions, n).

    The smallest size that holds all indices is taken where none is given. Values at one place are added when the
    tensor is coalesced. `sparse_coo_tensor(size)` has no entries. Gradients reach `values`.

    >>> import flambeau
    >>> flambeau.sparse_coo_tensor([[0, 1], [2, 0]], [3.0, 4.0], (2, 3)).to_dense()
    tensor([[0., 0., 3.],
            [4., 0., 0.]])
    """
    if values is None:
        given = indices if size is None else size
        return _finished(empty_sparse(given, formats.sparse_coo, dtype, device), requires_grad)
    values = _values(values, dtype, device)
    at = _indices("sparse_coo_tensor", indices, values.device).to(flambeau.int64)
    at = at.to(values.device)
    if at.ndim != 2:
        raise RuntimeError(f"indices must be sparse_dim x nnz, but got: {list(at.shape)}")
    if not values.ndim:
        values = values.reshape(1).expand(at.shape[1])
    if values.shape[0] != at.shape[1]:
        raise RuntimeError(
            "indices and values must have same nnz, but got nnz from indices: "
            f"{at.shape[1]}, nnz from values: {values.shape[0]}"
        )
    d, dense = at.shape[0], tuple(values.shape)[1:]
    largest = [int(n) for n in at.max(1).values.tolist()] if at.numel() else [-1] * d
    if at.numel():
        for dim, low in enumerate(at.min(1).values.tolist()):
            if low < 0:
                raise RuntimeError(f"found negative index {int(low)} for dim {dim}")
    sizes = (*(n + 1 for n in largest), *dense) if size is None else as_size(tuple(size))
    if len(sizes) != d + len(dense):
        raise RuntimeError(
            f"'len(size) == sparse_dim + dense_dim' is not satisfied: len(size) = {len(sizes)}, sparse_dim = {d}, "
            f"dense_dim = {len(dense)}"
        )
    for dim, (n, m) in enumerate(zip(sizes, largest)):
        if m >= n:
            raise RuntimeError(
                f"size is inconsistent with indices: for dim {dim}, size is {n} but found index {m}"
            )
    if tuple(sizes[d:]) != dense:
        raise RuntimeError(
            f"values has incorrect size, expected {[at.shape[1], *sizes[d:]]}, got {list(values.shape)}"
        )
    made = coo(at, values, sizes, bool(is_coalesced))
    if is_coalesced and _checked(check_invariants):
        from .patterns import counted

        numbers = counted(at, sizes[:d])
        if not bool((numbers[1:] > numbers[:-1]).all()):
            raise RuntimeError(
                "cannot set is_coalesced to true if indices correspond to uncoalesced COO tensor"
            )
    return _finished(made, requires_grad)


def _checked(given: bool | None) -> bool:
    return check_sparse_tensor_invariants.is_enabled() if given is None else given


def _compressed(
    name: str, layout: Any, comp: Any, plain: Any, values: Any, size: Any, dtype: Any, device: Any,
    requires_grad: bool, check_invariants: bool | None,
) -> Any:  # fmt: skip
    values = _values(values, dtype, device)
    comp = _indices(name, comp, values.device).to(values.device)
    plain = _indices(name, plain, values.device).to(values.device)
    if comp.dtype is not flambeau.int32 or plain.dtype is not flambeau.int32:
        comp, plain = comp.to(flambeau.int64), plain.to(flambeau.int64)
    if not comp.ndim or comp.ndim != plain.ndim:
        raise RuntimeError(
            f"{name}: compressed and plain indices must have the same number of dimensions, at least 1, but got "
            f"{list(comp.shape)} and {list(plain.shape)}"
        )
    b = plain.ndim - 1
    blocks = layout.name in BLOCKS
    if values.ndim < plain.ndim + 2 * blocks:
        raise RuntimeError(
            f"{name}: values must have at least {plain.ndim + 2 * blocks} dimensions, but got {list(values.shape)}"
        )
    if tuple(values.shape)[: b + 1] != tuple(plain.shape):
        raise RuntimeError(
            f"{name}: the first dimensions of values {list(values.shape)} and the plain indices {list(plain.shape)} "
            "must match"
        )
    r, c = (values.shape[b + 1], values.shape[b + 2]) if blocks else (1, 1)
    dense = tuple(values.shape)[b + 1 + 2 * blocks :]
    long = comp.shape[-1] - 1
    by_rows = layout.name in ROWS
    if long < 0:
        raise RuntimeError(f"{name}: compressed indices must hold at least one element")
    if size is None:
        short = int(plain.max()) + 1 if plain.numel() else 0
        pair = (long * r, short * c) if by_rows else (short * r, long * c)
        sizes = (*tuple(plain.shape)[:-1], *pair, *dense)
    else:
        sizes = as_size(tuple(size))
    _check_compressed(name, comp, plain, sizes, b, (r, c), by_rows, dense)
    if _checked(check_invariants):
        _check_order(name, comp, plain)
    made = compressed(comp, plain, values, sizes, layout)
    return _finished(made, requires_grad)


def _check_compressed(name: str, comp: Tensor, plain: Tensor, sizes: tuple, b: int, block: tuple, by_rows: bool, dense: tuple) -> None:  # fmt: skip
    if len(sizes) != b + 2 + len(dense):
        raise RuntimeError(
            f"{name}: expected a size of {b + 2 + len(dense)} dimensions (batch, two sparse, dense), but got {list(sizes)}"
        )
    rows, columns = sizes[b], sizes[b + 1]
    if rows % block[0] or columns % block[1]:
        raise RuntimeError(
            f"{name}: tensor shape[{b}, {b + 1}] = ({rows}, {columns}) must be divisible by the blocksize {block}"
        )
    long, short = rows // block[0], columns // block[1]
    if not by_rows:
        long, short = short, long
    if comp.shape[-1] != long + 1:
        raise RuntimeError(
            f"{name}: compressed_indices.shape[-1] = {comp.shape[-1]} must be the number of "
            f"{'rows' if by_rows else 'columns'} + 1 = {long + 1}"
        )
    n = plain.shape[-1]
    if comp.numel() and not bool((comp.select(-1, 0) == 0).all()):
        raise RuntimeError(f"{name}: compressed_indices[..., 0] == 0 is not satisfied.")
    if comp.numel() and not bool((comp.select(-1, comp.shape[-1] - 1) == n).all()):
        raise RuntimeError(f"{name}: compressed_indices[..., -1] == nnz is not satisfied.")
    steps = comp.narrow(-1, 1, long) - comp.narrow(-1, 0, long)
    if steps.numel() and not (0 <= int(steps.min()) and int(steps.max()) <= short):
        raise RuntimeError(
            f"{name}: 0 <= compressed_indices[..., 1:] - compressed_indices[..., :-1] <= plain_dim is not satisfied."
        )
    if plain.numel() and not (0 <= int(plain.min()) and int(plain.max()) < short):
        raise RuntimeError(f"{name}: 0 <= plain_indices < plain_dim is not satisfied.")


def _check_order(name: str, comp: Tensor, plain: Tensor) -> None:
    from .patterns import expanded

    for one, row in zip(comp.reshape(-1, comp.shape[-1]), plain.reshape(-1, plain.shape[-1])):
        long = expanded(one)
        same = long[1:] == long[:-1]
        if not bool(((row[1:] > row[:-1]) | ~same).all()):
            raise RuntimeError(
                f"{name}: plain_indices must be sorted and distinct along the last dimension within each row "
                "(or column) is not satisfied."
            )


@explained
def sparse_compressed_tensor(
    compressed_indices: Any,
    plain_indices: Any,
    values: Any,
    size: Any = None,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    check_invariants: bool | None = None,
) -> Any:
    """A sparse tensor in one of the compressed layouts, which `layout` names.

    >>> import flambeau
    >>> parts = [0, 1, 2], [1, 0], [5.0, 6.0]
    >>> flambeau.sparse_compressed_tensor(*parts, layout=flambeau.sparse_csr).to_dense()
    tensor([[0., 5.],
            [6., 0.]])
    """
    if layout is None or layout.name not in NAMES:
        raise RuntimeError(
            f"sparse_compressed_tensor expected sparse compressed tensor layout but got {layout}"
        )
    return _compressed("sparse_compressed_tensor", layout, compressed_indices, plain_indices, values, size, dtype,
                       device, requires_grad, check_invariants)  # fmt: skip


@explained
def sparse_csr_tensor(
    crow_indices: Any,
    col_indices: Any,
    values: Any,
    size: Any = None,
    *,
    dtype: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    check_invariants: bool | None = None,
) -> Any:
    """A sparse matrix row by row: row i has the columns and values from crow_indices[i] to crow_indices[i + 1].

    >>> import flambeau
    >>> flambeau.sparse_csr_tensor([0, 1, 2], [1, 0], [5.0, 6.0]).to_dense()
    tensor([[0., 5.],
            [6., 0.]])
    """
    return _compressed("sparse_csr_tensor", formats.sparse_csr, crow_indices, col_indices, values, size, dtype,
                       device, requires_grad, check_invariants)  # fmt: skip


@explained
def sparse_csc_tensor(
    ccol_indices: Any,
    row_indices: Any,
    values: Any,
    size: Any = None,
    *,
    dtype: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    check_invariants: bool | None = None,
) -> Any:
    """A sparse matrix column by column.

    >>> import flambeau
    >>> flambeau.sparse_csc_tensor([0, 1, 2], [1, 0], [5.0, 6.0]).to_dense()
    tensor([[0., 6.],
            [5., 0.]])
    """
    return _compressed("sparse_csc_tensor", formats.sparse_csc, ccol_indices, row_indices, values, size, dtype,
                       device, requires_grad, check_invariants)  # fmt: skip


@explained
def sparse_bsr_tensor(
    crow_indices: Any,
    col_indices: Any,
    values: Any,
    size: Any = None,
    *,
    dtype: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    check_invariants: bool | None = None,
) -> Any:
    """A sparse matrix of dense blocks (values: n, block rows, block columns), block row by block row.

    >>> import flambeau
    >>> flambeau.sparse_bsr_tensor([0, 1], [0], flambeau.ones(1, 2, 2)).to_dense()
    tensor([[1., 1.],
            [1., 1.]])
    """
    return _compressed("sparse_bsr_tensor", formats.sparse_bsr, crow_indices, col_indices, values, size, dtype,
                       device, requires_grad, check_invariants)  # fmt: skip


@explained
def sparse_bsc_tensor(
    ccol_indices: Any,
    row_indices: Any,
    values: Any,
    size: Any = None,
    *,
    dtype: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    check_invariants: bool | None = None,
) -> Any:
    """A sparse matrix of dense blocks, block column by block column.

    >>> import flambeau
    >>> flambeau.sparse_bsc_tensor([0, 1], [0], flambeau.ones(1, 2, 2)).to_dense()
    tensor([[1., 1.],
            [1., 1.]])
    """
    return _compressed("sparse_bsc_tensor", formats.sparse_bsc, ccol_indices, row_indices, values, size, dtype,
                       device, requires_grad, check_invariants)  # fmt: skip


def empty_sparse(
    size: Any,
    layout: Any,
    dtype: Any = None,
    device: Any = None,
    sparse_dim: int | None = None,
    blocksize: Sequence[int] | None = None,
) -> CooTensor | CompressedTensor:
    """A sparse tensor without entries."""
    sizes = as_size(tuple(size))
    options: dict[str, Any] = {"dtype": dtype, "device": device}
    whole: dict[str, Any] = {"dtype": flambeau.int64, "device": device}
    if layout.name == "sparse_coo":
        d = len(sizes) if sparse_dim is None else sparse_dim
        return coo(
            flambeau.zeros(d, 0, **whole), flambeau.zeros(0, *sizes[d:], **options), sizes, True
        )
    if len(sizes) < 2:
        raise RuntimeError(
            f"expected a shape of two dimensions at least for {layout}, but got {list(sizes)}"
        )
    batch, (rows, columns) = sizes[:-2], sizes[-2:]
    r, c = blocksize or (1, 1)
    long = rows // r if layout.name in ROWS else columns // c
    block = (r, c) if layout.name in BLOCKS else ()
    return compressed(
        flambeau.zeros(*batch, long + 1, **whole),
        flambeau.zeros(*batch, 0, **whole),
        flambeau.zeros(*batch, 0, *block, **options),
        sizes,
        layout,
    )
