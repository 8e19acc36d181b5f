"""Views and layouts against PyTorch: what shares memory, where it begins, how it lies."""

import pytest
import torch

import flambeau

BASES = {
    "rows": lambda m: m.arange(120.0).reshape(2, 3, 4, 5),
    "turned": lambda m: m.arange(120.0).reshape(5, 4, 3, 2).permute(3, 2, 1, 0),
    "stepped": lambda m: m.arange(240.0).reshape(2, 3, 8, 5)[:, :, 1:8:2],
    "shifted": lambda m: m.arange(121.0)[1:].reshape(2, 3, 4, 5),
    "expanded": lambda m: m.arange(10.0).reshape(2, 1, 1, 5).expand(2, 3, 4, 5),
    "channels_last": lambda m: (
        m.arange(120.0).reshape(2, 3, 4, 5).contiguous(memory_format=m.channels_last)
    ),
    "ones": lambda m: m.arange(40.0).reshape(2, 1, 4, 5),
    "empty": lambda m: m.zeros(2, 0, 4, 5),
}
# Where PyTorch looks at the same memory, so must we, and where it makes a copy, too.
VIEWS = {
    "view": lambda m, x: x.view(-1),
    "view rows": lambda m, x: x.view(x.shape[0], -1),
    "view_as": lambda m, x: x.view_as(x),
    "view dtype": lambda m, x: x.view(m.int32),
    "view smaller": lambda m, x: x.view(m.uint8),
    "view larger": lambda m, x: x[..., :4].view(m.float64),
    "reshape": lambda m, x: x.reshape(-1),
    "reshape rows": lambda m, x: x.reshape(x.shape[0] * x.shape[1], 20, 1),
    "reshape split": lambda m, x: x.reshape(*x.shape[:2], 2, 2, 5),
    "flatten": lambda m, x: x.flatten(),
    "flatten middle": lambda m, x: x.flatten(1, 2),
    "unflatten": lambda m, x: x.unflatten(2, (2, 2)),
    "ravel": lambda m, x: x.ravel(),
    "contiguous": lambda m, x: x.contiguous(),
    "to same": lambda m, x: x.to(m.float32),
    "to other": lambda m, x: x.to(m.float64),
    "long": lambda m, x: x.long(),
    "clone": lambda m, x: x.clone(),
    "clone rows": lambda m, x: x.clone(memory_format=m.contiguous_format),
    "detach": lambda m, x: x[1].detach(),
    "data": lambda m, x: x[1].data,
    "permute": lambda m, x: x.permute(0, 2, 1, 3),
    "transpose": lambda m, x: x.transpose(1, 3),
    "mT": lambda m, x: x.mT,
    "mH": lambda m, x: x.mH,
    "t": lambda m, x: x[0, 0].t() if x.numel() else x,
    "movedim": lambda m, x: x.movedim(0, 2),
    "swapaxes": lambda m, x: x.swapaxes(1, 2),
    "squeeze": lambda m, x: x.squeeze(),
    "squeeze one": lambda m, x: x.squeeze(1),
    "squeeze two": lambda m, x: x.squeeze((0, 1)),
    "unsqueeze": lambda m, x: x.unsqueeze(1),
    "unsqueeze last": lambda m, x: x.unsqueeze(-1),
    "narrow": lambda m, x: x.narrow(2, 1, 2),
    "select": lambda m, x: x.select(2, 1),
    "select last": lambda m, x: x.select(-1, -1),
    "slice": lambda m, x: x[:, :, 1:3],
    "steps": lambda m, x: x[..., ::2],
    "index": lambda m, x: x[1],
    "none": lambda m, x: x[:, None, :, 1:],
    "diagonal": lambda m, x: x.diagonal(0, 2, 3),
    "diagonal above": lambda m, x: x.diagonal(1, 0, 3),
    "diagonal below": lambda m, x: x.diagonal(-1, -2, -1),
    "unfold": lambda m, x: x.unfold(3, 2, 2),
    "unfold dense": lambda m, x: x.unfold(2, 3, 1),
    "expand": lambda m, x: x[:, :1].expand(-1, 6, -1, -1),
    "expand in front": lambda m, x: x.expand(2, *x.shape),
    "expand_as": lambda m, x: x[:1].expand_as(x),
    "broadcast_to": lambda m, x: m.broadcast_to(x, (3, *x.shape)),
    "chunk": lambda m, x: x.chunk(2, 2)[1],
    "split": lambda m, x: x.split(3, 3)[1],
    "split sizes": lambda m, x: x.split([1, 4], 3)[1],
    "tensor_split": lambda m, x: x.tensor_split(3, 3)[2],
    "hsplit": lambda m, x: x.hsplit([1])[0],
    "vsplit": lambda m, x: x.vsplit(2)[1],
    "dsplit": lambda m, x: x.dsplit(2)[1],
    "unbind": lambda m, x: x.unbind(2)[1],
    "atleast_3d": lambda m, x: m.atleast_3d(x[0, 0]) if x.numel() else x,
    "as_strided": lambda m, x: x.as_strided((2, 2), (1, 2)) if x.numel() else x,
    "as_strided start": lambda m, x: x.as_strided((2, 2), (1, 2), 0) if x.numel() else x,
    "view_as_real": lambda m, x: m.view_as_real(x.to(m.complex64)),
    "imag": lambda m, x: x.to(m.complex64).imag,
}
# Results of other operators: laid out alike, so that a view of them that PyTorch allows is allowed here.
RESULTS = {
    "zeros_like": lambda m, x: m.zeros_like(x),
    "rand_like": lambda m, x: m.rand_like(x),
    "ones_like rows": lambda m, x: m.ones_like(x, memory_format=m.contiguous_format),
    "add": lambda m, x: x + 1,
    "exp": lambda m, x: x.exp(),
    "compare": lambda m, x: x > 3,
    "where": lambda m, x: m.where(x > 0, x, x),
    "cat": lambda m, x: m.cat([x, x], 1),
    "take": lambda m, x: x[:, :, [0, 1]],
    "softmax": lambda m, x: x.softmax(1),
    "tril": lambda m, x: x.tril(),
}
# PyTorch keeps an unusual layout in these; here rows are made of it, of which any view is possible.
APART = {("turned", "take"), ("channels_last", "take")}
APART |= {("empty", "view larger")}  # nothing has no strides here that could be wrong


def facts(m, base, call):
    """What can be seen of a result's memory; the class of the error where there is none."""
    x = BASES[base](m)
    try:
        y = call(m, x)
    except Exception as error:
        return type(error).__name__
    if not y.numel():
        return tuple(y.shape), y.is_contiguous()
    shared = y.untyped_storage().data_ptr() == x.untyped_storage().data_ptr()
    return {
        "shape": tuple(y.shape),
        "strides": [s for s, n in zip(y.stride(), y.shape) if n != 1],
        "offset": y.storage_offset(),
        "shared": shared,
        "distance": (y.data_ptr() - x.data_ptr()) if shared else None,
        "contiguous": y.is_contiguous(),
        "channels_last": y.dim() == 4 and y.is_contiguous(memory_format=m.channels_last),
        "order": y.dim_order() if len({0, *y.stride()}) > y.dim() and 1 not in y.shape else None,
        "storage": y.untyped_storage().nbytes() if shared else None,
    }


@pytest.mark.parametrize("name", [*VIEWS, *RESULTS])
@pytest.mark.parametrize("base", BASES)
def test_memory(base, name):
    if (base, name) in APART:
        return
    call = VIEWS.get(name) or RESULTS[name]
    assert facts(flambeau, base, call) == facts(torch, base, call)


@pytest.mark.parametrize("base", [b for b in BASES if b != "empty"])
@pytest.mark.parametrize("form", ["channels_last", "contiguous_format"])
def test_conversion_to_a_memory_format(base, form):
    for m, seen in ((torch, []), (flambeau, [])):
        y = BASES[base](m).contiguous(memory_format=getattr(m, form))
        seen += [y.is_contiguous(memory_format=getattr(m, form)), y.tolist()]
        assert seen[0]


ORDERS = ["int8", "uint8", "int64", "float16", "bfloat16", "float32", "float64", "bool", "complex64",
          "complex32", "uint16", "float8_e5m2", "qint8"]  # fmt: skip


@pytest.mark.parametrize("a", ORDERS)
def test_promotion_table(a):
    def asked(m, name, b):
        try:
            return str(getattr(m, name)(getattr(m, a), getattr(m, b))).rpartition(".")[2]
        except RuntimeError:
            return "refused"

    for b in ORDERS:
        for name in ("promote_types", "can_cast"):
            assert asked(flambeau, name, b) == asked(torch, name, b), (name, b)
