"""Models described by a file `hubconf.py`, and files by address: `torch.hub`.

Local folders work as in PyTorch. Nothing is ever downloaded: where PyTorch would, an error says which file to put where,
and a file that is there already is used.
"""

from __future__ import annotations

import builtins
import hashlib
import importlib.util
import os
import pathlib
import re
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any
from urllib.parse import urlparse

ENV_TORCH_HOME = "TORCH_HOME"
HASH_REGEX = re.compile(r"-([a-f0-9]*)\.")
MODULE_HUBCONF = "hubconf.py"
READ_DATA_CHUNK = 1 << 17

_folder: str | None = None


def get_dir() -> str:
    """The folder of hub files: what `set_dir` said, else `hub` below TORCH_HOME, else `~/.cache/torch/hub`."""
    if _folder is not None:
        return _folder
    home = os.environ.get(ENV_TORCH_HOME) or os.path.join(
        os.environ.get("XDG_CACHE_HOME", "~/.cache"), "torch"
    )
    return os.path.join(os.path.expanduser(home), "hub")


def set_dir(d: str | os.PathLike[str]) -> None:
    """Sets the folder of hub files."""
    global _folder
    _folder = os.path.expanduser(os.fspath(d))


def _described(folder: str) -> ModuleType:
    file = os.path.join(folder, MODULE_HUBCONF)
    if not os.path.isfile(file):
        raise FileNotFoundError(f"hub: there is no {MODULE_HUBCONF} in {folder!r}")
    spec = importlib.util.spec_from_file_location(MODULE_HUBCONF, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, folder)
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(folder)
    lacking = [
        name
        for name in getattr(module, "dependencies", ())
        if importlib.util.find_spec(name) is None
    ]
    if lacking:
        raise RuntimeError(f"Missing dependencies: {', '.join(lacking)}")
    return module


def _place(repo_or_dir: str, source: str) -> str:
    if source.lower() not in ("github", "local"):
        raise ValueError(f'Unknown source: "{source}". Allowed values: "github" | "local".')
    if source.lower() == "local":
        return repo_or_dir
    found = re.fullmatch(r"([^/:]+)/([^/:]+)(?::(.+))?", repo_or_dir)
    if found is None:
        raise ValueError(f"hub: {repo_or_dir!r} is not owner/name or owner/name:ref")
    owner, name, ref = found.groups()
    candidates = [f"{owner}_{name}_{r.replace('/', '_')}" for r in ([ref] if ref else ["main", "master"])]
    for candidate in candidates:
        if os.path.isdir(os.path.join(get_dir(), candidate)):
            return os.path.join(get_dir(), candidate)
    raise RuntimeError(
        f"hub: flambeau downloads nothing, and {repo_or_dir} is not in {get_dir()}; put the repository's files into"
        f" {os.path.join(get_dir(), candidates[0])}, or load them with source='local'"
    )


def _entry(module: ModuleType, name: str) -> Any:
    entry = getattr(module, name, None)
    if not callable(entry):
        raise RuntimeError(f"Cannot find callable {name} in hubconf")
    return entry


def list(
    github: str,
    force_reload: bool = False,
    skip_validation: bool = False,
    trust_repo: Any = None,
    verbose: bool = True,
) -> builtins.list[str]:
    """The names of the models that a repository describes."""
    module = _described(_place(github, "github"))
    return [name for name in dir(module) if callable(getattr(module, name)) and not name.startswith("_")]


def help(
    github: str,
    model: str,
    force_reload: bool = False,
    skip_validation: bool = False,
    trust_repo: Any = None,
) -> Any:
    """The documentation of a model that a repository describes."""
    return _entry(_described(_place(github, "github")), model).__doc__


def load(
    repo_or_dir: str,
    model: str,
    *args: Any,
    source: str = "github",
    trust_repo: Any = None,
    force_reload: bool = False,
    verbose: bool = True,
    skip_validation: bool = False,
    **kwargs: Any,
) -> Any:
    """What `model(*args, **kwargs)` of the `hubconf.py` in a folder (source="local") or in the hub's copy gives.

    The file is Python and is executed: load only what you trust. FileNotFoundError without a hubconf.py, RuntimeError
    where the model or one of the file's `dependencies` is missing.
    """
    return _entry(_described(_place(repo_or_dir, source)), model)(*args, **kwargs)


def download_url_to_file(
    url: str, dst: str, hash_prefix: str | None = None, progress: bool = True
) -> None:
    """Copies a `file:` address to `dst`. Anything else is refused with RuntimeError: flambeau downloads nothing.

    `hash_prefix` is what the file's SHA-256 must begin with.
    """
    parts = urlparse(url)
    if parts.scheme != "file":
        raise RuntimeError(
            f"hub: flambeau downloads nothing; fetch {url} yourself and put it at {dst}"
        )
    data = pathlib.Path(parts.path).read_bytes()
    _check_hash(data, hash_prefix, url)
    partly = pathlib.Path(f"{os.fspath(dst)}.partial")
    partly.write_bytes(data)
    os.replace(partly, dst)


def _check_hash(data: bytes, prefix: str | None, name: str) -> None:
    digest = hashlib.sha256(data).hexdigest()
    if prefix and not digest.startswith(prefix):
        raise RuntimeError(f'invalid hash value of {name} (expected "{prefix}", got "{digest}")')


def load_state_dict_from_url(
    url: str,
    model_dir: str | None = None,
    map_location: Any = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
    weights_only: bool = False,
) -> Mapping[str, Any]:
    """The checkpoint that has been put where PyTorch would keep it: `model_dir`, or `checkpoints` in the hub's folder.

    RuntimeError, which says the place, if it is not there: flambeau downloads nothing. The file is read as `load` reads
    it, so that nothing in it is executed; `weights_only` changes nothing.
    """
    from .serialization import load as load_file

    folder = model_dir or os.path.join(get_dir(), "checkpoints")
    name = file_name or os.path.basename(urlparse(url).path)
    path = os.path.join(folder, name)
    found = HASH_REGEX.search(name) if check_hash else None
    prefix = found[1] if found else None
    if not os.path.exists(path):
        os.makedirs(folder, exist_ok=True)
        download_url_to_file(url, path, prefix, progress)
    elif prefix:
        _check_hash(pathlib.Path(path).read_bytes(), prefix, name)
    loaded: Mapping[str, Any] = load_file(path, map_location=map_location)
    return loaded
