"""Linear algebra beside PyTorch 2.13: values, gradients of any cotangent, errors word for word, products of every dtype."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
import torch

import flambeau

pytestmark = pytest.mark.filterwarnings("ignore")  # PyTorch's about what is deprecated
INF = float("inf")
DRAW = np.random.default_rng(0)


def draw(*shape, kind="f8"):
    x = DRAW.standard_normal(shape)
    return (x + 1j * DRAW.standard_normal(shape) if kind[0] == "c" else x).astype(kind)


def good(*shape, kind="f8"):
    """Far from singular."""
    return draw(*shape, kind=kind) * 0.3 + 2 * np.eye(shape[-2], shape[-1]).astype(kind)


def positive(*shape, kind="f8"):
    x = good(*shape, kind=kind)
    return x @ np.swapaxes(x, -1, -2).conj()


def triangle(*shape, kind="f8"):
    return np.tril(good(*shape, kind=kind))


def tensors(lib, arrays, grad):
    return [lib.tensor(a).requires_grad_(grad and a.dtype.kind in "fc") for a in arrays]


def parts(made):
    return [made] if hasattr(made, "requires_grad") else list(made)


def value(t):
    t = t.detach()
    return t.resolve_conj().resolve_neg().numpy() if isinstance(t, torch.Tensor) else t.numpy()


def compare(call, *arrays, grad=True, rtol=1e-8, atol=1e-9):
    """`call(lib, *tensors)` with both libraries: results, dtypes, and gradients of a cotangent by chance."""
    made = {}
    for lib in (torch, flambeau):
        given = tensors(lib, arrays, grad)
        outs = [o for o in parts(call(lib, *given)) if o is not None]
        roots = [o for o in outs if grad and o.requires_grad]
        seeds = [lib.tensor(np.cos(np.arange(value(o).size) * 1.7).reshape(o.shape)).to(o.dtype) for o in roots]  # fmt: skip
        pulled = (
            lib.autograd.grad(
                roots, [g for g in given if g.requires_grad], seeds, allow_unused=True
            )
            if roots
            else []
        )
        made[lib] = outs, pulled
    for theirs, ours in zip(
        *(itertools.chain(*made[lib]) for lib in (torch, flambeau)), strict=True
    ):
        assert (theirs is None) == (ours is None)
        if theirs is not None:
            assert str(theirs.dtype).split(".")[1] == ours.dtype.name
            assert tuple(theirs.shape) == tuple(ours.shape)
            np.testing.assert_allclose(value(ours), value(theirs), rtol=rtol, atol=atol)


SQUARES = [good(3, 3), good(2, 3, 3), good(3, 3, kind="c16")]
SHAPES = [*SQUARES, draw(4, 2), draw(2, 2, 4), draw(4, 2, kind="c16"), draw(2, 4, kind="c16")]


@pytest.mark.parametrize("name", ["inv", "det", "slogdet", "eigvals", "matrix_exp", "pinv"])
@pytest.mark.parametrize("a", SQUARES, ids=["one", "batch", "complex"])
def test_squares(name, a):
    if name == "eigvals":  # in no particular order: what does not depend on it
        compare(lambda lib, x: lib.linalg.eigvals(x).abs().square().sum(-1), a)
    else:
        compare(lambda lib, x: getattr(lib.linalg, name)(x), a)


@pytest.mark.parametrize("a", SHAPES, ids=range(len(SHAPES)))
def test_rectangles(a):
    compare(lambda lib, x: lib.linalg.pinv(x), a)
    compare(lambda lib, x: lib.linalg.svdvals(x), a)
    compare(lambda lib, x: lib.linalg.lu(x), a)
    compare(lambda lib, x: lib.linalg.lu_factor_ex(x), a)
    compare(lambda lib, x: lib.linalg.qr(x), a)
    compare(lambda lib, x: lib.linalg.qr(x, mode="complete"), a, grad=a.shape[-2] <= a.shape[-1])
    compare(lambda lib, x: lib.geqrf(x), a, grad=False)
    compare(lambda lib, x: lib.linalg.svd(x).S, a)
    compare(lambda lib, x: lib.linalg.matrix_rank(x), a, grad=False)
    if a.shape[-2] >= a.shape[-1]:
        tau = draw(*a.shape[:-2], a.shape[-1], kind=a.dtype.str[1:])
        compare(lambda lib, x, t: lib.linalg.householder_product(x, t), a, tau)


@pytest.mark.parametrize("kind", ["f8", "c16"])
def test_factors_of_hermitian_matrices(kind):
    a = positive(2, 3, 3, kind=kind)
    b = draw(2, 3, 2, kind=kind)
    for upper in (False, True):
        compare(lambda lib, x, upper=upper: lib.linalg.cholesky(x, upper=upper), a)
        factor = np.linalg.cholesky(a)
        factor = np.swapaxes(factor, -1, -2).conj() if upper else factor
        compare(lambda lib, x, y, upper=upper: lib.cholesky_solve(y, x, upper=upper), factor, b)
        compare(lambda lib, x, upper=upper: lib.cholesky_inverse(x, upper=upper), factor)
    for hermitian in (False, True):
        s = a if hermitian or kind == "f8" else a + np.swapaxes(a, -1, -2)
        compare(lambda lib, x, h=hermitian: lib.linalg.ldl_factor(x, hermitian=h), s, grad=False)
    compare(lambda lib, x: lib.linalg.eigh(x).eigenvalues, a)
    compare(lambda lib, x: lib.linalg.eigh(x).eigenvectors.abs().square(), a)
    compare(lambda lib, x: lib.linalg.eigvalsh(x, UPLO="U"), a)
    compare(lambda lib, x: lib.linalg.pinv(x, hermitian=True), a)


@pytest.mark.parametrize("kind", ["f8", "c16"])
def test_equations(kind):
    a, b = good(2, 3, 3, kind=kind), draw(2, 3, 2, kind=kind)
    wide = np.swapaxes(b, -1, -2).copy()
    compare(lambda lib, x, y: lib.linalg.solve(x, y), a, b)
    compare(lambda lib, x, y: lib.linalg.solve(x, y, left=False), a, wide)
    compare(lambda lib, x, y: lib.linalg.solve(x, y), a, draw(2, 3, kind=kind))
    compare(lambda lib, x, y: lib.linalg.solve(x, y), a[0], draw(3, kind=kind))
    for upper, unit in itertools.product((False, True), repeat=2):
        options = {"upper": upper, "unitriangular": unit}
        t = np.triu(a) if upper else np.tril(a)
        compare(lambda lib, x, y, o=options: lib.linalg.solve_triangular(x, y, **o), t, b)
        compare(
            lambda lib, x, y, o=options: lib.linalg.solve_triangular(x, y, left=False, **o), t, wide
        )
        compare(lambda lib, x, y, o=options: lib.triangular_solve(y, x, transpose=True, **o), t, b)
    pivots = np.array([[2, 3, 3], [1, 3, 3]], dtype=np.int32)
    for left, adjoint in itertools.product((False, True), repeat=2):
        compare(
            lambda lib, x, p, y, left=left, adjoint=adjoint: lib.linalg.lu_solve(x, p, y, left=left, adjoint=adjoint),
            a, pivots, b if left else wide,
        )  # fmt: skip
    compare(lambda lib, x, p: lib.lu_unpack(x, p), a, pivots)
    for driver in ("gels", "gelsy", "gelsd", "gelss"):
        compare(
            lambda lib, x, y, d=driver: lib.linalg.lstsq(x, y, driver=d),
            b,
            draw(2, 3, 4, kind=kind),
        )
        compare(
            lambda lib, x, y, d=driver: lib.linalg.lstsq(x, y, driver=d),
            wide,
            draw(2, 2, 4, kind=kind),
        )
    compare(lambda lib, x: lib.linalg.tensorinv(x, 1), good(4, 4, kind=kind).reshape(4, 2, 2))
    compare(
        lambda lib, x, y: lib.linalg.tensorsolve(x, y),
        good(4, 4, kind=kind).reshape(2, 2, 4),
        draw(2, 2, kind=kind),
    )
    reflectors, tau, c = draw(2, 3, 2, kind=kind), draw(2, 2, kind=kind), draw(2, 3, 3, kind=kind)
    for left, transpose in itertools.product((False, True), repeat=2):
        compare(
            lambda lib, x, t, y, left=left, transpose=transpose: lib.ormqr(x, t, y, left, transpose),
            reflectors, tau, c,
        )  # fmt: skip


NORMS = [0, 1, 2, 3, 0.5, -1, -2.5, INF, -INF]


@pytest.mark.parametrize("ord", NORMS)
@pytest.mark.parametrize("kind", ["f8", "c16"])
def test_vector_norms(ord, kind):
    x = draw(3, 4, kind=kind)
    x[0, 1] = x[2] = 0  # where subgradients are chosen
    zero = x * 0
    tied = np.sign(x.real).astype(kind)
    for a in (x, zero, tied) if ord >= 0 else (draw(3, 4, kind=kind),):
        compare(lambda lib, t: lib.linalg.vector_norm(t, ord), a)
        compare(lambda lib, t: lib.linalg.vector_norm(t, ord, 1, True), a)
        compare(lambda lib, t: lib.norm(t, ord, (0, 1)), a)
        compare(lambda lib, t: lib.linalg.norm(t, ord, 0), a)
    compare(lambda lib, t, u: lib.dist(t, u, ord), draw(3), draw(3), grad=ord != 0)


@pytest.mark.parametrize("ord", ["fro", "nuc", 1, -1, 2, -2, INF, -INF])
def test_matrix_norms_and_conditions(ord):
    for a in (good(3, 3), good(2, 3, 3), good(3, 3, kind="c16")):
        compare(lambda lib, t: lib.linalg.matrix_norm(t, ord), a)
        compare(lambda lib, t: lib.linalg.matrix_norm(t, ord, (-1, 0), True), a)
        # By inverses PyTorch fails in its own backward: "modified by an inplace operation".
        compare(lambda lib, t: lib.linalg.cond(t, ord), a, grad=ord in (2, -2))
        if a.ndim == 2:
            compare(lambda lib, t: lib.linalg.norm(t, ord), a)
    if isinstance(ord, str):
        compare(lambda lib, t: lib.norm(t, ord), draw(3, 2))
        compare(lambda lib, t: lib.norm(t, ord, (0, 2)), draw(3, 2, 3))


SINGULAR = np.array([[1.0, 2], [2, 4]])
FEW, V, E = draw(3, 2), draw(3), np.eye(3)
ONES = np.ones((2, 2))
BATCH = np.stack([np.eye(2), SINGULAR])
WRONG = {
    f"{name} {label}": (lambda lib, x, name=name: getattr(lib.linalg, name)(x), x)
    for name in (
        "inv", "det", "slogdet", "cholesky", "eigh", "eigvalsh", "eig", "eigvals", "pinv", "svd", "svdvals", "qr", "lu_factor",
        "matrix_exp",
    )
    for label, x in {
        "few": FEW, "vector": V, "ints": np.eye(2, dtype=int), "singular": SINGULAR, "batch": BATCH, "negative": -E,
    }.items()
}  # fmt: skip
WRONG |= {
    "solve": (lambda lib, x: lib.linalg.solve(x, lib.ones(2, dtype=lib.float64)), SINGULAR),
    "solve batch": (lambda lib, x: lib.linalg.solve(x, lib.ones(2, 2, dtype=lib.float64)), BATCH),
    "solve shapes": (lambda lib, x: lib.linalg.solve(x, lib.ones(2, 2, dtype=lib.float64)), E),
    "solve right": (lambda lib, x: lib.linalg.solve(x, lib.ones(2, 2, dtype=lib.float64), left=False), E),
    "solve dtypes": (lambda lib, x: lib.linalg.solve(x, lib.ones(3, 2)), E),
    "inv_ex": (lambda lib, x: lib.linalg.inv_ex(x, check_errors=True), SINGULAR),
    "cholesky_ex": (lambda lib, x: lib.linalg.cholesky_ex(x, check_errors=True), -E),
    "lu_factor": (lambda lib, x: lib.linalg.lu_factor(x), ONES * 0),
    "lu_factor_ex": (lambda lib, x: lib.linalg.lu_factor_ex(x, check_errors=True), ONES),
    "lu": (lambda lib, x: lib.linalg.lu(x, pivot=False), E),
    "triangular few": (lambda lib, x: lib.linalg.solve_triangular(x, x, upper=True), FEW),
    "triangular vector": (lambda lib, x: lib.linalg.solve_triangular(x, x[0], upper=True), E),
    "triangular upper": (lambda lib, x: lib.linalg.solve_triangular(x, x), E),
    "lstsq vector": (lambda lib, x: lib.linalg.lstsq(x, x), V),
    "lstsq driver": (lambda lib, x: lib.linalg.lstsq(x, x, driver="x"), E),
    "lstsq shapes": (lambda lib, x: lib.linalg.lstsq(x, x.mT), FEW),
    "qr": (lambda lib, x: lib.linalg.qr(x, mode="x"), FEW),
    "householder": (lambda lib, x: lib.linalg.householder_product(x.mT, x[0]), FEW),
    "tensorinv": (lambda lib, x: lib.linalg.tensorinv(x, 1), FEW),
    "multi_dot": (lambda lib, x: lib.linalg.multi_dot([x, x]), FEW),
    "cond": (lambda lib, x: lib.linalg.cond(x, 5), E),
    "matrix_norm": (lambda lib, x: lib.linalg.matrix_norm(x, "x"), E),
    "cholesky_solve": (lambda lib, x: lib.cholesky_solve(x, lib.ones(2, 2, dtype=x.dtype)), FEW),
    "lu_solve": (lambda lib, x: lib.lu_solve(x, x, x[0]), E),
    "adjoint": (lambda lib, x: lib.adjoint(x), V),
    "mH": (lambda lib, x: x.mH, V),
    "H": (lambda lib, x: x.H, V),
    "renorm": (lambda lib, x: lib.renorm(x, 2, 0, -1.0), E),
    "cross": (lambda lib, x: lib.linalg.cross(x, x[0]), E),
    "vander": (lambda lib, x: lib.linalg.vander(x, N=1), V),
    "cdist": (lambda lib, x: lib.cdist(x, x, p=-1.0), E),
    "einsum": (lambda lib, x: lib.einsum("ij,jk->ikk", x, x), E),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_errors_word_for_word(name):
    call, array = WRONG[name]
    texts = []
    for lib in (torch, flambeau):
        try:
            call(lib, lib.tensor(array))
            texts.append(None)
        except Exception as error:  # whatever it is, it is compared
            kind = type(error).__name__.strip("_")
            texts.append((kind, str(error).replace("positional arguments", "positional argument")))
    if name == "triangular upper":  # Python's wording of a missing argument
        assert texts[0][0] == texts[1][0] == "TypeError"
    elif texts[0] is not None and texts[0][1].startswith("Unknown Complex"):
        assert texts[1] is not None  # PyTorch's has no word on what was wrong
    else:
        assert texts[1] == texts[0]


@pytest.mark.parametrize("kind", ["int64", "bool", "bfloat16", "float32", "complex64"])
@pytest.mark.parametrize("name", ["addmm", "addmv", "addbmm", "baddbmm", "addr"])
def test_sums_with_products(name, kind):
    shapes = {
        "addmm": ((2, 3), (2, 4), (4, 3)), "addmv": ((2,), (2, 4), (4,)), "addr": ((2, 3), (2,), (3,)),
        "addbmm": ((2, 3), (5, 2, 4), (5, 4, 3)), "baddbmm": ((5, 2, 3), (5, 2, 4), (5, 4, 3)),
    }  # fmt: skip
    if kind == "bool" and name != "addr":
        pytest.skip("PyTorch has none")
    arrays = [DRAW.integers(-4, 5, s) for s in shapes[name]]
    for factors in ({}, {"beta": 2, "alpha": 3}, {"beta": 0}, {"beta": 0.5, "alpha": 0.6}):
        if kind in ("int64", "bool") and 0.5 in factors.values():
            continue
        both = []
        for lib in (torch, flambeau):
            given = [lib.tensor(a).to(getattr(lib, kind)) for a in arrays]
            made = getattr(lib, name)(*given, **factors)
            twin = getattr(given[0].clone(), name + "_")(*given[1:], **factors)
            assert (twin == made).all()
            assert made.dtype is given[0].dtype
            both.append(value(made.to(lib.complex128)))
        # PyTorch rounds factors and sums to bfloat16 on the way, here only the result is.
        rough = {"rtol": 3e-2, "atol": 0.2} if kind == "bfloat16" else {"rtol": 1e-6, "atol": 1e-6}
        np.testing.assert_allclose(both[1], both[0], **rough)


def test_einsum_by_chance():
    chance = random.Random(0)
    letters = "abcdeAB"
    for _ in range(150):
        size = {n: chance.choice([1, 2, 3]) for n in letters}
        specs, arrays = [], []
        for _ in range(chance.randint(1, 5)):
            names = [chance.choice(letters) for _ in range(chance.randint(0, 3))]
            shape = [1 if names.count(n) == 1 and chance.random() < 0.1 else size[n] for n in names]
            if chance.random() < 0.3:
                at = chance.randint(0, len(names))
                names[at:at], shape[at:at] = ["..."], [2, 3][chance.randint(0, 2) :]
            specs.append("".join(names))
            arrays.append(draw(*shape))
        equation = ",".join(specs)
        used = sorted(set(equation) - set(".,"))
        if chance.random() < 0.7:
            dots = "..." if "..." in equation else ""
            equation += "->" + dots + "".join(chance.sample(used, chance.randint(0, len(used))))
        compare(lambda lib, *t, e=equation: lib.einsum(e, *t), *arrays)


def test_einsum_sublists():
    a, b = draw(2, 3), draw(3, 4)
    compare(lambda lib, x, y: lib.einsum(x, [0, 1], y, [1, 30], [30, 0]), a, b)
    compare(lambda lib, x, y: lib.einsum(x, [0, 30], y, [30, 1]), a, b)
    compare(lambda lib, x: lib.einsum(x, [..., 0], [0, ...]), a)


@pytest.mark.parametrize("p", [0.0, 1.0, 2.0, 2.5, INF])
@pytest.mark.parametrize("rows", [3, 40])
def test_cdist(p, rows):
    a = draw(2, rows, 4)
    compare(lambda lib, x, y: lib.cdist(x, y, p), a, draw(5, 4), atol=1e-7)
    mode = "donot_use_mm_for_euclid_dist"
    compare(lambda lib, x: lib.cdist(x, x, p, compute_mode=mode), a[:, :3])


def test_other_products():
    w, f = DRAW.random(5) + 0.1, DRAW.integers(1, 4, 5)
    x = draw(3, 5)
    compare(lambda lib, t: lib.cov(t), x)
    compare(lambda lib, t, w: lib.cov(t, aweights=w), x, w)
    compare(lambda lib, t, w, f: lib.cov(t, correction=0, fweights=f, aweights=w), x, w, f)
    compare(lambda lib, t: lib.cov(t), draw(3, 5, kind="c16"))
    compare(lambda lib, t: lib.corrcoef(t), x)
    compare(lambda lib, t: lib.renorm(t, 3, 1, 1.2), x)
    compare(lambda lib, t: lib.linalg.vander(t, N=4), x)
    compare(lambda lib, t: lib.vander(t[0], 3, True), x, grad=False)  # PyTorch's own fails
    compare(lambda lib, t, u: lib.tensordot(t, u, ([0], [2])), draw(1, 3), draw(2, 2, 4))
    compare(lambda lib, t, u: lib.tensordot(t, u, ([0, 1], [0, 1])), draw(3, 1, 2), draw(3, 4))
    compare(lambda lib, t, u: lib.cross(t, u), draw(2, 3), draw(2, 3))
    compare(
        lambda lib, t, u: lib.linalg.vecdot(t, u, dim=0),
        draw(2, 3, kind="c16"),
        draw(2, 3, kind="c16"),
    )
    compare(lambda lib, t, u: lib.matmul(t, u), np.zeros((2, 3, 0)), np.zeros((0, 4)))
    compare(lambda lib, t, u: lib.matmul(t, u), np.zeros((0, 3, 2)), draw(2, 4))
    compare(lambda lib, t, u: lib.nn.functional.linear(t, u), np.zeros((2, 3, 0)), np.zeros((4, 0)))
    compare(lambda lib, t: lib.matrix_power(t, 0), good(3, 3))
    compare(lambda lib, t: lib.matrix_power(t, -5), good(3, 3))
    compare(lambda lib, t: lib.chain_matmul(t, t.mT, t), x)
