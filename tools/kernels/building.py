"""One program of all recorded kernels (`recording.py`) and `replay.c`, by any compiler for any processor."""

from __future__ import annotations

import collections
import json
import pathlib
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

HERE = pathlib.Path(__file__).parent
COMMON = (
    "-std=gnu11", "-pthread", "-fno-math-errno", "-fno-trapping-math", "-fwrapv", "-fopenmp-simd",
)  # fmt: skip
BY_HAND = "-ffp-contract=fast"
GENERATED = "-ffp-contract=off"
NESTS_A_FILE = 20


def program(
    record: pathlib.Path,
    folder: pathlib.Path,
    command: list[str],
    link: list[str],
    prefix: str = "",
) -> pathlib.Path:
    """Compiles what `record` holds with `command` into `folder`; `prefix` is that of the binary tools."""
    folder.mkdir(parents=True, exist_ok=True)
    about = json.loads((record / "functions.json").read_text())
    functions = about["functions"]
    files: dict[str, tuple[str, str, list[str]]] = {"pool": (about["pool"], GENERATED, [])}
    nests = [(k, f) for k, f in enumerate(functions) if not f["file"]]
    for first in range(0, len(nests), NESTS_A_FILE):
        texts = [
            re.sub(rf"\b{f['name']}(_finish)?\(", rf"nest_{k}\1(", f["text"])
            for k, f in nests[first : first + NESTS_A_FILE]
        ]
        files[f"nests{first}"] = "\n".join([about["math"], *texts]), GENERATED, []
    of_file = collections.defaultdict(list)
    for f in functions:
        if f["file"]:
            of_file[f["file"], f["dtype"]].append(f)
    for (file, dtype), found in of_file.items():
        name = f"{file.removesuffix('.c')}_{dtype}"
        text = found[0]["source"]
        files[name] = (
            text,
            BY_HAND,
            [*re.findall(r"^(?:EXPORT|VISIBLE) \w+ (\w+)\(", text, re.MULTILINE), "fb_bind"],
        )
    binder = [f"{file.removesuffix('.c')}_{dtype}_fb_bind" for file, dtype in of_file]
    (folder / "calls.h").write_text(table(functions, binder))

    def compiled(name: str) -> str:
        text, flag, renamed = files[name]
        text = f"// {' '.join(command)}\n{text}"
        source, made = folder / f"{name}.c", folder / f"{name}.o"
        if made.exists() and source.exists() and source.read_text() == text:
            return str(made)  # of an earlier run with this compiler
        made.unlink(missing_ok=True)
        source.write_text(text)
        subprocess.run([*command, *COMMON, flag, "-c", "-o", str(made), str(source)], check=True)
        if renamed:
            renames = [f"--redefine-sym={r}={name}_{r}" for r in renamed]
            subprocess.run([f"{prefix}objcopy", *renames, str(made)], check=True)
        return str(made)

    with ThreadPoolExecutor(2) as pool:
        objects = list(pool.map(compiled, files))
    made = folder / "replay"
    main = [*command, *COMMON, f"-I{folder}", "-o", str(made), str(HERE / "replay.c")]
    subprocess.run([*main, *objects, *link, "-lm"], check=True)
    return made


def table(functions: list[dict], binders: list[str]) -> str:
    """`calls.h`: the functions' names, and a call of each from the words of a record."""
    names, declared, cases = [], [], []
    for k, f in enumerate(functions):
        if not f["file"]:
            names.append(f"nest {k}")
            declared.append(
                f"void nest_{k}(void *const *, const double *, const int64_t *, const int64_t *, int64_t, int64_t);"
            )
            cases.append(
                f"  case {k}: fb_run(nest_{k}, p + 5, p[2], p[3], p[4], n[0], n[1]); return 0;"
            )
            continue
        name = f"{f['file'].removesuffix('.c')}_{f['dtype']}_{f['name']}"
        names.append(name)
        element = (
            "double"
            if f["dtype"] == "float64"
            else "float"
            if f["dtype"] == "float32"
            else f["dtype"] + "_t"
        )
        types, words = [], []
        for i, argument in enumerate(f["declared"]):
            kind = argument.replace("const", "").split()[0]
            kind = element if kind == "T" else kind
            if "*" in argument:
                types.append("void *")
                words.append(f"p[{i}]")
            else:
                types.append(kind)
                words.append(f"d[{i}]" if kind in ("float", "double") else f"n[{i}]")
        result = f.get("result", "void")
        declared.append(f"{result} {name}({', '.join(types)});")
        made = f"{name}({', '.join(words)})"
        cases.append(
            f"  case {k}: return {made};" if f["returns"] else f"  case {k}: {made}; return 0;"
        )
    lines = [f"#define FUNCTIONS {len(functions)}", "static const char *const names[] = {"]
    lines += [f'  "{name}",' for name in names] + ["};"]
    lines += declared + [f"void {b}(const void *);" for b in binders]
    lines += [
        "static void bind_all(const void *services) {",
        *[f"  {b}(services);" for b in binders],
        "}",
    ]
    lines += [
        "static int64_t invoke(int64_t function, void **p, const int64_t *n, const double *d, int64_t words) {",
        "  (void)words;",
    ]
    lines += ["  switch (function) {", *cases, "  }", "  abort();", "}"]
    return "\n".join(lines) + "\n"
