"""Which rules an operator lacks that are neither derivable nor refused. The completeness test wants none."""

from __future__ import annotations

from ..runtime.operator import Operator, registry


def missing_rules(op: Operator) -> list[str]:
    """Names of what is missing: "kernel", "vjp", "doc", "example", "vmap", "onnx".

    >>> from flambeau.runtime.operator import registry
    >>> missing_rules(registry["tanh"])
    []
    """
    lacks = []
    if not op.doc.strip():
        lacks.append("doc")
    elif op.method and ">>>" not in op.doc:
        lacks.append("example")
    if op.family == "composite":
        return lacks
    if None not in op.kernels:
        lacks.append("kernel")
    if op.vjp_rule is None and "vjp" not in op.refusals:
        lacks.append("vjp")
    if op.family in ("primitive", "view"):
        if op.batch_rule is None and "vmap" not in op.refusals and op.arrays:
            lacks.append("vmap")
        if op.onnx_rule is None and "onnx" not in op.refusals:
            lacks.append("onnx")
    return lacks


def all_missing() -> dict[str, list[str]]:
    """Every operator that lacks something."""
    return {name: lacks for name, op in registry.items() if (lacks := missing_rules(op))}
