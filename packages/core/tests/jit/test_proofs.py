"""Proofs of recorded steps that are kept on disk: who believes them, and what is never believed."""

from __future__ import annotations

import hashlib
from functools import partial
from importlib import import_module

import numpy as np
import pytest

import flambeau
from flambeau import nn
from flambeau.backends import cpu
from flambeau.testing import assert_close

pytestmark = pytest.mark.skipif(not cpu.available(), reason="no C compiler on this machine")
proofs = import_module("flambeau.jit.proofs")
recording = import_module("flambeau.jit.recording")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder for proofs of its own; the files in it."""

    def found(texts):
        return tmp_path / hashlib.sha256(repr(texts).encode()).hexdigest()

    monkeypatch.setattr(proofs, "_place", found)
    return tmp_path


@pytest.fixture
def proved(monkeypatch):
    """The steps that are run on poisoned memory."""
    steps, repeats = [], recording.Recording._repeats

    def counted(self, step, *rest):
        steps.append(step)
        return repeats(self, step, *rest)

    monkeypatch.setattr(recording.Recording, "_repeats", counted)
    return steps


def body(x):
    y = nn.functional.layer_norm(nn.functional.gelu(x @ x.t()), (20,)) @ x
    return flambeau.sort((y.tanh() * 2 + 1).t(), stable=True)[0].reshape(-1) + 1


def check(calls=3):
    """A fresh program against eager mode; its recording."""
    f = flambeau.compile(lambda x: body(x))
    for _ in range(calls):
        x = flambeau.randn(20, 40)
        assert_close(f(x), body(x), rtol=1e-4, atol=1e-5)
    ((plan,),) = f._plans.values()
    (program,) = plan.forward.programs
    return program


def kinds(program):
    steps = program.replay.steps
    return ["c" if s.calls is not None else "view" if s.view else s.why for s in steps]


def test_what_was_proved_is_not_proved_again(place, proved):
    first = kinds(check())
    assert len(proved) >= 4 and "c" in first
    proved.clear()
    assert kinds(check()) == first and not proved


def test_a_step_on_copies_is_not_proved_again(place, proved):
    layer = nn.Linear(32, 24)

    def loose():
        f = flambeau.compile(lambda x: layer(x.transpose(0, 1)).detach())
        for _ in range(2):
            x = flambeau.randn(40, 33, 32)
            assert_close(f(x), layer(x.transpose(0, 1)).detach(), rtol=1e-4, atol=1e-5)
        ((plan,),) = f._plans.values()
        return kinds(plan.forward.programs[0])

    first = loose()
    assert set(first) <= {"c", "view"} and proved
    proved.clear()
    assert loose() == first and not proved


def test_a_file_that_was_cut_short_or_changed_says_nothing(place, proved):
    check()
    (file,) = place.iterdir()
    whole = file.read_bytes()
    for data in (whole[:-1], whole[1:], b"", whole[:-64], whole.replace(b" c ", b" p ", 1)):
        file.write_bytes(data)
        proved.clear()
        check()
        assert proved and file.read_bytes() == whole


def test_other_calls_than_those_proved_are_proved(place, proved):
    first = kinds(check())
    (file,) = place.iterdir()
    lines = file.read_bytes()[:-64].decode().splitlines()
    count = sum(" c " in x for x in lines)
    text = "".join(f"{x[:34]} {'0' * 32}\n" if " c " in x else f"{x}\n" for x in lines).encode()
    file.write_bytes(text + proofs._seal(text))
    proved.clear()
    assert kinds(check()) == first and 0 < len(proved) <= count


def test_a_table_that_a_kernel_makes_while_it_is_believed_has_the_program_recorded_again(
    place, proved, monkeypatch
):
    first = kinds(check())
    kept, asked = recording.Recording._kept, []

    def once(self, fresh, results):
        asked.append(1)
        return len(asked) == 1 or kept(self, fresh, results)

    monkeypatch.setattr(recording.Recording, "_kept", once)
    program = check(calls=2)
    assert program.replay is None and not program.trusts
    assert kinds(check(calls=4)) == first


def test_steps_of_others_have_no_name():
    def mine(xp, x):
        return x

    for kernel in (mine, np.add, partial(mine, 1)):
        with pytest.raises(ValueError, match="a kernel of"):
            proofs.owner(kernel)
    for x in (object(), {1}, np.ones(2), flambeau.ones(2), [mine]):
        with pytest.raises(ValueError, match="no spelling of"):
            proofs.spelled(x)


def test_static_arguments_are_spelled_exactly():
    values = [
        1, 1.0, True, "1", None, 0.1 + 0.2, 0.3, -0.0, 0.0, 1j, (1,), [1], flambeau.Size([1]), {"a": 1}, slice(1), ...,
        flambeau.float32, flambeau.device("cpu"), np.dtype("float32"), float("nan"),
    ]  # fmt: skip
    assert len({proofs.spelled(x) for x in values}) == len(values)


def test_layouts_are_part_of_the_name():
    x = np.ones((4, 6), np.float32)
    given = [x, x.T, x[::2], x.astype(np.float64), x.reshape(6, 4)]
    assert len({proofs.key("f", [a]) for a in given} | {proofs.key("g", [x])}) == 6


def test_source_that_changed_under_the_process_is_not_spoken_for(monkeypatch):
    monkeypatch.setattr(proofs, "BEGAN", 0.0)
    assert proofs.surroundings.__wrapped__() is None
    monkeypatch.setattr(proofs, "BEGAN", float("inf"))
    before = proofs.surroundings.__wrapped__()
    assert before == proofs.surroundings.__wrapped__() != None  # noqa: E711
    monkeypatch.setenv("FLAMBEAU_SWITCH", "1")
    assert proofs.surroundings.__wrapped__() != before
    for place in ("/nowhere/flambeau.zip/flambeau/jit/proofs.py", proofs.__file__ + "c"):
        monkeypatch.setattr(proofs, "__file__", place)
        assert proofs.surroundings.__wrapped__() is None


def test_a_folder_that_cannot_be_written_costs_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(proofs, "_place", lambda texts: tmp_path / "missing" / "x")
    check()
    monkeypatch.setattr(proofs, "_place", lambda texts: None)
    check()
