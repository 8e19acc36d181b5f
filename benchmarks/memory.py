"""Peak resident memory of training steps, each in a fresh process that has one of the libraries.

python benchmarks/memory.py LIBRARY NAME   (of flambeau also NAME.compiled) prints two figures in MB: the process's peak, and what of it came after the imports
"""

from __future__ import annotations

import importlib
import os
import pathlib
import re
import resource
import subprocess
import sys
from typing import Any

import attention
import train
from harness import Bar, Case, Side

TITLE = "Memory"
TEXT = (
    "The most resident memory, in MB, of a fresh process that makes three steps: of the models of "
    "[training](#training-steps-eager), and of attention forward and backward (8 heads, 64 features, causal), whose "
    "memory must at most double with twice the positions. `.compiled` is the same step as one program, its recording included, "
    "which must not take more than the eager step does."
)
UNIT = "MB"
BARS = [Bar(least=1.0)]
STEPS = 3
MOST_GROWTH = 2.3  # of what attention takes, for twice the positions


def attend(positions: int) -> Case:
    return attention.attention(attention.sdpa, (1, 8, positions, 64), backward=True)


STEPPED = {
    name: train.CASES[name]
    for name in train.CASES
    if name.startswith(("mlp_784_1024", "resnet18", "gpt", "lstm_lm", "vit", "dcgan"))
}
CASES = {
    **STEPPED,
    **{f"{name}.compiled": case for name, case in STEPPED.items()},
    "attention_2048": attend(2048),
    "attention_4096": attend(4096),
}
HELD_OUT = {
    **{
        name: train.HELD_OUT[name]
        for name in train.HELD_OUT
        if name.startswith(("mobilenet", "unet", "gru_lm", "audio", "gpt"))
    },
    "attention_1024": attend(1024),
    "attention_3072": attend(3072),
}


def resident_megabytes() -> float:
    """The most that this process has had resident; not what a parent had, which getrusage includes."""
    status = pathlib.Path("/proc/self/status")
    if status.exists() and (found := re.search(r"VmHWM:\s*(\d+)", status.read_text())):
        return int(found[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def peaks(library: str, name: str) -> tuple[float, float]:
    """MB of a fresh process at most, and above what it had before the model was made."""
    said = subprocess.run(
        [sys.executable, __file__, library, name],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if said.returncode:
        raise RuntimeError(f"{library}: {(said.stderr.strip().splitlines() or ['?'])[-1]}")
    peak, above = said.stdout.split()
    return float(peak), float(above)


def measure(name: str) -> dict[str, Any]:
    """Both libraries' peaks of one case; `error` where attention's memory grows faster than its positions."""
    ours, above = peaks("flambeau", name)
    step, _, compiled = name.partition(".")
    theirs, _ = peaks("torch", step)
    found: dict[str, Any] = {"ours": ours, "theirs": theirs, "ratio": theirs / ours}
    if compiled:
        eager, _ = peaks("flambeau", step)
        if ours > eager:
            found["error"] = f"{ours:.0f} MB compiled, {eager:.0f} MB eager"
    kind, _, positions = name.partition("_")
    if kind == "attention" and f"attention_{int(positions) // 2}" in CASES | HELD_OUT:
        _, half = peaks("flambeau", f"attention_{int(positions) // 2}")
        if above > MOST_GROWTH * half:
            found["error"] = f"{half:.0f} MB become {above:.0f} for twice the positions"
    return found


def main(library: str, name: str) -> None:
    lib: Any = importlib.import_module(library)
    lib.set_num_threads(int(os.environ.get("FLAMBEAU_NUM_THREADS", "2")))
    started = resident_megabytes()
    run = (CASES | HELD_OUT)[name].make(Side(lib, []))
    if name.endswith(".compiled"):
        run = lib.compile(run, fullgraph=True)
    for _ in range(STEPS):
        run()
    print(resident_megabytes(), resident_megabytes() - started)


if __name__ == "__main__":
    main(*sys.argv[1:])
