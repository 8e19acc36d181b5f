"""Wrong calls beside PyTorch 2.13: where it refuses an argument we do, with an error of the same class.

PyTorch runs in a child process, since some of these calls end it.
"""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import re
import resource
import signal
import sys
import warnings
from pathlib import Path

import numpy as np
import torch

import flambeau

sys.path.insert(0, str(Path(__file__).parent.parent / "ops"))
from wrong_calls import MEMORY, Hang, guarded, operators, outcome, wrong_calls

from flambeau.testing import samples_of

SAMPLES = 2  # of each operator
CLASSES = (
    NotImplementedError,
    IndexError,
    TypeError,
    ValueError,
    RuntimeError,
    OverflowError,
    MemoryError,
)


def theirs_of(op):
    """PyTorch's function or method of the same public name; None where it has none."""
    places = (
        (flambeau, torch),
        (flambeau.nn.functional, torch.nn.functional),
        (flambeau.linalg, torch.linalg),
        (flambeau.fft, torch.fft),
        (flambeau.special, torch.special),
        (flambeau.Tensor, torch.Tensor),
    )
    for ours, theirs in places:
        for name in (op.name, op.name.partition("_")[2]):
            if name and getattr(ours, name, None) is op.public:
                found = getattr(theirs, name, None)
                return found if callable(found) and not isinstance(found, type) else None
    return None


def as_torch(x):
    """One of our arguments as PyTorch's."""
    if isinstance(x, flambeau.Tensor):
        kind = getattr(torch, x.dtype.name)
        if x.is_meta:
            return torch.empty(tuple(x.shape), dtype=kind, device="meta")
        x = x.detach()
        wide = x.float() if x.dtype is flambeau.bfloat16 else x
        return torch.from_numpy(np.array(wide.numpy())).to(kind)
    if isinstance(x, flambeau.dtype):
        return getattr(torch, x.name)
    if isinstance(x, flambeau.device):
        return torch.device(str(x))
    if type(x) in (list, tuple):
        return type(x)([as_torch(v) for v in x])
    return x


def word(made):
    """An outcome in a word: the class of the error, or that there is a value."""
    if isinstance(made, Hang):
        return "hang"
    if not isinstance(made, BaseException):
        return "value"
    if isinstance(made, AttributeError):  # PyTorch's own slip
        return "TypeError"
    return next((c.__name__ for c in type(made).__mro__ if c in CLASSES), type(made).__name__)


# PyTorch reads beyond pivots of another shape: what comes of it is different each time.
UNSTEADY = {"lu_unpack"}


def calls_of(op):
    """(what is wrong, arguments) for a few samples."""
    for sample in samples_of(op)[:SAMPLES]:
        if not any(isinstance(v, flambeau.Generator) for v in sample.kwargs.values()):
            for what, call in wrong_calls(sample.args, sample.kwargs):
                if not re.search(r"\d{9}|far too large", what):  # a matter of the machine's memory
                    yield what, call


def child(pipe, pairs, start):
    """Sends the outcome of each of PyTorch's calls from the `start`-th on."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    faulthandler.disable()  # a crash is an answer here
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.RLIM_INFINITY))
    at = 0
    for op, theirs in pairs:
        for _, (args, kwargs) in calls_of(op):
            if at >= start:
                pipe.send("begun")
                try:
                    made = theirs(
                        *map(as_torch, args), **{k: as_torch(v) for k, v in kwargs.items()}
                    )
                except BaseException as error:
                    made = error
                pipe.send(word(made))
            at += 1
    pipe.send("done")


def their_words(pairs):
    """PyTorch's outcomes, in order; "crash" where it ended its process, "hang" where it took longer than two seconds."""
    words = []
    fork = multiprocessing.get_context("fork")
    while True:
        ours, its = fork.Pipe(duplex=False)
        process = fork.Process(target=child, args=(its, pairs, len(words)), daemon=True)
        process.start()
        its.close()
        try:
            while True:
                if not ours.poll(2 if words else 30):
                    os.kill(process.pid, signal.SIGKILL)
                    words.append("hang")
                    break
                message = ours.recv()
                if message == "done":
                    return words
                if message != "begun":
                    words.append(message)
        except EOFError:
            words.append("crash")
        finally:
            process.join()
            ours.close()


PAIRED = {op.name for op in operators() if op.name not in UNSTEADY and theirs_of(op)}


def disagreements():
    """{(operator, what is wrong): (PyTorch's outcome, ours)} where they differ."""
    pairs = [(op, theirs_of(op)) for op in operators() if op.name in PAIRED]
    words = iter(their_words(pairs))
    found = {}
    with guarded():
        for op, _ in pairs:
            for what, (args, kwargs) in calls_of(op):
                theirs, ours = next(words), word(outcome(op.public, args, kwargs))
                if theirs != ours and theirs not in ("crash", "hang"):
                    found.setdefault((op.name, what), (theirs, ours))
    return found


def accepted():
    """The differences that `wrong_arguments.txt` lists, each section with its reason."""
    found, outcomes = {}, ("", "")
    for line in (Path(__file__).parent / "wrong_arguments.txt").read_text().splitlines():
        if line.startswith("## "):
            outcomes = tuple(line[3:].split(" -> "))
        elif line and not line.startswith("#"):
            op, _, whats = line.partition(": ")
            found.update({(op, what): outcomes for what in whats.split(" | ")})
    return found


def test_wrong_calls_are_refused_as_in_pytorch():
    found, known = disagreements(), accepted()
    new = {k: v for k, v in found.items() if known.get(k) != v}
    gone = sorted(k for k in known if k not in found and k[0] in PAIRED)
    assert new == {}, "wrong arguments that PyTorch answers otherwise: (PyTorch, flambeau)"
    assert gone == [], "differences that are no more: take them out of wrong_arguments.txt"
