"""How tensors print, character for character as PyTorch's."""

import pytest
import torch

import flambeau
from flambeau._base.dtypes import dtype

FLOATS = [[1., 2., 3.], [1.5, 2.25], [1e-5, 1.], [1e10, 1.], [1e5, 1.], [123456789., 0.], [0., 0.], [float("nan"), 1.],
          [float("inf"), -1.5], [float("nan")], [float("inf"), 2.], [-0.0, 1.], [1e-8], [1e8], [1e9], [0.0001], [0.00009],
          [1000.5, 1.], [1e3, 1.], [1000., 1.5], [1e-3, 1.], [99999., 0.1], [-1., 1e-7], [3.14159265, -100.], 3.5, []]  # fmt: skip
COMPLEX = [[1 + 2j, -3.5 - 0.25j], [1e-6 + 1j, 2e5j], 1j, [complex("nan+1j"), complex(1, float("inf"))],
           [[1 + 1j, 0], [1.5 - 2j, -1e3]], [1 + 0j, -2, 100]]  # fmt: skip
TENSORS = {
    **{f"{v} {d}": lambda m, v=v, d=d: m.tensor(v, dtype=getattr(m, d))
       for v in FLOATS for d in ("float32", "float64", "float16", "bfloat16")},
    **{f"{v} complex": lambda m, v=v: m.tensor(v) for v in COMPLEX},
    **{d: lambda m, d=d: m.tensor([1, 2, 100], dtype=getattr(m, d))
       for d in ("uint8", "int8", "int16", "int32", "int64", "uint16", "bool", "complex64", "complex128")},
}  # fmt: skip
TENSORS |= {
    "int": lambda m: m.tensor(3),
    "bool": lambda m: m.tensor([[True, False]]),
    "no rows": lambda m: m.zeros(0, 3),
    "no ints": lambda m: m.zeros(0, dtype=m.int64),
    "no columns": lambda m: m.zeros(2, 0, dtype=m.bool),
    "long": lambda m: m.arange(2000.0),
    "long ints": lambda m: m.arange(2000),
    "large": lambda m: m.arange(10000.0).reshape(100, 100),
    "deep": lambda m: m.arange(3000.0).reshape(10, 20, 15),
    "long rows": lambda m: m.arange(1500.0).reshape(3, 500),
    "broken lines": lambda m: m.arange(120.0).reshape(2, 60) * 1.5,
    "broken bools": lambda m: m.zeros(60, dtype=m.bool),
    "broken complex": lambda m: m.arange(20.0).to(m.complex64) * (1 + 0.5j),
    "long complex": lambda m: m.arange(1200.0).to(m.complex64),
    "4d": lambda m: m.arange(16).reshape(2, 2, 2, 2),
    "turned": lambda m: m.arange(6.0).reshape(2, 3).t(),
    "leaf": lambda m: m.tensor([1.0, 2.0], requires_grad=True),
    "wide leaf": lambda m: m.arange(12.0, dtype=m.float64, requires_grad=True),
    "computed": lambda m: m.tensor([1.0, 2.0], requires_grad=True) * 2,
    "sum": lambda m: m.tensor([1.0, 2.0], requires_grad=True).exp().sum(),
    "parameter": lambda m: m.nn.Parameter(m.tensor([1.0, 2.0])),
    "meta": lambda m: m.zeros(2, 3, device="meta"),
    "meta leaf": lambda m: m.zeros(2, 3, device="meta", requires_grad=True),
    "meta ints": lambda m: m.zeros(2, device="meta", dtype=m.int64),
    "list": lambda m: [m.tensor([1.0, 2.0]), m.tensor(1)],
    "several": lambda m: m.tensor([[1.0, 3.0, 2.0]]).max(1),
    "size": lambda m: m.Size([2, 3]),
    "dtype": lambda m: m.float32,
    "device": lambda m: m.device("cuda:1"),
    "format": lambda m: (m.channels_last, m.strided),
    "storage": lambda m: m.tensor([1.0, 2.0]).untyped_storage(),
}
OPTIONS = [{}, {"precision": 2}, {"sci_mode": True}, {"sci_mode": False}, {"edgeitems": 2, "threshold": 10},
           {"linewidth": 40}, {"profile": "short"}, {"profile": "full"}]  # fmt: skip


@pytest.fixture(autouse=True)
def same_name(monkeypatch):
    monkeypatch.setattr(dtype, "prefix", "torch.")
    yield
    for m in (torch, flambeau):
        m.set_printoptions(profile="default", sci_mode=None)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_text(options):
    for m in (torch, flambeau):
        m.set_printoptions(profile="default")
        m.set_printoptions(**options)
    for name, make in TENSORS.items():
        ours, theirs = make(flambeau), make(torch)
        for show in (repr, str, "{}".format):
            assert show(ours) == show(theirs), name
