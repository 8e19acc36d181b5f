"""`with flambeau.device(...)`: a default for the factory functions, in this thread, until the block ends."""

from __future__ import annotations

import threading

import pytest

import flambeau


def current() -> str:
    return flambeau.get_default_device().type


def test_blocks_nest_and_end() -> None:
    with flambeau.device("meta") as device:
        assert device == flambeau.device("meta")
        assert current() == "meta"
        with flambeau.device("cpu"):
            assert current() == "cpu"
            assert flambeau.zeros(1).device.type == "cpu"
        assert current() == "meta"
    assert current() == "cpu"


def test_an_error_ends_the_block_too() -> None:
    with pytest.raises(KeyError), flambeau.device("meta"):
        raise KeyError
    assert current() == "cpu"


def test_other_threads_keep_theirs() -> None:
    seen = []
    with flambeau.device("meta"):
        thread = threading.Thread(target=lambda: seen.append(current()))
        thread.start()
        thread.join()
    assert seen == ["cpu"]
