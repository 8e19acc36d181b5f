"""A program as a list of operator calls over values, in the order they ran. It prints as Python one can run.

    def program(x, w):
        v0 = ops.matmul(x, w)  # float32[8, 4]
        v1 = ops.relu(v0)  # float32[8, 4]
        return v1

Writes are values: a program that changes memory it was given lists it in `writes`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any


class Value:
    """One tensor of the program: an input, a captured tensor, a constant, or a call's result."""

    __slots__ = ("kind", "meta", "name", "source", "tensor")

    def __init__(self, name: str, meta: Any, kind: str = "result", tensor: Any = None) -> None:
        self.name, self.meta = name, meta
        self.kind = kind  # "input", "captured" (read at each call), "constant", "result"
        self.tensor = tensor
        self.source: Callable[[], Any] | None = None  # of a captured one: which tensor it is now

    def __repr__(self) -> str:
        return self.name


class Call:
    """One operator call. `inputs` are Values, numbers or None; `outputs` are Values."""

    __slots__ = ("attrs", "inputs", "op", "outputs", "several")

    def __init__(
        self,
        op: str,
        inputs: tuple,
        attrs: dict[str, Any],
        outputs: tuple[Value, ...],
        several: bool,
    ) -> None:
        self.op, self.inputs, self.attrs, self.outputs, self.several = (
            op,
            inputs,
            attrs,
            outputs,
            several,
        )

    def __repr__(self) -> str:
        return (
            f"{', '.join(map(str, self.outputs))} = {self.op}({', '.join(map(str, self.inputs))})"
        )


class Graph:
    """Inputs, captured tensors, constants, calls, outputs, and writes (captured or input value, new value)."""

    def __init__(self) -> None:
        self.inputs: list[Value] = []
        self.captured: list[Value] = []
        self.constants: list[Value] = []
        self.calls: list[Call] = []
        self.outputs: list[Value] = []
        self.writes: list[tuple[Value, Value]] = []
        self._names = 0

    def name(self, prefix: str = "v") -> str:
        """A name that no other value of this program has."""
        self._names += 1
        return f"{prefix}{self._names - 1}"

    def add(
        self, op: str, inputs: tuple, attrs: dict[str, Any], metas: tuple, several: bool = False
    ) -> tuple[Value, ...]:
        """Appends a call and returns its results."""
        outputs = tuple(Value(self.name(), m) for m in metas)
        self.calls.append(Call(op, inputs, attrs, outputs, several))
        return outputs

    def on(self, device: str) -> bool:
        """Whether any of its values is on a device of this type."""
        made = (v for c in self.calls for v in c.outputs)
        given = (*self.inputs, *self.captured, *self.constants)
        return any(v.meta.device.type == device for values in (given, made) for v in values)

    def users(self) -> dict[int, int]:
        """How often each value (by id) is read, outputs and writes included."""
        count: dict[int, int] = {}
        for v in self.read():
            count[id(v)] = count.get(id(v), 0) + 1
        return count

    def read(self) -> Iterator[Value]:
        """Every value at every place where it is read."""
        for call in self.calls:
            yield from (v for v in call.inputs if isinstance(v, Value))
        yield from self.outputs
        yield from (v for _, v in self.writes)

    def run(self, call: Callable[[str, list, dict], Any], *inputs: Any) -> list:
        """Interprets the program: `call(op, arguments, attrs)` does one operator."""
        env: dict[int, Any] = {id(v): x for v, x in zip(self.inputs, inputs)}
        for v in (*self.captured, *self.constants):
            env[id(v)] = v.tensor
        for c in self.calls:
            made = call(
                c.op, [env[id(v)] if isinstance(v, Value) else v for v in c.inputs], c.attrs
            )
            for v, m in zip(c.outputs, made if c.several else (made,)):
                env[id(v)] = m
        return [env[id(v)] for v in (*self.outputs, *(new for _, new in self.writes))]

    def text(self) -> str:
        """The program as Python: `ops.NAME` is the operator of that name."""
        params = ", ".join(v.name for v in (*self.inputs, *self.captured, *self.constants))
        lines = [f"def program({params}):"]
        for c in self.calls:
            args = [repr(v) for v in c.inputs] + [f"{k}={v!r}" for k, v in c.attrs.items()]
            left = ", ".join(v.name for v in c.outputs) + (
                "," if c.several and len(c.outputs) == 1 else ""
            )
            lines.append(
                f"    {left} = ops.{c.op}({', '.join(args)})  # {', '.join(str(v.meta) for v in c.outputs)}"
            )
        lines.extend(
            f"    # write: {target.name} becomes {new.name}" for target, new in self.writes
        )
        results = ", ".join(v.name for v in (*self.outputs, *(new for _, new in self.writes)))
        lines.append(f"    return {results}")
        return "\n".join(lines) + "\n"

    def __str__(self) -> str:
        return self.text()
