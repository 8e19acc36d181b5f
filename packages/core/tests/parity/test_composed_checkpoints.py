"""Quantized, nested and masked tensors in checkpoints, both ways between flambeau and PyTorch."""

from __future__ import annotations

import io
import pickle
import warnings

import numpy as np
import pytest
import torch

import flambeau

SIZES = [(2, 3), (1, 3), (4, 3)]


def numbers(*shape):
    return np.arange(np.prod(shape), dtype="f4").reshape(shape) - 3


def quantized(t):
    x = t.from_numpy(numbers(2, 6))
    scales, zeros = t.tensor([0.5, 0.25], dtype=t.float64), t.tensor([1, 2])
    return {
        "unsigned": t.quantize_per_tensor(x, 0.3, 4, t.quint8),
        "signed": t.quantize_per_tensor(x, 0.3, -4, t.qint8),
        "wide": t.quantize_per_tensor(x, 0.001, 0, t.qint32),
        "channels": t.quantize_per_channel(x, scales, zeros, 0, t.qint8),
        "view": t.quantize_per_tensor(x, 0.3, 4, t.quint8)[:, 1:3],
        "kinds": [t.quint8, t.qint32],
    }


def nested(t):
    pieces = [t.from_numpy(numbers(*size)) for size in SIZES]
    return {
        "strided": t.nested.nested_tensor(pieces),
        "jagged": t.nested.nested_tensor(pieces, layout=t.jagged),
        "with_grad": t.nested.nested_tensor(pieces, layout=t.jagged, requires_grad=True),
        "narrowed": t.nested.narrow(t.ones(2, 5, 3), 1, t.tensor([0, 1]), t.tensor([2, 4]), layout=t.jagged),
    }  # fmt: skip


def masked(t):
    data = t.from_numpy(numbers(2, 3))
    return {"masked": t.masked.masked_tensor(data, data > 0), "plain": data}


def described(x):
    """What is to be equal."""
    if isinstance(x, dict):
        return {key: described(value) for key, value in x.items()}
    if isinstance(x, list):
        return [described(value) for value in x]
    if not isinstance(x, (torch.Tensor, flambeau.Tensor)):
        return str(x).rpartition(".")[2]
    if x.is_quantized:
        scheme = str(x.qscheme()).rpartition(".")[2]
        how = (
            (x.q_scale(), x.q_zero_point())
            if scheme == "per_tensor_affine"
            else (x.q_per_channel_scales().tolist(), x.q_per_channel_zero_points().tolist(), x.q_per_channel_axis())
        )  # fmt: skip
        return [str(x.dtype).rpartition(".")[2], scheme, how, x.int_repr().tolist()]
    if x.is_nested:
        return [str(x.layout).rpartition(".")[2], x.requires_grad, [y.tolist() for y in x.unbind()]]
    if type(x).__name__ == "MaskedTensor":
        return ["masked", x.get_data().tolist(), x.get_mask().tolist()]
    return x.tolist()


CASES = [quantized, nested, masked]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("make", CASES)
def test_files_of_pytorch(make, zipped, tmp_path):
    theirs = make(torch)
    torch.save(theirs, tmp_path / "a.pt", _use_new_zipfile_serialization=zipped)
    for weights_only in (True, False):
        loaded = flambeau.load(tmp_path / "a.pt", weights_only=weights_only)
        assert described(loaded) == described(theirs)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("make", CASES)
def test_files_of_ours(make, zipped, tmp_path):
    ours = make(flambeau)
    flambeau.save(ours, tmp_path / "a.pt", _use_new_zipfile_serialization=zipped)
    assert described(flambeau.load(tmp_path / "a.pt")) == described(ours)
    if make is masked:
        with pytest.raises(pickle.UnpicklingError):  # PyTorch's rule for its own files too
            torch.load(tmp_path / "a.pt")
    if make is nested and not zipped:
        return  # PyTorch reads the older format's sizes before they are there, of its own files too
    for weights_only in (True, False)[make is masked :]:
        assert described(torch.load(tmp_path / "a.pt", weights_only=weights_only)) == described(
            ours
        )


def test_what_was_loaded_computes(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save({**nested(torch), **masked(torch), **quantized(torch)}, tmp_path / "a.pt")
        loaded = flambeau.load(tmp_path / "a.pt")
        assert [y.sum().item() for y in (loaded["jagged"] * 2).unbind()] == [
            y.sum().item() for y in (nested(torch)["jagged"] * 2).unbind()
        ]
        assert loaded["masked"].sum().item() == masked(torch)["masked"].sum().item()
    assert flambeau.equal(
        loaded["unsigned"].dequantize(), flambeau.from_numpy(quantized(torch)["unsigned"].dequantize().numpy())
    )  # fmt: skip
    (loaded["with_grad"] * 3).values().sum().backward()
    assert loaded["with_grad"].grad.is_nested


def test_memory_is_shared_as_it_was(tmp_path):
    for library in (torch, flambeau):
        x = library.quantize_per_tensor(library.ones(4), 0.5, 0, library.quint8)
        library.save([x, x[1:]], tmp_path / "a.pt")
        for reader in (torch, flambeau):
            a, b = reader.load(tmp_path / "a.pt")
            assert b.int_repr().tolist() == a.int_repr().tolist()[1:]


def test_coalesced_sparse_tensors_in_the_legacy_format():
    """What a file says of their places is looked at when these have come, behind the pickle."""
    sparse = torch.tensor([[0.0, 2.0, 0.0], [3.0, 0.0, 4.0]]).to_sparse()
    file = io.BytesIO()
    torch.save({"s": sparse, "w": torch.ones(2)}, file, _use_new_zipfile_serialization=False)
    made = flambeau.load(io.BytesIO(file.getvalue()))
    assert made["s"].is_coalesced() and made["s"].to_dense().tolist() == sparse.to_dense().tolist()
    places = sparse.indices().numpy().tobytes()
    data = file.getvalue()
    assert data.count(places) == 1
    backwards = sparse.indices().numpy()[:, ::-1].tobytes()
    with pytest.raises(RuntimeError, match="uncoalesced"):
        flambeau.load(io.BytesIO(data.replace(places, backwards)))
