"""Products of matrices and vectors."""

from __future__ import annotations

from typing import Any

from .._base.checks import broadcast_shapes, check
from .._base.dtypes import FLOAT, bool_
from ..runtime.families import composite, primitive
from ..runtime.meta import Meta
from ..runtime.operator import Operator
from ..runtime.promotion import SAME_REQUIRED, check_fits, computed
from ..runtime.tensor import Tensor


@primitive(promote=SAME_REQUIRED, bilinear=("input", "other"), onnx="MatMul", hot=True)
def matmul(input: Meta, other: Meta):
    """Matrix product over the last two dimensions, the others broadcast; 1-d operands are row and column vectors.

    >>> import flambeau
    >>> flambeau.matmul(flambeau.ones(2, 3), flambeau.ones(3))
    tensor([3., 3.])
    """
    a, b = input.shape, other.shape
    check(
        a and b,
        lambda: (
            f"both arguments to matmul need to be at least 1D, but they are {len(a)}D and {len(b)}D"
        ),
    )
    inner = b[-2] if len(b) > 1 else b[0]
    if a[-1] != inner:
        if len(a) == len(b) == 1:
            raise RuntimeError(
                f"inconsistent tensor size, expected tensor {list(a)} and src {list(b)} to have the same number of elements, but got {a[0]} and {b[0]} elements respectively"
            )
        if len(a) == 2 and len(b) == 2:
            raise RuntimeError(
                f"mat1 and mat2 shapes cannot be multiplied ({a[0]}x{a[1]} and {b[0]}x{b[1]})"
            )
        raise RuntimeError(
            f"matmul: inner sizes differ: {input} @ {other}; expected the last size of a to equal the second-last of b"
        )
    batch = broadcast_shapes(a[:-2], b[:-2])
    return input.like((*batch, *a[-2:-1], *(b[-1:] if len(b) > 1 else ())))


@matmul.kernel
def _(xp, a, b):
    if (
        0 < a.ndim < 3 > b.ndim > 0
        and a.dtype is b.dtype
        and a.dtype.char in "fd"
        and a.ndim + b.ndim > 2
    ):
        return a.dot(b)  # half of what `matmul` itself costs; of two vectors it is no array
    if (
        a.ndim > 2 and b.ndim == 2 and a.flags.c_contiguous and a.size
    ):  # one large product instead of many
        return _narrowed(xp.matmul(a.reshape(-1, a.shape[-1]), b), a).reshape(
            *a.shape[:-1], b.shape[-1]
        )
    return _narrowed(xp.matmul(a, b), a)


def _narrowed(out, a):
    """NumPy multiplies bfloat16 matrices in float32, and leaves the result so."""
    return out if out.dtype is a.dtype else out.astype(a.dtype)


@matmul.vjp
def _(g, _out, a, b):
    if g.dtype.is_complex:  # gradients of complex numbers pull back through the conjugate
        a, b = a.conj(), b.conj()

    def to_a():
        if g.ndim == a.ndim == b.ndim == 2:
            return linear(g, b)
        if b.ndim == 1:
            return g.unsqueeze(-1) * b if a.ndim > 1 else g * b
        left = g.unsqueeze(-2) if a.ndim == 1 else g
        out = left @ b.mT
        return _fit(out.squeeze(-2) if a.ndim == 1 else out, a)

    def to_b():
        if g.ndim == a.ndim == b.ndim == 2:
            return matmul_tn(a, g)
        if a.ndim == 1:
            return _fit(a.unsqueeze(-1) * g.unsqueeze(-2) if b.ndim > 1 else g * a, b)
        right = g.unsqueeze(-1) if b.ndim == 1 else g
        if a.ndim > 2 and b.ndim <= 2:
            out = _rows(a).mT @ _rows(right)
        else:
            out = a.mT @ right
        return _fit(out.squeeze(-1) if b.ndim == 1 else out, b)

    return to_a, to_b


def _rows(x: Any) -> Any:
    """All rows as one matrix; not by -1, which says nothing about rows without elements."""
    n = 1
    for s in x.shape[:-1]:
        n *= s
    return x.reshape(n, x.shape[-1])


def _fit(g: Tensor, like: Tensor) -> Tensor:
    return g if g.shape == like.shape else g.sum_to_size(like.shape)


@matmul.batch
def _(size, batched, a, b):
    ba, bb = batched
    la, lb = a.ndim - ba, b.ndim - bb
    if la == 1 and ba:
        a = a.unsqueeze(-2)
    if lb == 1 and bb:
        b = b.unsqueeze(-1)
    rank = max(la, lb, 2)
    if ba:
        a = a.reshape(size, *[1] * (rank - (a.ndim - 1)), *a.shape[1:])
    if bb:
        b = b.reshape(size, *[1] * (rank - (b.ndim - 1)), *b.shape[1:])
    out = matmul(a, b)
    if lb == 1 and bb:
        out = out.squeeze(-1)
    if la == 1 and ba:
        out = out.squeeze(-1 if lb == 1 else -2)
    return out


@composite
def adjoint(input: Tensor):
    """The last two dimensions swapped, and conjugated.

    >>> import flambeau
    >>> flambeau.adjoint(flambeau.tensor([[1.0, 2j]]))
    tensor([[1.-0.j],
            [0.-2.j]])
    """
    if input.ndim < 2:
        raise RuntimeError(
            "tensor.adjoint() is only supported on matrices or batches of matrices. "
            f"Got {input.ndim}-D tensor."
        )
    return input.mT.conj() if input.is_complex() else input.mT


@composite
def mm(input: Tensor, mat2: Tensor):
    """Product of two matrices.

    >>> import flambeau
    >>> flambeau.mm(flambeau.ones(2, 3), flambeau.ones(3, 1)).shape
    flambeau.Size([2, 1])
    """
    check(input.ndim == 2, lambda: "self must be a matrix")
    check(mat2.ndim == 2, lambda: "mat2 must be a matrix")
    return matmul(input, mat2)


def _product(xp: Any, a: Any, b: Any, *ranks: int) -> Any:
    """The product of small raw arrays of these ranks and of one usual float dtype; NotImplemented for others."""
    if (a.ndim, b.ndim) != ranks or a.dtype is not b.dtype or a.dtype.char not in "fd":
        return NotImplemented
    return a.dot(b) if ranks[0] < 3 else xp.matmul(a, b)


@mm.small
def _(xp, a, b):
    return _product(xp, a, b, 2, 2)


@mm.small_vjp
def _(g, _out, a, b):
    return lambda: g @ b.mT, lambda: a.mT @ g


@composite
def bmm(input: Tensor, mat2: Tensor):
    """Products of two batches of matrices.

    >>> import flambeau
    >>> flambeau.bmm(flambeau.ones(4, 2, 3), flambeau.ones(4, 3, 1)).shape
    flambeau.Size([4, 2, 1])
    """
    check(input.ndim == 3, lambda: "batch1 must be a 3D tensor")
    check(mat2.ndim == 3, lambda: "batch2 must be a 3D tensor")
    check(
        input.shape[0] == mat2.shape[0] and input.shape[2] == mat2.shape[1],
        lambda: (
            "Expected size for first two dimensions of batch2 tensor to be: "
            f"[{input.shape[0]}, {input.shape[2]}] but got: [{mat2.shape[0]}, {mat2.shape[1]}]."
        ),
    )
    return matmul(input, mat2)


@bmm.small
def _(xp, a, b):
    return _product(xp, a, b, 3, 3) if a.shape[0] == b.shape[0] else NotImplemented


@bmm.small_vjp
def _(g, _out, a, b):
    return lambda: g @ b.mT, lambda: a.mT @ g


@composite
def mv(input: Tensor, vec: Tensor):
    """Product of a matrix and a vector.

    >>> import flambeau
    >>> flambeau.mv(flambeau.ones(2, 3), flambeau.ones(3))
    tensor([3., 3.])
    """
    check(
        input.ndim == 2 and vec.ndim == 1,
        lambda: f"vector + matrix @ vector expected, got {vec.ndim}, {input.ndim}, {vec.ndim}",
    )
    return matmul(input, vec)


@mv.small
def _(xp, a, b):
    return _product(xp, a, b, 2, 1)


@composite
def dot(input: Tensor, tensor: Tensor):
    """Product of two vectors.

    >>> import flambeau
    >>> flambeau.dot(flambeau.tensor([1.0, 2.0]), flambeau.tensor([3.0, 4.0]))
    tensor(11.)
    """
    check(
        input.ndim == 1 and tensor.ndim == 1,
        lambda: f"1D tensors expected, but got {input.ndim}D and {tensor.ndim}D tensors",
    )
    return matmul(input, tensor)


@dot.small
def _(xp, a, b):
    return _product(xp, a, b, 1, 1)


@composite
def outer(input: Tensor, vec2: Tensor):
    """All products of elements of two vectors.

    >>> import flambeau
    >>> flambeau.outer(flambeau.tensor([1, 2]), flambeau.tensor([3, 4]))
    tensor([[3, 4],
            [6, 8]])
    """
    check(input.ndim == 1 and vec2.ndim == 1, lambda: "outer: Expected 1-D arguments")
    return input.unsqueeze(1) * vec2


@outer.small
def _(xp, a, b):
    if a.ndim != 1 or b.ndim != 1 or a.dtype is not b.dtype or a.dtype.char not in "fd":
        return NotImplemented
    if a.size * b.size > 1 << 15:  # on all cores
        return NotImplemented
    return a[:, None] * b


def mixed(name: str, input: Tensor, product: Any, factors: tuple, beta: Any, alpha: Any) -> Tensor:
    """beta * input + alpha * product(*factors), in one dtype: numbers are cut to integers beside integers.

    Floats of two bytes are multiplied and added in float32 and rounded once. Of bools sums are "or", products "and".
    """
    kind = factors[0].dtype
    if input.dtype is not kind:
        raise RuntimeError(
            f"{name}: self and the factors must have the same dtype, but got {input.dtype} and {kind}"
        )
    for number in (beta, alpha):
        check_fits(number, computed(kind))
    if kind.category < FLOAT:
        if kind is bool_:
            made = product(*factors) & bool(alpha)
            return made if not beta else made | input
        beta, alpha = int(beta), int(alpha)
    elif kind.itemsize == 2:
        wide = mixed(name, input.float(), product, tuple(f.float() for f in factors), beta, alpha)
        return wide.to(kind)
    made = product(*factors)
    made = made if alpha == 1 else made * alpha
    if tuple(input.shape) != tuple(made.shape):
        input = input.expand(made.shape)
    if beta == 0:
        if input.requires_grad:  # a gradient of zeros, not none
            return made + input.masked_fill(input.new_ones((), dtype=bool_), 0)
        return made
    return made + (input if beta == 1 else input * beta)


@composite
def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1):
    """beta * input + alpha * (mat1 @ mat2).

    >>> import flambeau
    >>> flambeau.addmm(flambeau.ones(1), flambeau.ones(2, 3), flambeau.ones(3, 2))
    tensor([[4., 4.],
            [4., 4.]])
    """
    return mixed("addmm", input, mm, (mat1, mat2), beta, alpha)


def _mixed(xp: Any, x: Any, product: Any, beta: Any, alpha: Any) -> Any:
    """`mixed` on small raw arrays, the product made; NotImplemented unless both numbers are 1."""
    if product is NotImplemented or x.dtype is not product.dtype or x.ndim > product.ndim:
        return NotImplemented
    if type(beta) is not int or type(alpha) is not int or beta != 1 or alpha != 1:
        return NotImplemented
    return xp.add(x, product, product)  # an error where `x` is larger


def _mixed_vjp(g: Any, x: Meta, a: Any, b: Any) -> tuple:
    return (
        lambda: g if g.shape == x.shape else g.sum_to_size(x.shape),
        lambda: g @ b.mT,
        lambda: a.mT @ g,
    )


@addmm.small
def _(xp, x, a, b, *, beta, alpha):
    return _mixed(xp, x, _product(xp, a, b, 2, 2), beta, alpha)


@addmm.small_vjp
def _(g, _out, x: Meta, a, b):
    return _mixed_vjp(g, x, a, b)


@composite
def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1):
    """beta * input + alpha * (batch1 @ batch2).

    >>> import flambeau
    >>> flambeau.baddbmm(flambeau.zeros(1), flambeau.ones(1, 2, 3), flambeau.ones(1, 3, 1)).shape
    flambeau.Size([1, 2, 1])
    """
    return mixed("baddbmm", input, bmm, (batch1, batch2), beta, alpha)


@baddbmm.small
def _(xp, x, a, b, *, beta, alpha):
    if a.shape[0] != b.shape[0]:
        return NotImplemented
    return _mixed(xp, x, _product(xp, a, b, 3, 3), beta, alpha)


@baddbmm.small_vjp
def _(g, _out, x: Meta, a, b):
    return _mixed_vjp(g, x, a, b)


@primitive(promote=SAME_REQUIRED, bilinear=("input", "other"), method=False, hot=True)
def matmul_tn(input: Meta, other: Meta):
    """input.T @ other of two matrices: what gradients of products are made of, without a view in between.

    >>> import flambeau
    >>> flambeau.ops.matrix.matmul_tn(flambeau.ones(3, 2), flambeau.ones(3, 1))
    tensor([[3.],
            [3.]])
    """
    check(
        input.ndim == other.ndim == 2 and input.shape[0] == other.shape[0],
        lambda: f"matmul_tn: expected matrices with as many rows each, but got {input} and {other}",
    )
    return input.like((input.shape[1], other.shape[1]))


@matmul_tn.kernel
def _(xp, a, b):
    if a.dtype is b.dtype and a.dtype.char in "fd":
        return a.T.dot(b)
    return _narrowed(xp.matmul(a.T, b), a)


@matmul_tn.vjp
def _(g, _out, a, b):
    if g.dtype.is_complex:
        a, b = a.conj(), b.conj()
    return lambda: linear(b, g), lambda: matmul(a, g)


@matmul_tn.batch
def _(size, batched, a, b):
    return matmul(a.mT, b)


@matmul_tn.onnx
def _(builder, a, b):
    return builder.node("MatMul", [builder.node("Transpose", [a], perm=[1, 0]), b])


def _rows_or_vector(op: Operator, arrays: tuple, attrs: dict) -> tuple:
    """As SAME_REQUIRED; beside a vector a bias of one row is that row, as it is in PyTorch."""
    x, weight, bias = SAME_REQUIRED(op, arrays, attrs)
    if bias is not None and x.ndim == 1 and bias.ndim == 2 and bias.shape[0] == 1:
        bias = bias.reshape(-1)
    return x, weight, bias


@primitive(promote=_rows_or_vector, method=False, hot=True)
def linear(input: Meta, weight: Meta, bias: Meta | None = None):
    """input @ weight.T + bias: the affine map of `nn.Linear`. weight has shape (out, in), input (..., in).

    A primitive, because a product, a transpose and a sum of their own would cost three calls each way.

    >>> import flambeau
    >>> flambeau.nn.functional.linear(flambeau.ones(2, 3), flambeau.ones(4, 3)).shape
    flambeau.Size([2, 4])
    """
    check(
        input.ndim and weight.ndim in (1, 2),
        lambda: (
            f"linear: expected input (..., in) and weight (out, in), but got {input} and {weight}"
        ),
    )
    rows = 1
    for n in input.shape[:-1]:
        rows *= n
    check(
        input.shape[-1] == weight.shape[-1],
        lambda: (
            f"mat1 and mat2 shapes cannot be multiplied ({rows}x{input.shape[-1]} and "
            f"{'x'.join(map(str, reversed(weight.shape)))})"
        ),
    )
    out = input.like((*input.shape[:-1], *weight.shape[:-1]))
    check(
        bias is None or bias.ndim <= out.ndim,
        lambda: (
            f"linear: expected a bias that expands to {list(out.shape)}, but got {list(bias.shape)}: the number of "  # type: ignore[union-attr]
            "sizes must be greater or equal to the number of dimensions in the tensor"
        ),
    )
    for i, n in enumerate(reversed(() if bias is None else bias.shape)):
        check(
            n in (1, out.shape[-1 - i]),
            lambda: (
                f"The expanded size of the tensor ({out.shape[-1 - i]}) must match the existing size ({n}) at "
                f"non-singleton dimension {out.ndim - 1 - i}.  Target sizes: {list(out.shape)}.  Tensor sizes: "
                f"{list(bias.shape)}"  # type: ignore[union-attr]
            ),
        )
    return out


@linear.kernel
def _(xp, x, w, b):
    if x.ndim > 2 and w.ndim == 2:  # one large product instead of many
        out = xp.matmul(_rows(x), w.T).reshape(*x.shape[:-1], w.shape[0])
    elif x.ndim == w.ndim == 2 and x.dtype is w.dtype and x.dtype.char in "fd":
        out = x.dot(w.T)
    else:
        out = xp.matmul(x, w.T)
    if b is None:
        return _narrowed(out, x)
    if out.dtype is not x.dtype:  # bfloat16: product and sum are in float32, and rounded once
        return (out + b).astype(x.dtype)
    if out.shape[-1:] != b.shape:
        both = out + b
        if both.shape != out.shape:
            raise ValueError("a bias of another shape")  # the shape rule says which
        return both
    out += b
    return out


@linear.vjp
def _(g, _out, x, w, b: Meta):
    if g.dtype.is_complex:
        x, w = x.conj(), w.conj()
    if w.ndim == 1:
        return (
            lambda: g.unsqueeze(-1) * w,
            lambda: (g.unsqueeze(-1) * x).sum_to_size(w.shape),
            lambda: g.sum_to_size(b.shape),
        )

    def to_weight():
        if x.ndim == 1:
            return g.unsqueeze(-1) * x
        return matmul_tn(g if g.ndim == 2 else _rows(g), x if x.ndim == 2 else _rows(x))

    return lambda: matmul(g, w), to_weight, lambda: g.sum_to_size(b.shape)


@linear.jvp
def _(tangents, out, x, w, b):
    tx, tw, tb = tangents
    parts = [linear(tx, w)] if tx is not None else []
    if tw is not None:
        parts.append(linear(x, tw))
    if tb is not None:
        parts.append(tb.expand(out.shape))
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


@linear.batch
def _(size, batched, x, w, b):
    if not batched[1] and not (b is not None and batched[2]):
        return linear(x, w, b)
    inner = x.shape[1:-1] if batched[0] else x.shape[:-1]
    count = 1
    for n in inner:
        count *= n
    rows = x.reshape(size if batched[0] else 1, count, x.shape[-1])
    vector = w.ndim - batched[1] == 1
    columns = w.unsqueeze(-1) if vector else w.mT
    out = matmul(rows, columns).expand(size, -1, -1)
    if b is not None:
        out = out + (b.reshape(size, 1, -1) if batched[2] else b)
    return out.reshape(size, *inner) if vector else out.reshape(size, *inner, out.shape[-1])


@linear.onnx
def _(builder, x, w, b):
    ranks = [0 if t is None else len(builder.metas[t].shape) for t in (x, w, b)]
    if ranks[:2] == [2, 2] and ranks[2] < 2 and builder.metas[x].dtype.is_floating_point:
        return builder.node("Gemm", [x, w] if b is None else [x, w, b], transB=1)
    out = builder.node("MatMul", [x, w if ranks[1] == 1 else builder.transposed(w)])
    return out if b is None else builder.node("Add", [out, b])
