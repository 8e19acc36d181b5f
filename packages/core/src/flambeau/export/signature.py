"""What each argument and result of an exported program is, named as in PyTorch's `ExportGraphSignature`."""

from __future__ import annotations

import enum
from collections.abc import Collection
from dataclasses import dataclass

from ..graph import Graph
from ..nn import Parameter


class InputKind(enum.Enum):
    """What an argument of the program is."""

    USER_INPUT = 1
    PARAMETER = 2
    BUFFER = 3
    CONSTANT_TENSOR = 4


class OutputKind(enum.Enum):
    """What a result of the program is. Programs that write into buffers are not exported, so that there is one kind."""

    USER_OUTPUT = 1


@dataclass(frozen=True)
class TensorArgument:
    """A tensor of the program, by its name there."""

    name: str


@dataclass(frozen=True)
class InputSpec:
    """One argument: its kind; of parameters, buffers and constants the name in the model; of buffers whether files hold it."""

    kind: InputKind
    arg: TensorArgument
    target: str | None = None
    persistent: bool | None = None


@dataclass(frozen=True)
class OutputSpec:
    """One result."""

    kind: OutputKind
    arg: TensorArgument
    target: str | None = None


@dataclass(frozen=True)
class ExportGraphSignature:
    """Arguments and results of a program in its order: what the user gives first, then the model's tensors.

    >>> import flambeau
    >>> program = flambeau.export.export(flambeau.nn.Linear(3, 2), (flambeau.zeros(4, 3),))
    >>> print(program.graph_signature)
    # inputs
    input: USER_INPUT
    weight: PARAMETER target='weight'
    bias: PARAMETER target='bias'
    <BLANKLINE>
    # outputs
    v0: USER_OUTPUT
    """

    input_specs: list[InputSpec]
    output_specs: list[OutputSpec]

    def _of(self, kind: InputKind) -> dict[str, str]:
        return {s.arg.name: s.target or "" for s in self.input_specs if s.kind is kind}

    @property
    def user_inputs(self) -> tuple[str, ...]:
        """Names of what the user gives."""
        return tuple(self._of(InputKind.USER_INPUT))

    @property
    def user_outputs(self) -> tuple[str, ...]:
        """Names of what the user is given."""
        return tuple([s.arg.name for s in self.output_specs])

    @property
    def inputs_to_parameters(self) -> dict[str, str]:
        """By name in the program: the model's parameter."""
        return self._of(InputKind.PARAMETER)

    @property
    def inputs_to_buffers(self) -> dict[str, str]:
        """By name in the program: the model's buffer."""
        return self._of(InputKind.BUFFER)

    @property
    def inputs_to_lifted_tensor_constants(self) -> dict[str, str]:
        """By name in the program: a tensor that is neither parameter nor buffer."""
        return self._of(InputKind.CONSTANT_TENSOR)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The model's names of the parameters."""
        return tuple(self.inputs_to_parameters.values())

    @property
    def buffers(self) -> tuple[str, ...]:
        """The model's names of the buffers."""
        return tuple(self.inputs_to_buffers.values())

    @property
    def non_persistent_buffers(self) -> tuple[str, ...]:
        """Those of the buffers that the model's state dict leaves out."""
        return tuple([s.target or "" for s in self.input_specs if s.persistent is False])

    @property
    def lifted_tensor_constants(self) -> tuple[str, ...]:
        """Names of the tensors that are neither parameter nor buffer."""
        return tuple(self.inputs_to_lifted_tensor_constants.values())

    @property
    def buffers_to_mutate(self) -> dict[str, str]:
        """Empty: programs that write into buffers are not exported."""
        return {}

    @property
    def user_inputs_to_mutate(self) -> dict[str, str]:
        """Empty: programs that write into arguments are not exported."""
        return {}

    def __str__(self) -> str:
        lines = ["# inputs"]
        for i in self.input_specs:
            target = "" if i.target is None else f" target={i.target!r}"
            held = "" if i.persistent is None else f" persistent={i.persistent}"
            lines.append(f"{i.arg.name}: {i.kind.name}{target}{held}")
        lines += ["", "# outputs", *(f"{o.arg.name}: {o.kind.name}" for o in self.output_specs)]
        return "\n".join(lines)


def signature_of(
    graph: Graph, constants: Collection[str], fleeting: Collection[str]
) -> ExportGraphSignature:
    """The signature of a program, told which tensors are no members of the model, and which buffers are not persistent."""
    inputs = [InputSpec(InputKind.USER_INPUT, TensorArgument(v.name)) for v in graph.inputs]
    for v in graph.captured:
        path = v.name if v.source is None else v.source()
        kind, held = InputKind.BUFFER, path not in fleeting
        if isinstance(v.tensor, Parameter):
            kind = InputKind.PARAMETER
        elif path in constants:
            kind = InputKind.CONSTANT_TENSOR
        persistent = held if kind is InputKind.BUFFER else None
        inputs.append(InputSpec(kind, TensorArgument(v.name), path, persistent))
    outputs = [OutputSpec(OutputKind.USER_OUTPUT, TensorArgument(v.name)) for v in graph.outputs]
    return ExportGraphSignature(inputs, outputs)
