"""The folder of plain C: header, program, weights, an example with its Makefile."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from .._base.errors import MissingRule
from ..ir.text import C_TYPES
from .functions import Step
from .lower import Lowering
from .memory import ALIGN, Buffer, Ref
from .text import plain_c

# Weights with more numbers than this are not written as short as they can be, which takes a microsecond a number.
SHORT = 1 << 16
# Numbers in one file: for a million of them a compiler takes some 270 MB and two seconds.
PER_FILE = 1 << 20
# In the first line of every file that is written, so that it may be written again.
MARK = "written by flambeau.export"
TAKEN = ("main", "weights")  # files beside the model's own


def identifier(name: str, caller: str) -> str:
    """A name that C functions may begin with."""
    if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) or name in TAKEN:
        raise ValueError(
            f"{caller}: name must be a C identifier other than {' and '.join(TAKEN)}, but got {name!r}"
        )
    return name


def open_folder(caller: str, out: Path, files: Iterable[str]) -> None:
    """Makes the folder. FileExistsError where one of `files` is there and is no export's."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise FileExistsError(f"{caller}: {str(out)!r} is a file; give a folder") from None
    for path in (out / file for file in files):
        if path.exists() and not _is_ours(path):
            raise FileExistsError(
                f"{caller}: {str(path)!r} was not {MARK}, and would be lost; give a folder of the model's own"
            )


def _is_ours(path: Path) -> bool:
    with open(path, errors="replace") as file:
        return MARK in file.readline()


# -- the program -------------------------------------------------------------------------------------------------------


def signature(low: Lowering, name: str, loaded: bool = False) -> str:
    """The head of the function that runs the program."""
    params = [f"{name}_arena *arena"]
    params += ["const void *weights"] if loaded else []
    params += [f"const {C_TYPES[low.kind(v)]} *x{i}" for i, v in enumerate(low.graph.inputs)]
    params += [f"{C_TYPES[low.kind(v)]} *y{i}" for i, v in enumerate(low.graph.outputs)]
    return f"int {name}_run({', '.join(params)})"


def header(low: Lowering, name: str, loaded: bool = False) -> str:
    """model.h: sizes, the arena's type, the one function."""
    upper = name.upper()
    inputs = [f" *   x{i}: {v.meta}" for i, v in enumerate(low.graph.inputs)]
    outputs = [f" *   y{i}: {v.meta}" for i, v in enumerate(low.graph.outputs)]
    sizes = [
        f"#define {upper}_{kind}{i} {v.meta.numel} /* elements of {kind.lower()}{i} */"
        for kind, values in (("X", low.graph.inputs), ("Y", low.graph.outputs))
        for i, v in enumerate(values)
    ]
    extra = [" *   weights: the contents of the file of weights"] if loaded else []
    return "\n".join([
        f"/* {name}: {MARK}. All arrays lie row by row and do not overlap.",
        *extra, *inputs, *outputs,
        " * The arena is scratch memory: nothing in it outlives a call, and calls with arenas of their own may run at once.",
        f" * {name}_run returns 0, or 1 if an index was out of range (the nearest element was used instead)"
        + (", or -1 if no thread could be started." if not loaded else "."),
        " */",
        f"#ifndef {upper}_H", f"#define {upper}_H", "", "#include <stdbool.h>", "#include <stdint.h>", "",
        f"#define {upper}_ARENA {max(low.arena, 1)} /* bytes */", *sizes, "",
        "typedef union {", f"  unsigned char bytes[{upper}_ARENA];", "  double number;", "  int64_t whole;",
        f"}} {name}_arena;", "", "#ifdef __cplusplus", 'extern "C" {', "#endif", "",
        f"{signature(low, name, loaded)};", "", "#ifdef __cplusplus", "}", "#endif", "#endif", "",
    ])  # fmt: skip


def program(low: Lowering, name: str, loaded: bool = False, prelude: str | None = None) -> str:
    """model.c: the functions and the list of steps. With `loaded` weights are at offsets of one block of memory.

    `prelude` stands before the functions in the place of plain C's spelling of the scalar functions.
    """
    functions = "\n".join(text.replace("@", n, 1) for text, n in low.functions.items())
    helpers: list[str] = []
    if prelude is None:
        functions, helpers = plain_c(functions)
    used = _used(low)
    weights = [b for b in used if b.kind == "weight"]
    first = f"/* {name}: {MARK}. */"
    head = [f'#include "{name}.h"', "", "#include <math.h>", ""]
    if not loaded:
        head += [f"extern const {C_TYPES[b.dtype]} {name}_w{b.index}[{b.size}];" for b in weights]
    body = [_pointer(b, name, loaded) for b in used]
    body = [line for line in body if line]
    steps = [line for s in low.steps for line in _step(s, low, name)]
    unused = ["(void)arena;"] if not any(b.kind == "arena" for b in used) else []
    unused += ["(void)weights;"] if loaded and not weights else []
    inputs = [f"x{i}" for i in range(len(low.graph.inputs))]
    read = {b.index for b in used if b.kind == "input"}
    unused += [f"(void){x};" for i, x in enumerate(inputs) if i not in read]
    indent = lambda lines: ["  " + t for t in lines]  # noqa: E731
    run = signature(low, name, loaded)
    ending = [
        *indent([*unused, *body]),
        *(["  int wrong = 0, *const bad = &wrong;"] if low.checked else []),
        *indent(steps),
        f"  return {'wrong' if low.checked else '0'};",
        "}",
        "",
    ]
    if loaded:
        middle = [prelude] if prelude else helpers
        return "\n".join([first, *head, *middle, "", functions, _SINGLE, f"{run} {{", *ending])
    given = _params(low, name)
    names = [p.rpartition(" ")[2].lstrip("*") for p in given]
    words = {
        "name": name,
        "upper": name.upper(),
        "fields": "\n".join(f"  {p};" for p in given),
        "run": run,
        "values": ", ".join(names),
        "taken": ", ".join(f"job->{n}" for n in names),
    }
    opening = [
        f"#ifdef {name.upper()}_THREADS",
        _TEAM.format(**words),
        "#else",
        _SINGLE,
        "#endif",
        "",
        f"static int {name}_steps({', '.join(given)} TEAM) {{",
    ]
    closing = [
        f"#ifdef {name.upper()}_THREADS",
        _THREADED.format(**words),
        "#else",
        f"{run} {{",
        f"  return {name}_steps({', '.join(names)});",
        "}",
        "#endif",
        "",
    ]
    posix = f"#ifdef {name.upper()}_THREADS\n#define _POSIX_C_SOURCE 200112L\n#include <pthread.h>\n#endif"
    return "\n".join(
        [first, posix, *head, "", *helpers, "", functions, *opening, *ending, *closing]
    )


def _params(low: Lowering, name: str) -> list[str]:
    head = signature(low, name)
    return head[head.index("(") + 1 : -1].split(", ")


_SINGLE = """/* One thread: every step does all of its parts. */
#define TEAM
#define FROM(parts) 0
#define TO(parts) (parts)
#define ALONE
#define MEET"""

_TEAM = """/* {upper}_THREADS threads do every step together: each a share of its parts, and all meet behind it. */
typedef struct {{
  pthread_mutex_t lock;
  pthread_cond_t all;
  int present, round, started;
{fields}
}} {name}_job;

static void {name}_meet({name}_job *job) {{
  pthread_mutex_lock(&job->lock);
  const int round = job->round;
  if (++job->present == {upper}_THREADS) {{
    job->present = 0;
    ++job->round;
    pthread_cond_broadcast(&job->all);
  }}
  while (round == job->round) pthread_cond_wait(&job->all, &job->lock);
  pthread_mutex_unlock(&job->lock);
}}

#define TEAM , {name}_job *job, int thread
#define FROM(parts) ((parts) * thread / {upper}_THREADS)
#define TO(parts) ((parts) * (thread + 1) / {upper}_THREADS)
#define ALONE if (thread == 0)
#define MEET {name}_meet(job);"""

_THREADED = """typedef struct {{
  {name}_job *job;
  int thread, bad;
}} {name}_seat;

static void *{name}_work(void *given) {{
  {name}_seat *seat = given;
  {name}_job *job = seat->job;
  /* No step before every thread is there: if one could not be started, none runs. */
  pthread_mutex_lock(&job->lock);
  while (!job->started) pthread_cond_wait(&job->all, &job->lock);
  const int go = job->started;
  pthread_mutex_unlock(&job->lock);
  if (go > 0) seat->bad = {name}_steps({taken}, job, seat->thread);
  return 0;
}}

{run} {{
  {name}_job job = {{PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, 0, {values}}};
  {name}_seat seats[{upper}_THREADS];
  pthread_t others[{upper}_THREADS];
  int started = 1, bad = 0;
  for (int i = 0; i < {upper}_THREADS; ++i) {{
    seats[i].job = &job;
    seats[i].thread = i;
    seats[i].bad = 0;
  }}
  while (started < {upper}_THREADS && !pthread_create(&others[started], 0, {name}_work, &seats[started])) ++started;
  pthread_mutex_lock(&job.lock);
  job.started = started == {upper}_THREADS ? 1 : -1;
  pthread_cond_broadcast(&job.all);
  pthread_mutex_unlock(&job.lock);
  {name}_work(&seats[0]);
  for (int i = 1; i < started; ++i) pthread_join(others[i], 0);
  for (int i = 0; i < {upper}_THREADS; ++i) bad |= seats[i].bad;
  return job.started < 0 ? -1 : bad;
}}"""


def _used(low: Lowering) -> list[Buffer]:
    """The buffers that steps read or write, in order of first use."""
    found: dict[int, Buffer] = {}
    for step in low.steps:
        for ref in step.args:
            found.setdefault(id(ref.buffer), ref.buffer)
    for i, b in enumerate(b for b in found.values() if b.kind == "arena"):
        b.index = i
    return list(found.values())


def _name(b: Buffer, name: str, loaded: bool) -> str:
    if b.kind == "weight":
        return f"w{b.index}" if loaded else f"{name}_w{b.index}"
    return {"arena": "v", "input": "x", "output": "y"}[b.kind] + str(b.index)


def _pointer(b: Buffer, name: str, loaded: bool) -> str:
    kind = C_TYPES[b.dtype]
    if b.kind == "arena":
        # By way of void *: the arena's type is aligned for all of these.
        return f"{kind} *const v{b.index} = ({kind} *)(void *)(arena->bytes + {b.offset}); /* {b.size} */"
    if b.kind == "weight" and loaded:
        return f"const {kind} *const w{b.index} = (const {kind} *)(const void *)((const char *)weights + {b.offset});"
    return ""


def _step(step: Step, low: Lowering, name: str) -> list[str]:
    loaded = low.weights_loaded

    def argument(ref: Ref) -> str:
        text = _name(ref.buffer, name, loaded)
        return f"{text} + {ref.offset}" if ref.offset else text

    args = [argument(r) for r in step.args]
    text = next(t for t, n in low.functions.items() if n == step.function)
    if "int *bad" in text.partition("{")[0]:
        args.append("bad")
    alone = ""
    if step.extent > 1:
        args += [f"FROM({step.extent})", f"TO({step.extent})"]
    else:
        alone = "ALONE "
    return [f"{alone}{step.function}({', '.join(args)}); /* {step.label} */", "MEET"]


# -- weights -----------------------------------------------------------------------------------------------------------


def weights_c(buffers: Sequence[Buffer], name: str) -> str:
    """weights.c: every known array as data."""
    first = f"/* Weights of {name}: {MARK}. */"
    lines = [first, "#include <math.h>", "#include <stdbool.h>", "#include <stdint.h>", ""]
    for b in buffers:
        kind = C_TYPES[b.dtype]
        lines += [
            f"extern const {kind} {name}_w{b.index}[{b.size}];",
            f"const {kind} {name}_w{b.index}[{b.size}] = {{",
            *_rows(b.array),
            "};",
        ]
    if not buffers:
        lines.append(f"typedef int {name}_has_no_weights;")
    return "\n".join(lines) + "\n"


def _rows(array: np.ndarray) -> list[str]:
    flat = array.reshape(-1)
    if flat.dtype.kind == "f":
        digits, suffix = (9, "f") if flat.dtype == np.float32 else (17, "")
        if flat.size > SHORT and np.isfinite(flat).all():
            form = ", ".join([f"%.{digits - 1}e{suffix}"] * 12)
            whole = flat.size - flat.size % 12
            rows = [form % tuple(r) + "," for r in flat[:whole].reshape(-1, 12).tolist()]
            return [*rows, *_rows(flat[whole:])]
        words = [_float(v, digits, suffix) for v in flat.tolist()]
    elif flat.dtype.kind == "b":
        words = ["1" if v else "0" for v in flat.tolist()]
    else:
        words = [str(v) if v != -(2**63) else "INT64_MIN" for v in flat.tolist()]
    each = 12 if flat.dtype.kind == "f" else 24
    return [", ".join(words[i : i + each]) + "," for i in range(0, len(words), each)]


def _parts(buffers: Sequence[Buffer]) -> list[list[Buffer]]:
    """Weights by file."""
    parts: list[list[Buffer]] = [[]]
    for b in buffers:
        if parts[-1] and sum(c.size for c in parts[-1]) + b.size > PER_FILE:
            parts.append([])
        parts[-1].append(b)
    return parts


def _float(v: float, digits: int, suffix: str) -> str:
    if v != v:
        return "NAN"
    if v in (float("inf"), float("-inf")):
        return "INFINITY" if v > 0 else "-INFINITY"
    text = f"{v:.{digits}g}"
    return text + ("" if "." in text or "e" in text else ".") + suffix


# -- the example -------------------------------------------------------------------------------------------------------


def main_c(low: Lowering, name: str) -> str:
    """main.c: reads the inputs as text, from a file or the standard input, and prints the outputs."""
    upper = name.upper()
    inputs, outputs = list(enumerate(low.graph.inputs)), list(enumerate(low.graph.outputs))
    declared = [f"static {C_TYPES[low.kind(v)]} x{i}[{upper}_X{i}];" for i, v in inputs]
    declared += [f"static {C_TYPES[low.kind(v)]} y{i}[{upper}_Y{i}];" for i, v in outputs]
    reads = [
        line
        for i, v in inputs
        for line in (
            f"  for (int i = 0; i < {upper}_X{i}; ++i) {{",
            f"    if (fscanf(from, \"%lf\", &number) != 1) return fputs(\"expected {upper}_X{i} numbers for x{i}\\n\", stderr), 2;",
            f"    x{i}[i] = ({C_TYPES[low.kind(v)]})number;",
            "  }",
        )
    ]  # fmt: skip
    prints = []
    for i, v in outputs:
        whole = not low.kind(v).startswith("float")
        shown = f"(long)y{i}[i]" if whole else f"(double)y{i}[i]"
        form = "%ld" if whole else "%.9g"
        prints.append(f'  for (int i = 0; i < {upper}_Y{i}; ++i) printf("{form}\\n", {shown});')
    call = ", ".join(["&arena", *[f"x{i}" for i, _ in inputs], *[f"y{i}" for i, _ in outputs]])
    return "\n".join([
        f"/* An example, {MARK}: reads numbers, runs the model, prints what it gives.",
        " * ./main numbers.txt, or numbers from the standard input. */",
        "#include <stdio.h>", "", f'#include "{name}.h"', "", f"static {name}_arena arena;", *declared, "",
        "int main(int count, char **words) {", "  double number;",
        '  FILE *from = count > 1 ? fopen(words[1], "r") : stdin;',
        '  if (!from) return fputs("cannot open the file of numbers\\n", stderr), 2;', *reads,
        f"  if ({name}_run({call})) return fputs(\"an index is out of range\\n\", stderr), 1;", *prints,
        "  return 0;", "}", "",
    ])  # fmt: skip


MAKEFILE = """# {mark}
# make; make NATIVE=1 for this processor only; make THREADS=4 for threads; make SMALL=1 for little code; make sizes
CC ?= cc
SIZE ?= size
ifdef SMALL
CFLAGS ?= -Os
else
CFLAGS ?= {level}
endif
FLAGS = -std=c99 -Wall -Wextra -Werror -pedantic -ffp-contract={contract} -fno-math-errno -fno-trapping-math $(CFLAGS)
ifdef NATIVE
FLAGS += -march=native
endif
ifdef THREADS
FLAGS += -D{upper}_THREADS=$(THREADS) -pthread
endif

WEIGHTS = $(patsubst %.c,%.o,$(wildcard weights*.c))

main: main.c {name}.o $(WEIGHTS)
\t$(CC) $(FLAGS) -o $@ $^ -lm

%.o: %.c {name}.h
\t$(CC) $(FLAGS) -c -o $@ $<

# What a program takes that calls the model: without main.c and libm.
sizes: {name}.o $(WEIGHTS)
\t@$(SIZE) -t $^ | awk 'END {{ print "flash " $$1 + $$2 " bytes (code, constants and weights)" }}'
\t@awk '$$2 == "{upper}_ARENA" {{ print "RAM " $$3 " bytes (the arena)" }}' {name}.h

clean:
\trm -f main *.o

.PHONY: clean sizes
"""


def write_folder(low: Lowering, name: str, out: Path, small: bool) -> dict[str, Path]:
    """Writes all files; which is where."""
    weights = [b for b in _used(low) if b.kind == "weight"]
    for i, b in enumerate(weights):
        b.index = i
    if any(b.kind not in ("weight",) and b.size == 0 for b in _used(low)):
        raise MissingRule("export.c99: an array has no elements")
    texts = {
        f"{name}.h": header(low, name),
        f"{name}.c": program(low, name),
        **{
            f"weights{i or ''}.c": weights_c(part, name) for i, part in enumerate(_parts(weights))
        },
        "main.c": main_c(low, name),
        "Makefile": MAKEFILE.format(mark=MARK, name=name, upper=name.upper(), level="-Os" if small else "-O3", contract="fast"),
    }  # fmt: skip
    open_folder("export.c99", out, texts)
    for old in out.glob("weights*.c"):  # of an export of more of them
        if _is_ours(old):
            old.unlink()
    for file, text in texts.items():
        (out / file).write_text(text)
    return {file: out / file for file in texts}


def lay_out(buffers: Sequence[Buffer]) -> int:
    """Gives weights their places in one file; its size."""
    at = 0
    for i, b in enumerate(buffers):
        b.index, b.offset = i, at
        at = -(-(at + b.bytes) // ALIGN) * ALIGN
    return at
