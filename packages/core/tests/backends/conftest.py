"""Fixtures of the kernel tests."""

from __future__ import annotations

import pytest

from flambeau.backends.cpu import threads


@pytest.fixture(params=[1, 3], ids=["one thread", "three threads"])
def some_threads(request):
    before = threads.count()
    threads.set_count(request.param)
    yield
    threads.set_count(before)
