"""Names of backends, as programs for PyTorch ask for them."""

from __future__ import annotations

import pytest

from flambeau import distributed


def test_names_of_backends():
    assert distributed.Backend("MPI") == distributed.Backend.MPI == "mpi"
    assert distributed.Backend("threads") == "threads"
    for name in (distributed.Backend.NCCL, distributed.Backend.GLOO, distributed.Backend.MPI):
        assert getattr(distributed, f"is_{name}_available")() in (True, False)
    with pytest.raises(ValueError, match="string-ish"):
        distributed.Backend(3)
