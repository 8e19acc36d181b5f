"""Sparse tensors by themselves: derivatives of all orders, transforms, kernels in pieces, refusals."""

from __future__ import annotations

import copy
import io
import pickle

import numpy as np
import pytest

import flambeau
from flambeau import sparse
from flambeau.autograd import gradcheck, gradgradcheck
from flambeau.ops import grouping

check = sparse.as_sparse_gradcheck(gradcheck)
check_twice = sparse.as_sparse_gradcheck(gradgradcheck)


def matrix(*shape, density=0.5, dtype=flambeau.float64):
    x = flambeau.randn(*shape, dtype=dtype)
    return x * (flambeau.rand(*shape) < density)


def leaf(layout, *shape, **options):
    return matrix(*shape).to_sparse(layout=layout, **options).requires_grad_()


COO, CSR, CSC = flambeau.sparse_coo, flambeau.sparse_csr, flambeau.sparse_csc
DENSE = flambeau.randn(4, 3, dtype=flambeau.float64)

FUNCTIONS = {
    "to_dense": lambda x: x.to_dense() ** 2,
    "sin": lambda x: x.sin(),
    "tanh": lambda x: x.tanh() * 2,
    "matmul": lambda x: sparse.mm(x, DENSE) ** 2,
    "product": lambda x: x @ x.t(),
    "square": lambda x: x * x,
    "t": lambda x: x.t().sin(),
    "convert": lambda x: x.to_sparse(layout=CSR if x.layout is COO else COO).sin(),
    "norm": lambda x: x.norm(),
}


@pytest.mark.parametrize("layout", [COO, CSR, CSC])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives(name, layout):
    f = FUNCTIONS[name]
    assert check(f, (leaf(layout, 3, 4),), masked=True)
    assert check_twice(f, (leaf(layout, 3, 4),), masked=True)


@pytest.mark.parametrize("f", [
    lambda x: sparse.softmax(x, 1), lambda x: sparse.log_softmax(x, 0), lambda x: sparse.sum(x, 0), lambda x: x.select(1, 2),
    lambda x: x.index_select(0, flambeau.tensor([2, 0, 2])), lambda x: flambeau.cat([x, x * 2], 1), lambda x: x.unsqueeze(0),
    lambda x: x.narrow(1, 1, 2), lambda x: x[1:], lambda x: flambeau.stack([x, x]), lambda x: (x + x).coalesce().sin(),
    lambda x: flambeau.bmm(flambeau.stack([x, x]), flambeau.stack([DENSE, DENSE])), lambda x: flambeau.hspmm(x, DENSE),
    lambda x: flambeau.smm(x, DENSE), lambda x: x.to_sparse_bsr((3, 2)).to_dense(),
])  # fmt: skip
def test_derivatives_of_coo(f):
    assert check(f, (leaf(COO, 3, 4),), masked=True)
    assert check_twice(f, (leaf(COO, 3, 4),), masked=True)


def test_hybrid_and_block_derivatives():
    hybrid = matrix(3, 4, 2).to_sparse(2).requires_grad_()
    assert check(lambda x: sparse.softmax(x, 0).to_dense(), (hybrid,), masked=True)
    assert check(lambda x: sparse.sum(x, (0, 2)), (hybrid,), masked=True)
    blocks = leaf(flambeau.sparse_bsr, 4, 4, blocksize=(2, 2))
    assert check(lambda x: (x.t() @ DENSE) * 2, (blocks,), masked=True)


@pytest.mark.parametrize("reduce", ["sum", "mean", "amax", "amin", "prod"])
def test_reduced_products(reduce):
    x, w = leaf(CSR, 5, 4), DENSE.clone().requires_grad_()
    assert check(lambda x, w: sparse.mm(x, w, reduce), (x, w), masked=True)


def test_sampled_product():
    x = leaf(CSR, 3, 5)
    a, b = (
        flambeau.randn(*s, dtype=flambeau.float64, requires_grad=True) for s in ((3, 2), (2, 5))
    )
    f = lambda x, a, b: sparse.sampled_addmm(x, a, b, beta=0.5, alpha=2).to_dense()  # noqa: E731
    assert check(f, (x, a, b), masked=True)
    assert check_twice(f, (x, a, b), masked=True)
    batch = flambeau.ones(2, 3, 5).to_sparse_csr()
    a, b = flambeau.randn(2, 3, 4), flambeau.randn(2, 4, 5)
    made = sparse.sampled_addmm(batch, a, b, beta=0).to_dense()
    assert flambeau.allclose(made, a @ b, atol=1e-6)


def test_dense_operands_get_dense_gradients():
    x, w = matrix(3, 4).to_sparse(), DENSE.clone().requires_grad_()
    (x @ w).pow(2).sum().backward()
    by_hand = 2 * x.to_dense().t() @ (x.to_dense() @ DENSE)
    assert flambeau.allclose(w.grad, by_hand)


def test_double_backward_through_a_leaf():
    x = leaf(COO, 3, 4)
    (g,) = flambeau.autograd.grad((x.to_dense() ** 3).sum(), x, create_graph=True)
    assert g.layout is COO
    g.to_dense().sum().backward()
    assert flambeau.allclose(x.grad.to_dense(), 6 * x.detach().to_dense())


def test_a_graph_is_walked_once():
    x = leaf(COO, 3, 4)
    y = x.sin().to_dense().sum()
    y.backward()
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()


@pytest.mark.parametrize("order", [0, 1])
def test_dense_and_sparse_gradients_meet(order):
    table = flambeau.ones(4, 2, requires_grad=True)
    rows = flambeau.nn.functional.embedding(flambeau.tensor([1, 1]), table, sparse=True).sum()
    whole = (table * 2).sum()
    sum([rows, whole][:: 1 - 2 * order]).backward()
    expected = flambeau.tensor([[2.0, 2], [4, 4], [2, 2], [2, 2]])
    assert flambeau.equal(table.grad, expected)
    rows = flambeau.nn.functional.embedding(flambeau.tensor([0]), table, sparse=True).sum()
    rows.backward()  # sparse into dense
    expected[0] += 1
    assert flambeau.equal(table.grad, expected)


def test_hooks_and_accumulation_see_sparse_gradients():
    table = flambeau.ones(4, 2, requires_grad=True)
    seen = []
    table.register_hook(lambda g: seen.append(g.layout))
    for _ in range(2):
        flambeau.nn.functional.embedding(flambeau.tensor([1]), table, sparse=True).sum().backward()
    assert seen == [COO, COO]
    assert table.grad._nnz() == 2
    assert not table.grad.is_coalesced()


def test_forward_mode_and_vmap_reach_through_constants():
    x = matrix(3, 4).to_sparse()
    dense = x.to_dense()
    v = flambeau.randn(4, 2, dtype=flambeau.float64)
    out, moved = flambeau.func.jvp(lambda w: sparse.mm(x, w), (v,), (v * 2,))
    assert flambeau.allclose(out, dense @ v)
    assert flambeau.allclose(moved, dense @ v * 2)
    batch = flambeau.randn(5, 4, 2, dtype=flambeau.float64)
    many = flambeau.func.vmap(lambda w: sparse.mm(x, w))(batch)
    assert flambeau.allclose(many, dense @ batch)
    # A dual number inside a sparse tensor.
    values = x.values()
    make = lambda v: flambeau.sparse_coo_tensor(x.indices(), v, x.shape).to_dense().sin()  # noqa: E731
    _, moved = flambeau.func.jvp(make, (values,), (flambeau.ones_like(values),))
    assert flambeau.allclose(moved, dense.cos() * (dense != 0))


def test_kernels_in_pieces(monkeypatch):
    rows, columns = flambeau.randint(0, 7, (60,)), flambeau.randint(0, 5, (60,))
    values, dense = flambeau.randn(60), flambeau.randn(5, 3)
    whole = grouping.entries_matmul(values, dense, rows, columns, 7)
    sampled = grouping.entries_of_product(flambeau.ones(7, 3), dense, rows, columns)
    monkeypatch.setattr(grouping, "STEP", 6)
    assert flambeau.allclose(
        grouping.entries_matmul(values, dense, rows, columns, 7), whole, atol=1e-6
    )
    made = grouping.entries_of_product(flambeau.ones(7, 3), dense, rows, columns)
    assert flambeau.allclose(made, sampled)
    by_hand = flambeau.zeros(7, 5).index_put((rows, columns), values, accumulate=True) @ dense
    assert flambeau.allclose(whole, by_hand, atol=1e-5)


@pytest.mark.parametrize(
    "dtype", ["bool", "int32", "int64", "float16", "bfloat16", "float32", "complex64"]
)
def test_dtypes(dtype):
    kind = getattr(flambeau, dtype)
    x = flambeau.tensor([[0, 1, 0], [2, 0, 3]]).to(kind)
    for layout in (COO, CSR, CSC):
        s = x.to_sparse(layout=layout)
        assert s.dtype is kind
        assert flambeau.equal(s.to_dense(), x)
        if dtype != "bool":
            assert flambeau.equal((s * 2).to_dense(), x * 2)
            assert flambeau.equal((s @ x.t()), x @ x.t())
            assert flambeau.equal((s + s).to_dense(), x + x)


def test_integer_indices_stay_as_given():
    index = flambeau.tensor([0, 1, 2], dtype=flambeau.int32)
    x = flambeau.sparse_csr_tensor(index, index[:2], flambeau.ones(2))
    assert x.crow_indices().dtype is flambeau.int32
    assert flambeau.equal(x @ flambeau.ones(2), flambeau.ones(2))


def test_half_precision_adds_in_float32():
    # 4096 ones: bfloat16 alone would stop at 256.
    n = 4096
    at = flambeau.zeros(1, n, dtype=flambeau.int64)
    x = flambeau.sparse_coo_tensor(at, flambeau.ones(n, dtype=flambeau.bfloat16), (1,))
    assert x.coalesce().values().item() == n


@pytest.mark.parametrize(
    "op", ["exp", "cos", "cumsum", "sort", "prod", "logsumexp", "nonzero", "median"]
)
@pytest.mark.parametrize("layout", [COO, CSR])
def test_what_has_no_rule_is_refused(op, layout):
    x = matrix(3, 4).to_sparse(layout=layout)
    args = (0,) if op in ("cumsum", "logsumexp") else ()
    with pytest.raises((NotImplementedError, RuntimeError)) as info:
        getattr(x, op)(*args)
    assert "NoneType" not in str(info.value)
    assert "attribute" not in str(info.value)


@pytest.mark.parametrize("f", [
    lambda: flambeau.sparse_coo_tensor([[0, 3]], [1.0, 2.0], (2,)), lambda: flambeau.sparse_csr_tensor([0, 2], [0, 9], [1.0, 2.0], (1, 3)),
    lambda: flambeau.sparse_csr_tensor([0, 3], [0, 1], [1.0, 2.0]), lambda: flambeau.sparse_csr_tensor([0, 2, 1, 2], [0, 1], [1.0, 2.0]),
    lambda: flambeau.sparse_bsr_tensor([0, 1], [0], flambeau.ones(1)), lambda: flambeau.ones(3).to_sparse_csr(),
    lambda: flambeau.ones(2, 2).to_sparse(3), lambda: flambeau.ones(4, 4).to_sparse_bsr((3, 2)),
    lambda: flambeau.ones(2, 3, 4).to_sparse().to_sparse_csr(), lambda: flambeau.ones(2, 2).sparse_mask(flambeau.ones(2, 2)),
    lambda: flambeau.eye(2).to_sparse().index_select(0, flambeau.tensor([5])), lambda: flambeau.eye(2).to_sparse() @ flambeau.ones(3),
])  # fmt: skip
def test_wrong_arguments(f):
    with pytest.raises((RuntimeError, IndexError)):
        f()


def test_invariants_can_be_asked_for():
    checks = sparse.check_sparse_tensor_invariants
    unordered = ([0, 2], [1, 0], [1.0, 2.0])
    flambeau.sparse_csr_tensor(*unordered)
    with checks(), pytest.raises(RuntimeError, match="sorted"):
        flambeau.sparse_csr_tensor(*unordered)
    with pytest.raises(RuntimeError, match="sorted"):
        flambeau.sparse_csr_tensor(*unordered, check_invariants=True)
    assert not checks.is_enabled()
    checks.enable()
    try:
        with checks(False):
            assert not checks.is_enabled()
    finally:
        checks.disable()


def test_copies_are_copies():
    x = matrix(3, 4).to_sparse().requires_grad_()
    for y in (copy.deepcopy(x), pickle.loads(pickle.dumps(x)), x.detach().clone()):
        y.values() if y.requires_grad else y.mul_(2)
        assert y._values().data_ptr() != x._values().data_ptr()
    assert copy.deepcopy(x).requires_grad
    # The parts of a tensor are its own memory.
    z = x.detach()
    z.values().fill_(7)
    assert (x._values() == 7).all()


def test_out_of_order_and_repeated_entries():
    at = flambeau.randint(0, 50, (2, 400))
    values = flambeau.randn(400, dtype=flambeau.float64)
    x = flambeau.sparse_coo_tensor(at, values, (50, 50))
    dense = np.zeros((50, 50))
    np.add.at(dense, tuple(at.numpy()), values.numpy())
    np.testing.assert_allclose(x.to_dense().numpy(), dense)
    np.testing.assert_allclose(x.coalesce().to_sparse_csr().to_dense().numpy(), dense)
    v = flambeau.randn(50, 3, dtype=flambeau.float64)
    np.testing.assert_allclose((x @ v).numpy(), dense @ v.numpy())
    np.testing.assert_allclose((x @ x).to_dense().numpy(), dense @ dense)


@pytest.mark.parametrize("name", ["SparseAdam", "SGD", "Adagrad"])
def test_rows_not_named_do_not_move(name):
    table = flambeau.nn.Embedding(1000, 4, sparse=True)
    before = table.weight.detach().clone()
    optimizer = getattr(flambeau.optim, name)(table.parameters(), lr=0.1)
    table(flambeau.tensor([3, 500, 3])).sum().backward()
    optimizer.step()
    moved = (table.weight.detach() != before).any(1).nonzero().flatten()
    assert moved.tolist() == [3, 500]
    optimizer.zero_grad(set_to_none=False)
    assert table.weight.grad._nnz() == 0


def test_layouts_of_new_tensors():
    assert flambeau.zeros(2, 3, layout=COO)._nnz() == 0
    assert flambeau.empty(2, 3, layout=CSR).layout is CSR
    x = matrix(3, 4).to_sparse()
    assert flambeau.zeros_like(x).layout is COO
    assert flambeau.zeros_like(x, layout=flambeau.strided).layout is flambeau.strided
    assert flambeau.zeros_like(x.to_dense(), layout=CSC).layout is CSC
    for f in (
        lambda: flambeau.ones(2, layout=COO),
        lambda: flambeau.full((2,), 1.0, layout=COO),
        lambda: flambeau.ones_like(x),
        lambda: flambeau.rand_like(x),
        lambda: flambeau.zeros(2, layout=flambeau.jagged),
    ):
        with pytest.raises(NotImplementedError):
            f()


def test_in_place_and_out():
    x = matrix(3, 4).to_sparse()
    dense = x.to_dense()
    assert flambeau.equal(x.clone().t_().to_dense(), dense.t())
    assert x.clone().unsqueeze_(0).shape == (1, 3, 4)
    out = flambeau.zeros(3, 4, dtype=flambeau.float64).to_sparse()
    assert flambeau.add(x, x, out=out) is out
    assert flambeau.equal(out.to_dense(), dense * 2)
    with pytest.raises(RuntimeError, match="strided"):
        flambeau.add(x, x, out=flambeau.zeros(3, 4, dtype=flambeau.float64))
    with pytest.raises(RuntimeError, match="leaf"):
        x.clone().requires_grad_().mul_(2)


def test_modules_keep_sparse_buffers():
    net = flambeau.nn.Linear(3, 3)
    net.register_buffer("graph", flambeau.eye(3).to_sparse())
    other = flambeau.nn.Linear(3, 3)
    other.register_buffer("graph", flambeau.zeros(3, 3).to_sparse())
    other.load_state_dict(net.state_dict())
    assert flambeau.equal(other.double().graph.to_dense(), flambeau.eye(3, dtype=flambeau.float64))
    with pytest.raises(TypeError, match="buffer"):
        flambeau.nn.Parameter(net.graph)


def test_compiled_and_mixed_precision_code_may_use_a_sparse_matrix():
    x = matrix(3, 4, dtype=flambeau.float32).to_sparse()
    v = flambeau.randn(4)
    compiled = flambeau.compile(lambda v: (x @ v).sin())
    assert flambeau.allclose(compiled(v), (x @ v).sin(), atol=1e-6)
    with flambeau.autocast("cpu", dtype=flambeau.bfloat16):
        assert (x @ v).dtype is flambeau.bfloat16


def test_what_files_say_is_checked():
    x = flambeau.eye(2).to_sparse()
    x._idx = x._idx * 9
    y = flambeau.eye(2).to_sparse_csr()
    y._plain = y._plain - 1
    z = flambeau.sparse_coo_tensor([[1, 0]], [1.0, 2.0])
    z._coalesced = True  # it is not
    for wrong in (x, y, z):
        stream = io.BytesIO()
        flambeau.save(wrong, stream)
        stream.seek(0)
        with pytest.raises((RuntimeError, pickle.UnpicklingError)):
            flambeau.load(stream)
