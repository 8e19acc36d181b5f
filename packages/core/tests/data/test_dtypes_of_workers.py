"""Batches from worker processes are arrays of NumPy's own dtypes, which kernels in C know by the object."""

from __future__ import annotations

import numpy as np

import flambeau
from flambeau.utils.data import DataLoader, TensorDataset


def test_batches_of_workers_have_numpys_own_dtypes():
    data = TensorDataset(flambeau.ones(4, 2), flambeau.arange(4))
    for x, y in DataLoader(data, batch_size=2, num_workers=1):
        assert x.numpy().dtype is np.dtype(np.float32) and y.numpy().dtype is np.dtype(np.int64)
