"""Writes docs/operators.md: what every operator of the registry has, read off the registry and tried on its samples.

    python tools/coverage_table.py [--check]

With `--check` nothing is written; exit code 1 if the page is out of date.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from typing import Any

import flambeau
from flambeau.runtime.operator import Operator, registry
from flambeau.testing import samples_of
from workspace import ROOT, markdown_table

PAGE = ROOT / "docs" / "operators.md"
SHORT = {
    "float64": "f64", "float32": "f32", "float16": "f16", "bfloat16": "bf16", "complex64": "c64", "int64": "i64",
    "int32": "i32", "int16": "i16", "int8": "i8", "uint8": "u8", "bool": "b",
}  # fmt: skip
DTYPES = list(SHORT)
HEAD = """# Operators

Every operator of the registry, written by `python tools/coverage_table.py` (a test keeps it up to date). What the words mean:

- **gradient, forward mode, vmap, ONNX**: *rule*, written in the operator's block; *derived*, from its scalar expression or
  combine rule; *opened*, through the operators that it is composed of; *linear*, forward mode of a linear operator; *transposed*,
  forward mode from the gradient rule; *loop*, one element at a time, with a warning; *refused*, with its reason below.
- **compiled**: *fused*, generated C that shares loops with its neighbours; *opened*; *call*, a step that runs the kernel.
- **dtypes**: those in which the first sample runs, of {all}; everything stands for all of them.

"""


def gradient(op: Operator) -> str:
    if "vjp" in op.refusals:
        return "refused"
    if op.family == "composite":
        return "opened"
    return "derived" if op.family == "elementwise" else "rule" if op.vjp_rule else "-"


def forward(op: Operator) -> str:
    if "jvp" in op.refusals or "vjp" in op.refusals:
        return "refused"
    if op.family == "composite":
        return "opened"
    if op.jvp_rule is not None:
        return "rule"
    if op.family == "elementwise":
        return "derived"
    return "linear" if op.linear or op.bilinear or op.family == "view" else "transposed"


def batching(op: Operator) -> str:
    if "vmap" in op.refusals:
        return "refused"
    if op.family == "composite":
        return "loop" if "loops" in op.tags else "opened"
    if op.family in ("elementwise", "reduction"):
        return "derived"
    return "rule" if op.batch_rule is not None else "loop" if op.arrays else "-"


def compiled(op: Operator) -> str:
    if op.family == "composite":
        return "opened"
    return "fused" if op.family in ("elementwise", "reduction") else "call"


def exported(op: Operator) -> str:
    if "onnx" in op.refusals:
        return "refused"
    if op.onnx_rule is not None:
        return "rule"
    return {"composite": "opened", "elementwise": "derived"}.get(op.family, "-")


def cast(value: Any, to: Any) -> Any:
    """A sample's argument with its floating tensors in another dtype."""
    if isinstance(value, flambeau.Tensor):
        return value.detach().to(to) if value.is_floating_point() or value.is_complex() else value
    if type(value) in (list, tuple):
        return type(value)(cast(v, to) for v in value)
    return value


def dtypes(op: Operator) -> str:
    try:
        sample = samples_of(op)[0]
    except LookupError:
        return "not sampled"
    if not any(t.is_floating_point() or t.is_complex() for t in sample.tensors):
        kinds = sorted({t.dtype.name for t in sample.tensors})
        return " ".join(SHORT.get(k, k) for k in kinds) or "-"
    runs = [name for name in DTYPES if accepts(op, sample, getattr(flambeau, name))]
    return "everything" if runs == DTYPES else " ".join(SHORT[n] for n in runs)


def accepts(op: Operator, sample: Any, to: Any) -> bool:
    args, kwargs = cast(list(sample.args), to), {k: cast(v, to) for k, v in sample.kwargs.items()}
    try:
        op.public(*args, **kwargs)
    except Exception:  # which errors are right is tests/ops/test_wrong_arguments.py's business
        return False
    return True


def rows() -> Iterator[tuple[str, list[str]]]:
    for name, op in sorted(registry.items()):
        if "::" in name:
            continue
        file = op.body.__module__.removeprefix("flambeau.")
        cells = [gradient(op), forward(op), batching(op), compiled(op), exported(op), dtypes(op)]
        yield file, [f"`{name}`", op.family, *cells]


def page() -> str:
    table = [cells for _, cells in rows()]
    head = HEAD.format(all=", ".join(f"{SHORT[n]} ({n})" for n in DTYPES))
    columns = [
        "operator",
        "family",
        "gradient",
        "forward mode",
        "vmap",
        "compiled",
        "ONNX",
        "dtypes",
    ]
    counts = f"{len(table)} operators.\n\n"
    reasons = [
        [f"`{name}`", transform, reason.replace("|", "\\|")]
        for name, op in sorted(registry.items())
        if "::" not in name
        for transform, reason in sorted(op.refusals.items())
    ]
    table_text = markdown_table(columns, table, figures=False)
    refused = markdown_table(["operator", "what", "reason"], reasons, figures=False)
    return f"{head}{counts}{table_text}\n\n## Refused, and why\n\n{refused}\n"


def main(check: bool) -> int:
    warnings.simplefilter("ignore")
    text = page()
    if check:
        if PAGE.exists() and PAGE.read_text() == text:
            return 0
        print("docs/operators.md is out of date: run python tools/coverage_table.py")
        return 1
    PAGE.write_text(text)
    print(f"wrote {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
