"""One peer at one workload of the group `compiled`, in a process of its own: python benchmarks/peer.py PEER NAME WEIGHTS.

It says `ready`, then does what the lines of its standard input ask for (peers.py writes them): `check K FILE` saves the
results of K calls, `burst N` answers the seconds of one of N calls, and the processor's seconds of all of them.
"""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from harness import Case, Side, burst, flat, settle


class Unfit(Exception):
    """The peer cannot do the workload; the text says why."""


def with_torch(threads: int) -> Any:
    import torch

    torch.set_num_threads(threads)
    return torch


# --------------------------------------------------------------------------------------------------
# torch.compile


class Compiling(Side):
    """Models are compiled when they are made; the loss and the optimizer stay eager."""

    def model(self, module: Any) -> Any:
        return self.lib.compile(super().model(module))


def torch_compile(case: Case, weights: list, threads: int) -> Callable[[], Any]:
    return case.make(Compiling(with_torch(threads), weights))


# --------------------------------------------------------------------------------------------------
# JAX and tinygrad


def jax_jit(case: Case, weights: list, threads: int) -> Callable[[], Any]:
    import peer_jax

    if "build" not in case.parts:
        raise Unfit("the cache grows with every token: each would be a program of its own")
    kind = peer_jax.training_step if "optimizer" in case.parts else peer_jax.prediction
    return kind(Side(peer_jax.library(), weights), case.parts)


def tiny_jit(case: Case, weights: list, threads: int) -> Callable[[], Any]:
    import peer_tinygrad

    return peer_tinygrad.training_step(Side(peer_tinygrad.library(), weights), case.parts)


# --------------------------------------------------------------------------------------------------
# onnxruntime, on the file that PyTorch writes


def session(model: Any, example: tuple, threads: int, **names: Any) -> Any:
    import onnxruntime
    import torch

    file = io.BytesIO()
    with torch.no_grad():
        # The older exporter: the newer one needs another package, and writes recurrent layers step by step.
        torch.onnx.export(model, example, file, dynamo=False, opset_version=18, **names)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(
        file.getvalue(), options, providers=["CPUExecutionProvider"]
    )


def onnx_runtime(case: Case, weights: list, threads: int) -> Callable[[], Any]:
    torch = with_torch(threads)
    s = Side(torch, weights)
    if "build" not in case.parts:
        return decoding(s, case.parts, threads)
    model, data = s.model(case.parts["build"](torch)).eval(), case.parts["x"](s)
    made = session(model, (data,), threads)
    given = {made.get_inputs()[0].name: data.numpy()}
    return lambda: tuple(made.run(None, given))


def decoding(s: Side, parts: dict[str, Any], threads: int) -> Callable[[], Any]:
    """Greedy decoding, a call for each token; keys and values go round as the session's own values."""
    import models
    import onnxruntime

    torch = s.lib
    model = s.model(models.gpt(torch, **parts["sizes"])).eval()
    layers, prompt = len(model.blocks), s.integers(256, 1, parts["prompt"])
    heads, width = model.blocks[0].attention.heads, model.norm.weight.shape[0]
    if parts["prompt"] != 1:
        raise Unfit("only prompts of one token are written")

    class Step(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, tokens: Any, places: Any, *past: Any) -> Any:
            kept = [list(past[2 * i : 2 * i + 2]) for i in range(layers)]
            x = self.model.tokens(tokens) + self.model.positions(places)
            # As models.py has it; there a tracer would see sizes as tensors, which is_causal may not be.
            for one, before in zip(self.model.blocks, kept, strict=True):
                rows = one.attention.qkv(one.norm1(x)).reshape(1, 1, 3, heads, width // heads)
                q, k, v = rows.permute(2, 0, 3, 1, 4).unbind(0)
                before[:] = [
                    torch.cat([old, new], 2) for old, new in zip(before, (k, v), strict=True)
                ]
                y = s.F.scaled_dot_product_attention(q, *before)
                x = x + one.attention.out(y.transpose(1, 2).reshape(1, 1, width))
                x = x + one.mlp(one.norm2(x))
            best = self.model.head(self.model.norm(x))[:, -1:].argmax(-1)
            return best, *(array for both in kept for array in both)

    names = [f"{kind}{i}" for i in range(layers) for kind in "kv"]
    later = [f"new_{name}" for name in names]
    past = [torch.zeros(1, heads, 5, width // heads) for _ in names]
    one = torch.zeros(1, 1, dtype=torch.int64)
    made = session(
        Step().eval(), (one, torch.zeros(1, dtype=torch.int64), *past), threads,
        input_names=["tokens", "places", *names], output_names=["best", *later],
        dynamic_axes={name: {2: "before"} for name in names} | {name: {2: "after"} for name in later},
    )  # fmt: skip
    empty = np.zeros((1, heads, 0, width // heads), np.float32)
    value = onnxruntime.OrtValue.ortvalue_from_numpy

    def run() -> np.ndarray:
        token, cache, out = value(prompt.numpy()), [value(empty)] * len(names), []
        for place in range(parts["tokens"]):
            given = {"tokens": token, "places": value(np.array([place]))}
            given |= dict(zip(names, cache, strict=True))
            token, *cache = made.run_with_ort_values(["best", *later], given)
            out.append(token.numpy())
        return np.concatenate(out, 1)

    return run


# --------------------------------------------------------------------------------------------------

PEERS = {"compile": torch_compile, "jax": jax_jit, "tinygrad": tiny_jit, "onnxruntime": onnx_runtime}  # fmt: skip


def read_weights(path: str) -> list[dict[str, np.ndarray]]:
    """Models in order, as peers.py wrote them: names are `number/name`."""
    models: dict[int, dict[str, np.ndarray]] = {}
    with np.load(path) as file:
        for name in file.files:
            number, _, inside = name.partition("/")
            models.setdefault(int(number), {})[inside] = file[name]
    return [models[i] for i in sorted(models)]


def timed(peer: str, run: Callable[[], Any], calls: int) -> float:
    """Seconds a call, of calls that are all done at the end."""
    made: Any = None

    def call() -> None:
        nonlocal made
        made = run()

    started = time.perf_counter()
    burst(call, calls)
    if peer == "jax":  # its calls return before they are done
        import jax

        jax.block_until_ready(made)
    return (time.perf_counter() - started) / calls


def main(peer: str, name: str, weights: str) -> None:
    # What libraries print is not an answer.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    threads = int(os.environ["FLAMBEAU_NUM_THREADS"])
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    import infer
    import train

    group = {"train": train, "infer": infer}[name.partition("_")[0]]
    case = (group.CASES | group.HELD_OUT)[name.partition("_")[2]]
    try:
        run = PEERS[peer](case, read_weights(weights), threads)
    except (Unfit, ImportError) as error:
        print(json.dumps({"left out": str(error)}), file=answers)
        return
    print(json.dumps("ready"), file=answers)
    for line in sys.stdin:
        kind, count, *file = line.split()
        if kind == "check":
            made = [array for _ in range(int(count)) for array in flat(run())]
            np.savez(file[0], *made)
            print(json.dumps(len(made)), file=answers)
        else:
            before = time.process_time()
            seconds = timed(peer, run, int(count))
            used = time.process_time() - before
            settle()
            print(json.dumps([seconds, used]), file=answers)


if __name__ == "__main__":
    main(*sys.argv[1:])
