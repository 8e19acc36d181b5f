"""Scripted modules and functions: modules whose methods are programs instead of Python."""

from __future__ import annotations

from typing import Any

from ...nn.modules.module import Module
from .classes import setter_of

BASE = frozenset((*Module().__dict__, "_compiled_call_impl"))  # what every module has


class Bound:
    """A method of a scripted module, taken by its name."""

    __slots__ = ("module", "program")

    def __init__(self, module: ScriptModule, program: Any) -> None:
        self.module, self.program = module, program

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.program(self.module, *args, **kwargs)

    @property
    def code(self) -> str:
        """The method's program as text."""
        return self.program.text

    def __repr__(self) -> str:
        return f"<scripted method {self.program.name}>"


class ScriptModule(Module):
    """A module made by `jit.script`, `jit.trace` or `jit.load`.

    Parameters, buffers, submodules, `state_dict`, `train` and `to` are those of any module; its methods are programs,
    which `code` shows. Those of the original class that were not compiled are not there.
    """

    def __init__(self, original_name: str = "Module") -> None:
        super().__init__()
        self.__dict__.update(
            original_name=original_name,
            _programs={},
            _attributes=set(),
            _properties=set(),
            _library=None,
        )

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the program `forward`."""
        program = self._programs.get("forward")
        if program is None:
            raise NotImplementedError(
                f'Module [{self.original_name}] is missing the required "forward" function'
            )
        return program(self, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        programs = self.__dict__.get("_programs")
        if programs and name in programs:
            if name in self._properties:
                return programs[name](self)
            return Bound(self, programs[name])
        return super().__getattr__(name)

    def __setattr__(self, name: str, value: Any) -> None:
        programs = self.__dict__.get("_programs", ())
        if setter_of(name) in programs:
            self.script_set(name, value)
            return
        if name in programs:
            raise RuntimeError(f"{self.original_name}: method {name!r} cannot be replaced")
        super().__setattr__(name, value)

    def _get_name(self) -> str:
        return self.original_name

    def extra_repr(self) -> str:
        """The name of the class it was made from."""
        return f"original_name={self.original_name}"

    # -- what scripts see -----------------------------------------------------------------------------------------------

    def script_attribute(self, name: str) -> Any:
        """A member for scripts; AttributeError where there is none."""
        for members in (self._parameters, self._buffers, self._modules):
            if name in members:
                return members[name]
        if name in self._attributes or name == "training":
            return self.__dict__[name]
        if name in self._programs:
            program = self._programs[name]
            return program(self) if name in self._properties else Bound(self, program)
        if name in ("train", "eval"):
            return getattr(self, name)
        raise AttributeError(f"{self.original_name} has no attribute {name!r}")

    def script_set(self, name: str, value: Any) -> None:
        """`self.name = value` in a script: of what the module has already."""
        setter = self._programs.get(setter_of(name))
        if setter is not None:
            setter(self, value)
            return
        known = (self._parameters, self._buffers, self._attributes)
        if not any(name in members for members in known) and name != "training":
            raise AttributeError(
                f"{self.original_name} has no attribute {name!r}; scripts set those made in __init__"
            )
        setattr(self, name, value)

    # -- what users ask -------------------------------------------------------------------------------------------------

    @property
    def code(self) -> str:
        """`forward` as text."""
        return self._programs["forward"].text if "forward" in self._programs else ""

    @property
    def graph(self) -> Any:
        """A traced module's `graph.Graph`; a scripted one's program is a tree, which `code` shows."""
        return getattr(self._programs.get("forward"), "graph", None) or self.code

    def save(self, f: Any, _extra_files: dict[str, Any] | None = None) -> None:
        """Writes the module with its programs to a file that `jit.load` reads."""
        from .archive import save

        save(self, f, _extra_files)

    def __reduce__(self) -> Any:
        raise TypeError("scripted modules are saved by jit.save, not pickled")

    def __deepcopy__(self, memo: dict[int, Any]) -> ScriptModule:
        import copy

        made = ScriptModule(self.original_name)
        memo[id(self)] = made
        for name, value in self.__dict__.items():
            if name == "_programs":
                made.__dict__[name] = dict(value)
            else:
                made.__dict__[name] = value if name == "_library" else copy.deepcopy(value, memo)
        return made


class ScriptFunction:
    """A function made by `jit.script`, `jit.trace` or `jit.load`: called as the original; `code` shows its program."""

    def __init__(self, program: Any, library: Any = None) -> None:
        self.program, self.library = program, library
        self.name = self.__name__ = program.name
        self.__doc__ = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.program(*args, **kwargs)

    @property
    def code(self) -> str:
        """The program as text."""
        return self.program.text

    @property
    def graph(self) -> Any:
        """A traced function's `graph.Graph`; a scripted one's program is a tree, which `code` shows."""
        return getattr(self.program, "graph", None) or self.code

    def save(self, f: Any, _extra_files: dict[str, Any] | None = None) -> None:
        """Writes the function to a file that `jit.load` reads."""
        from .archive import save

        save(self, f, _extra_files)

    def __deepcopy__(self, memo: Any) -> ScriptFunction:
        return self

    def __repr__(self) -> str:
        return f"<scripted function {self.name}>"
