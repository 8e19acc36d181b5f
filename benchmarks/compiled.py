"""The same training steps and models as one program (`flambeau.compile`), beside PyTorch's eager mode."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import infer
import others
import train
from harness import Bar, Case, Side

TITLE = "Compiled: training steps and inference"
TEXT = (
    "`flambeau.compile` of the whole step or prediction, against PyTorch's eager mode. What each must reach stands for the best "
    "of PyTorch eager, torch.compile, jax.jit, TinyJit and onnxruntime on this kind of machine: that peer's time and "
    "PyTorch's own were measured there once, and the bar is issue 6's ratio times PyTorch's time over the peer's. With `--peers` the "
    "peers are measured in the same rounds, and issue 6's ratios hold against the best of them: `best` is its time over ours. "
    "torch.compile compiles the model, jax.jit and TinyJit the whole step, written again with them (benchmarks/peer_jax.py, "
    "peer_tinygrad.py); onnxruntime runs the file that PyTorch exports. All start from the same weights and give the same numbers."
)
BARS = [Bar("train_", geomean=1.7), Bar("infer_", geomean=2.4)]
# With --peers, of the best other's time over ours; PyTorch's eager mode is one of the others.
PEER_BARS = [Bar("train_", geomean=1.4), Bar("infer_", geomean=1.2)]
# Milliseconds of PyTorch and of the best peer on two cores of a Zen 5 with AVX-512, and the ratio to reach against the latter.
PEERS = {
    "mlp_784_128_10_b64_sgd": (0.252, 0.128, 1.3),
    "mlp_784_1024_1024_10_b256_adam": (15.4, 7.31, 1.3),
    "lenet5_b64_sgd": (2.75, 2.75, 2.0),
    "resnet18_cifar_b32_sgd": (284, 252, 1.05),
    "gpt_6x384_t128_b8_adamw": (367, 296, 1.5),
    "lstm_lm_2x256_t35_b20_sgd": (24.3, 24.3, 1.3),
    "vit_6x192_b32_adamw": (196, 189, 1.5),
    "dcgan_generator_b64_adam": (46.8, 46.3, 1.2),
    "resnet50_224_b1": (34, 19.1, 1.0),
    "resnet50_224_b8": (247, 146, 1.0),
    "mobilenetv2_224_b1": (9.08, 1.91, 1.0),
    "bert_base_t128_b1": (159, 68.9, 1.2),
    "lstm_3x256_t100_b1": (3.51, 2.77, 1.2),
    "gpt_decode_64_b1": (175, 84.8, 2.0),
}


def compiled(name: str, case: Case) -> Case:
    """The workload, compiled as a whole on our side."""

    def make(s: Side) -> Callable[[], Any]:
        run = case.make(s)
        if s.lib.__name__ != "flambeau":
            return run
        program = s.lib.compile(run, fullgraph=True)
        if case.calls > 1:  # a training step: what is compared are its first calls
            return program
        for _ in range(3):  # captured, recorded, run
            program()
        return program

    least = None
    if name in PEERS:
        ours, peer, ratio = PEERS[name]
        least = round(ratio * ours / peer, 2)
    return dataclasses.replace(case, make=make, least=least)


def both(kind: str) -> dict[str, Case]:
    made = {}
    for prefix, group in (("train_", train), ("infer_", infer)):
        for name, case in getattr(group, kind).items():
            made[prefix + name] = compiled(name, case)
    return made


CASES = both("CASES")
HELD_OUT = both("HELD_OUT")
for prefix, more in (("train_", others.TRAINING), ("infer_", others.PREDICTIONS)):
    HELD_OUT |= {prefix + name: compiled(prefix + name, case) for name, case in more.items()}


def measure_with_peers(name: str, ours: Any, theirs: Any, rounds: int) -> dict[str, Any]:
    """One workload, with all that `peers.py` knows beside the two; `wanted` is what `best` must reach."""
    import peers

    found = peers.measure(name, (CASES | HELD_OUT)[name], ours, theirs, rounds)
    return found | ({"wanted": PEERS[name][2]} if name in PEERS else {})
