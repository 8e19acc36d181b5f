"""The process that `test_no_memory.py` starts: kernels whose requests for memory to work in are refused, one after another.

    python no_memory_child.py THREADS [CASE ...]        with refusing.c loaded before the C library

Each attempt is made in a forked process and a thread of its own, whose kernels have no memory yet. Prints for every case how many
requests it makes, and in how many of three attempts a worker alone was refused.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator

import numpy as np

import flambeau as fl
from flambeau.nn import functional as F

warnings.simplefilter("ignore")  # a fork beside the pool's threads is what this is about
shim = ctypes.CDLL(None)
rng = np.random.default_rng(0)
Call = Callable[[], fl.Tensor]


def normal(*shape: int, grad: bool = False) -> fl.Tensor:
    return fl.tensor(rng.standard_normal(shape).astype(np.float32), requires_grad=grad)


def gradients(forward: Call, *leaves: fl.Tensor) -> Call:
    return lambda: fl.cat([g.flatten() for g in fl.autograd.grad(forward().square().sum(), leaves)])


def cases() -> Iterator[tuple[str, Call]]:
    a, b = normal(300, 200), normal(200, 310)
    yield "product", lambda: a @ b
    images, weights = normal(2, 16, 40, 40, grad=True), normal(16, 16, 3, 3, grad=True)
    yield "convolution", lambda: F.conv2d(images.detach(), weights.detach(), padding=1)
    yield "strided convolution", lambda: F.conv2d(images.detach(), weights.detach(), stride=2)
    convolved = lambda: F.conv2d(images, weights, padding=1)  # noqa: E731
    yield "gradients of a convolution", gradients(convolved, images, weights)
    rows = normal(8, 20000)
    yield "sort", lambda: rows.sort()[0]
    query = normal(2, 4, 128, 32, grad=True)
    plain = query.detach()
    yield "attention", lambda: F.scaled_dot_product_attention(plain, plain, plain)
    attended = lambda: F.scaled_dot_product_attention(query, query, query)  # noqa: E731
    yield "gradients of attention", gradients(attended, query)
    layer, steps = fl.nn.LSTM(64, 128), normal(12, 16, 64, grad=True)
    state = fl.zeros(1, 16, 128), fl.zeros(1, 16, 128)
    yield "LSTM", lambda: layer(steps.detach(), state)[0].detach()
    yield (
        "gradients of an LSTM",
        gradients(lambda: layer(steps, state)[0], steps, *layer.parameters()),
    )
    model = fl.nn.Sequential(
        fl.nn.Conv2d(16, 16, 3, padding=1), fl.nn.ReLU(), fl.nn.Conv2d(16, 8, 3), fl.nn.Flatten(), fl.nn.Linear(8 * 38 * 38, 30)
    )  # fmt: skip
    compiled = fl.compile(fl.no_grad()(model.eval().forward))
    yield "compiled", lambda: compiled(images.detach())


def attempt(call: Call, wanted: np.ndarray, after: int, workers: int) -> bool:
    """Whether a request was refused; what must hold in both cases holds, or the process ends."""
    child = os.fork()
    if child:
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code not in (0, 1):
            raise SystemExit(f"an attempt ended with {code}")
        return bool(code)
    codes: list[int] = []

    def run() -> None:
        fl.ones(1 << 19).exp()  # workers are at hand
        shim.refuse(after, workers)
        try:
            got, error = call().numpy(), None
        except (RuntimeError, MemoryError) as e:
            error = e
        refused = shim.refusals()
        shim.refuse(-1, 0)
        assert (error is not None) == (refused > 0), (refused, error)
        if error is None:
            np.testing.assert_array_equal(got, wanted)
        else:
            assert "can't allocate memory" in str(error) or isinstance(error, MemoryError), error
        np.testing.assert_array_equal(call().numpy(), wanted)  # all is well afterwards
        codes.append(int(refused > 0))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    os._exit(codes[0] if codes else 2)


def main() -> None:
    threads = int(sys.argv[1])
    fl.set_num_threads(threads)
    for name, call in cases():
        if sys.argv[2:] and name not in sys.argv[2:]:
            continue
        for _ in range(3):  # compiled, and then by its C
            wanted = call().numpy().copy()
        served = 0
        while attempt(call, wanted, served, 0):
            served += 1
        alone = sum(attempt(call, wanted, 0, 1) for _ in range(3)) if threads > 1 else 0
        print(f"{name}: {served}, {alone}", flush=True)


if __name__ == "__main__":
    main()
