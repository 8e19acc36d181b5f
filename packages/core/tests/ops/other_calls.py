"""Calls that work of functions and methods whose arguments are not found by trying: `name: arguments`, of both kinds alike.

In the arguments `torch` is either library, and the names are those of `values`. They are called wrongly in
`test_wrong_arguments.py`, and as they are beside PyTorch in `tests/parity/test_other_functions.py`.
"""

from __future__ import annotations

LINES = """
alpha_dropout: x, 0.0, True
alpha_dropout_: x, 0.0, True
dropout: x, 0.0, True
dropout_: x, 0.0, True
feature_alpha_dropout: image, 0.0, True
feature_alpha_dropout_: image, 0.0, True
feature_dropout: image, 0.0, True
feature_dropout_: image, 0.0, True
batch_norm: image, two, two / 2, two * 1, two + 1, False, 0.1, 1e-5, False
instance_norm: image, two, two, None, None, True, 0.1, 1e-5, False
quantized_batch_norm: qimage, two, two, two, two + 1, 1e-5, 0.1, 0
bilinear: x, x, torch.ones(4, 3, 3), torch.ones(4)
embedding: table, places
nn.functional.embedding: places, table
embedding_bag: table, places, torch.tensor([0, 2])
nn.functional.embedding_bag: places, table, torch.tensor([0, 2])
nn.functional.batch_norm: image, two * 0, two + 1, two, two / 2, True
nn.functional.instance_norm: image, two * 0, two + 1, two, two / 2
poisson_nll_loss: x, x, True, False, 1e-8, 1
from_numpy: x.numpy()
get_autocast_dtype: "cpu"
is_nonzero: x[0, 0]
item: x[0, 0]
narrow_copy: x, 1, 0, 2
unfold_copy: x, 1, 2, 1
unsafe_split_with_sizes: x, (1, 1)
new_empty_strided: x, (2, 2), (2, 1)
randint: 7, (2, 3)
indices_copy: coo
values_copy: coo
indices: coo
values: coo
coalesce: coo
is_coalesced: coo
sparse_mask: x, coo
hspmm: coo, x.t()
smm: coo, x.t()
sspaddmm: coo2, coo, x.t()
sparse_resize_: empty, (4, 4), 2, 0
sparse_resize_and_clear_: empty, (4, 4), 2, 0
crow_indices: csr
col_indices: csr
crow_indices_copy: csr
col_indices_copy: csr
ccol_indices: csc
row_indices: csc
ccol_indices_copy: csc
row_indices_copy: csc
sparse_csr_tensor: torch.tensor([0, 1, 2]), torch.tensor([0, 2]), two, (2, 3)
sparse_csc_tensor: torch.tensor([0, 1, 1, 2]), torch.tensor([0, 1]), two, (2, 3)
sparse_bsr_tensor: torch.tensor([0, 1]), torch.tensor([0]), torch.ones(1, 2, 2), (2, 2)
sparse_bsc_tensor: torch.tensor([0, 1]), torch.tensor([0]), torch.ones(1, 2, 2), (2, 2)
sparse_compressed_tensor: torch.tensor([0, 1, 2]), torch.tensor([0, 2]), two, (2, 3), layout=torch.sparse_csr
quantize_per_tensor: x, 0.1, 3, torch.quint8
quantize_per_tensor_dynamic: x, torch.quint8, False
quantize_per_channel: x, two / 10, torch.tensor([0, 1]), 0, torch.qint8
int_repr: q
q_scale: q
q_zero_point: q
qscheme: q
q_per_channel_axis: channels
q_per_channel_scales: channels
q_per_channel_zero_points: channels
quantized_max_pool1d: qrow, 2, 2, 0, 1, False
quantized_max_pool2d: qimage, 2, 2, 0, 1, False
apply_: x, lambda v: v + 1
map_: x, x + 1, lambda a, b: a * b
backward: leaf.sum()
register_hook: leaf, print
register_post_accumulate_grad_hook: leaf, print
retain_grad: leaf * 2
to_padded_tensor: nested, 0.0
index: x, 0, 1
nn.functional.affine_grid: torch.ones(1, 2, 3), (1, 1, 2, 2), False
nn.functional.grid_sample: image, torch.zeros(1, 3, 3, 2), "bilinear", "zeros", False
nn.functional.max_unpool1d: pooled[:, :, 0], torch.tensor([[[0, 3], [1, 2]]]), 2, 2
nn.functional.max_unpool2d: pooled, torch.tensor([[[[0, 2], [9, 10]], [[0, 2], [9, 10]]]]), 2, 2
nn.functional.max_unpool3d: pooled[None], torch.tensor([[[[[0, 2], [9, 10]], [[20, 22], [25, 30]]]]]), 2, 2
nn.functional.multi_head_attention_forward: steps, steps, steps, 4, 2, torch.ones(12, 4) / 9, torch.zeros(12), None, None, False, 0.0, torch.eye(4), torch.zeros(4)
nn.functional.linear_cross_entropy: x, torch.ones(4, 3), torch.tensor([1, 3])
nn.functional.grouped_mm: x.repeat(2, 8)[:, :16].to(torch.bfloat16), torch.ones(2, 16, 8).to(torch.bfloat16), offs=torch.tensor([2, 4], dtype=torch.int32)
signal.windows.general_cosine: 5, a=[0.5, 0.3, 0.2]
""".strip().splitlines()

CALLS = {line.partition(": ")[0]: line.partition(": ")[2] for line in LINES}


def values(lib):
    """The names of the arguments above, in one library."""
    x = lib.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    image = lib.arange(32.0).reshape(1, 2, 4, 4) / 7
    two = lib.tensor([1.0, 2.0])
    coo = lib.sparse_coo_tensor(
        lib.tensor([[0, 1], [0, 2]]), two, (2, 3), check_invariants=False
    ).coalesce()
    return {
        "torch": lib,
        "x": x,
        "two": two,
        "image": image,
        "table": lib.arange(12.0).reshape(4, 3),
        "places": lib.tensor([0, 3, 1, 1]),
        "leaf": lib.ones(2, requires_grad=True),
        "steps": lib.arange(24.0).reshape(3, 2, 4) / 9,
        "pooled": image[:, :, 1::2, 1::2],
        "coo": coo,
        "coo2": lib.sparse_coo_tensor(lib.tensor([[0], [1]]), two[:1], (2, 2)).coalesce(),
        "empty": lib.sparse_coo_tensor(lib.zeros(2, 0, dtype=lib.int64), two[:0], (2, 3)),
        "csr": x.to_sparse_csr(),
        "csc": x.to_sparse_csc(),
        "q": lib.quantize_per_tensor(x, 0.1, 3, lib.quint8),
        "qrow": lib.quantize_per_tensor(x[None], 0.1, 3, lib.quint8),
        "qimage": lib.quantize_per_tensor(image, 0.1, 3, lib.quint8),
        "channels": lib.quantize_per_channel(x, two / 10, lib.tensor([0, 1]), 0, lib.qint8),
        "nested": lib.nested.nested_tensor([x[0], x[1, :2]]),
    }


def arguments(lib, name):
    """(args, kwargs) of a call of the function or method of this name."""
    scope = {**values(lib), "call": lambda *args, **kwargs: (args, kwargs)}
    return eval(f"call({CALLS[name]})", scope)


def key_of(name):
    """Under which name the calls of `space.name` are listed; None if they are not."""
    own = name.removeprefix("flambeau.").removeprefix("Tensor.")
    return next((k for k in (own, name.rpartition(".")[2]) if k in CALLS), None)
