"""Models described by a file `hubconf.py`, in a folder or on GitHub, and checkpoints by their address: `torch.hub`.

A `hubconf.py` is a program and is run: load only what you trust. Checkpoints are read as `flambeau.load` reads them.
Files come to their place whole, checked, or not at all.
"""

from __future__ import annotations

import builtins
import contextlib
import errno
import hashlib
import importlib.util
import json
import os
import re
import shutil
import sys
import tempfile
import time
import uuid
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlparse
from urllib.request import Request, urlopen

__all__ = [
    "download_url_to_file",
    "get_dir",
    "help",
    "list",
    "load",
    "load_state_dict_from_url",
    "set_dir",
]

ENV_TORCH_HOME = "TORCH_HOME"
ENV_GITHUB_TOKEN = "GITHUB_TOKEN"  # noqa: S105  (the name of a variable)
HASH_REGEX = re.compile(r"-([a-f0-9]*)\.")
MODULE_HUBCONF = "hubconf.py"
READ_DATA_CHUNK = 1 << 17
_TRUSTED_OWNERS = ("facebookresearch", "facebookincubator", "pytorch", "fairinternal")
_GITHUB = "https://github.com"
_GITHUB_API = "https://api.github.com"
_SILENCE = 60.0  # seconds without a byte after which a server is given up

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


# -- models --------------------------------------------------------------------------------------------------------------


def list(
    github: str,
    force_reload: bool = False,
    skip_validation: bool = False,
    trust_repo: Any = "check",
    verbose: bool = True,
) -> builtins.list[str]:
    """The names of the models that the repository ``owner/name[:branch or tag]`` describes."""
    folder = _repository(github, force_reload, trust_repo, verbose, skip_validation)
    with _described(folder) as module:
        return [n for n in dir(module) if callable(getattr(module, n)) and not n.startswith("_")]


def help(
    github: str,
    model: str,
    force_reload: bool = False,
    skip_validation: bool = False,
    trust_repo: Any = "check",
) -> str | None:
    """The documentation of a model that a repository describes."""
    folder = _repository(github, force_reload, trust_repo, True, skip_validation)
    with _described(folder) as module:
        return _entry(module, model).__doc__


def load(
    repo_or_dir: str,
    model: str,
    *args: Any,
    source: str = "github",
    trust_repo: Any = "check",
    force_reload: bool = False,
    verbose: bool = True,
    skip_validation: bool = False,
    **kwargs: Any,
) -> Any:
    """What ``model(*args, **kwargs)`` of a `hubconf.py` gives: of a folder (``source="local"``) or of a repository.

    - A repository ``owner/name[:branch or tag]`` is downloaded from GitHub to `get_dir()`, once, unless `force_reload`.
    - `trust_repo`: ``"check"`` asks before a repository is downloaded that is not known yet, False asks always, True
      never. Whom you trust is noted in ``trusted_list``.
    - Whether the branch is the repository's own, not one of somebody's fork, is looked up unless `skip_validation`.

    FileNotFoundError without a `hubconf.py`, RuntimeError where the model or one of the file's `dependencies` is missing.
    """
    if source.lower() not in ("github", "local"):
        raise ValueError(f'Unknown source: "{source}". Allowed values: "github" | "local".')
    folder = repo_or_dir
    if source.lower() == "github":
        folder = _repository(repo_or_dir, force_reload, trust_repo, verbose, skip_validation)
    with _described(folder) as module:
        return _entry(module, model)(*args, **kwargs)


@contextlib.contextmanager
def _described(folder: str) -> Iterator[ModuleType]:
    """The module `hubconf.py` of a folder; what lies beside it can be imported meanwhile."""
    folder = os.path.expanduser(os.fspath(folder))
    path = os.path.join(folder, MODULE_HUBCONF)
    if not os.path.isfile(path):
        raise FileNotFoundError(
            errno.ENOENT, f"hub: there is no {MODULE_HUBCONF} in this folder", folder
        )
    spec = importlib.util.spec_from_file_location(MODULE_HUBCONF, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, folder)
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(folder)


def _entry(module: ModuleType, name: str) -> Any:
    if not isinstance(name, str):
        raise ValueError("Invalid input: model should be a string of function name")
    wanted = getattr(module, "dependencies", None) or ()
    lacking = [d for d in wanted if importlib.util.find_spec(d) is None]
    if lacking:
        raise RuntimeError(f"Missing dependencies: {', '.join(lacking)}")
    entry = getattr(module, name, None)
    if not callable(entry):
        raise RuntimeError(f"Cannot find callable {name} in hubconf")
    return entry


# -- repositories --------------------------------------------------------------------------------------------------------


def _repository(
    github: str, force_reload: bool, trust_repo: Any, verbose: bool, skip_validation: bool
) -> str:
    """The folder of a repository's copy, which is fetched if it is not there."""
    hub = get_dir()
    os.makedirs(hub, exist_ok=True)
    owner, name, ref = _parsed(github)
    label = f"{owner}_{name}_{ref.replace('/', '_')}"
    folder = os.path.join(hub, label)
    _check_trust(owner, name, label, trust_repo)
    if os.path.exists(folder) and not force_reload:
        if verbose:
            sys.stderr.write(f"Using cache found in {folder}\n")
        return folder
    if not skip_validation:
        _check_own_branch(owner, name, ref)
    with tempfile.TemporaryDirectory(dir=hub, prefix=".partial-") as temporary:
        archive = os.path.join(temporary, "archive.zip")
        _fetch_archive(owner, name, ref, archive)
        unpacked = _unpacked(archive, os.path.join(temporary, "files"))
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(unpacked, folder)
    return folder


def _parsed(github: str) -> tuple[str, str, str]:
    found = re.fullmatch(r"([^/:]+)/([^/:]+)(?::(.+))?", github)
    if found is None:
        raise ValueError(f"hub: expected owner/name or owner/name:branch, got {github!r}")
    owner, name, ref = found.groups()
    return owner, name, ref or _default_branch(owner, name)


def _default_branch(owner: str, name: str) -> str:
    """`main` if there is one, else `master`; without a network, that of the copy that is there."""
    try:
        with urlopen(f"{_GITHUB}/{owner}/{name}/tree/main/", timeout=_SILENCE):  # noqa: S310
            return "main"
    except HTTPError as error:
        if error.code == 404:
            return "master"
        raise
    except URLError as error:
        for ref in ("main", "master"):
            if os.path.exists(os.path.join(get_dir(), f"{owner}_{name}_{ref}")):
                return ref
        raise RuntimeError(
            "It looks like there is no internet connection and the "
            f"repo could not be found in the cache ({get_dir()})"
        ) from error


def _check_trust(owner: str, name: str, label: str, trust_repo: Any) -> None:
    """Asks whether code of a stranger may be run, and notes the answer."""
    if trust_repo not in (True, False, None, "check"):
        raise ValueError(f'hub: trust_repo should be True, False or "check", got {trust_repo!r}')
    path = Path(get_dir(), "trusted_list")
    path.touch()
    known = f"{owner}_{name}"
    trusted = (
        known in path.read_text(encoding="utf-8").split()
        or os.path.isdir(os.path.join(get_dir(), label))
        or owner in _TRUSTED_OWNERS
    )
    if trust_repo is False or (trust_repo in ("check", None) and not trusted):
        answer = input(
            f"The repository {known} does not belong to the list of trusted repositories and as such cannot be "
            "downloaded. Do you trust this repository and wish to add it to the trusted list of repositories (y/N)?"
        ).lower()
        if answer in ("n", "no", ""):
            raise PermissionError("Untrusted repository.")
        if answer not in ("y", "yes"):
            raise ValueError(f"Unrecognized response {answer}.")
    if not trusted:
        with open(path, "a", encoding="utf-8") as file:
            file.write(known + "\n")


def _check_own_branch(owner: str, name: str, ref: str) -> None:
    """ValueError unless `ref` is a branch, a tag or a commit at one: GitHub would give a fork's commits too."""
    headers = {"Accept": "application/vnd.github.v3+json"}
    if os.environ.get(ENV_GITHUB_TOKEN):
        headers["Authorization"] = f"token {os.environ[ENV_GITHUB_TOKEN]}"
    for kind in ("branches", "tags"):
        page = 1
        while True:
            url = f"{_GITHUB_API}/repos/{owner}/{name}/{kind}?per_page=100&page={page}"
            found = json.loads(_read(url, headers))
            if not found:
                break
            if any(f["name"] == ref or f["commit"]["sha"].startswith(ref) for f in found):
                return
            page += 1
    raise ValueError(
        f"Cannot find {ref} in https://github.com/{owner}/{name}. "
        "If it's a commit from a forked repo, please call hub.load() with forked repo directly."
    )


def _read(url: str, headers: dict[str, str]) -> bytes:
    def once() -> bytes:
        with urlopen(Request(url, headers=headers), timeout=_SILENCE) as answer:  # noqa: S310
            return answer.read()

    try:
        return once()
    except HTTPError:
        if headers.pop("Authorization", None) is None:
            raise
        return once()  # the token may not be good for this repository


def _fetch_archive(owner: str, name: str, ref: str, path: str) -> None:
    url = f"{_GITHUB}/{owner}/{name}/zipball/{ref}"
    sys.stdout.write(f'Downloading: "{url}" to {path}\n')
    try:
        download_url_to_file(url, path, progress=False)
    except HTTPError as error:
        if error.code != 300:
            raise
        warnings.warn(
            f"The ref {ref} is ambiguous: perhaps it is both a tag and a branch of the repository. It is taken for a "
            "branch; name refs/heads/... or refs/tags/... to say which, with skip_validation=True.",
            stacklevel=5,
        )
        branch = f"{_GITHUB}/{owner}/{name}/zipball/refs/heads/{ref}"
        download_url_to_file(branch, path, progress=False)


def _unpacked(archive: str, into: str) -> str:
    """The one folder in GitHub's archive, unpacked. RuntimeError if the archive names places outside of it."""
    with zipfile.ZipFile(archive) as file:
        names = file.namelist()
        top = names[0].split("/")[0] if names else ""
        for name in names:
            parts = name.replace("\\", "/").split("/")
            if parts[0] != top or ".." in parts or top in ("", "."):
                raise RuntimeError(f"hub: the archive has a file outside of its folder: {name!r}")
        file.extractall(into)
    return os.path.join(into, top)


# -- files ---------------------------------------------------------------------------------------------------------------


def download_url_to_file(
    url: str, dst: str, hash_prefix: str | None = None, progress: bool = True
) -> None:
    """Downloads a file; `dst` appears only when it is complete and its SHA-256 begins with `hash_prefix`.

    `progress` shows a bar on stderr. RuntimeError if the hash is another or the connection ended early,
    `urllib.error.URLError` or HTTPError if there is no such server or file.
    """
    dst = os.path.expanduser(os.fspath(dst))
    partial = f"{dst}.{uuid.uuid4().hex}.partial"
    request = Request(url, headers={"User-Agent": "torch.hub"})  # noqa: S310  (the caller's address, file: too)
    try:
        # The file is opened first: a folder that is not there should not cost a download.
        with open(partial, "xb") as file, urlopen(request, timeout=_SILENCE) as answer:  # noqa: S310
            digest = _copy(answer, file, progress)
        if hash_prefix is not None and not digest.startswith(hash_prefix):
            raise RuntimeError(f'invalid hash value (expected "{hash_prefix}", got "{digest}")')
        os.replace(partial, dst)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(partial)


def _copy(answer: Any, file: Any, progress: bool) -> str:
    """What comes into the file; its SHA-256."""
    length = answer.headers.get("Content-Length")
    total = int(length) if length is not None and length.isdigit() else None
    digest = hashlib.sha256()
    done = 0
    bar = _Bar(total) if progress else None
    try:
        while data := answer.read(READ_DATA_CHUNK):
            file.write(data)
            digest.update(data)
            done += len(data)
            if bar is not None:
                bar.show(done)
    finally:
        if bar is not None:
            bar.close(done)
    # A connection that breaks looks like the end of the file.
    if total is not None and done != total:
        raise RuntimeError(f"download of {answer.url} broke off: {done} of {total} bytes came")
    return digest.hexdigest()


class _Bar:
    """A line on stderr that says how far a download is, ten times a second at most."""

    def __init__(self, total: int | None) -> None:
        self._total, self._began = total, time.monotonic()
        self._shown = 0.0

    def show(self, done: int) -> None:
        now = time.monotonic()
        if now - self._shown >= 0.1:
            self._shown = now
            self._write(done, now)

    def close(self, done: int) -> None:
        self._write(done, time.monotonic())
        sys.stderr.write("\n")
        sys.stderr.flush()

    def _write(self, done: int, now: float) -> None:
        speed = f"{_size(done / max(now - self._began, 1e-3))}B/s"
        if self._total:
            part = min(done / self._total, 1.0)
            bar = "#" * int(part * 30)
            line = f"{part:4.0%}|{bar:<30}| {_size(done)}/{_size(self._total)} [{speed}]"
        else:
            line = f"{_size(done)}B [{speed}]"
        sys.stderr.write(f"\r{line:<70}")
        sys.stderr.flush()


def _size(count: float) -> str:
    """
    >>> _size(1536)
    '1.50k'
    """
    for unit in ("", "k", "M", "G"):
        if count < 1000 or unit == "G":
            break
        count /= 1024
    return f"{count:.0f}" if not unit else f"{count:.2f}{unit}"


def load_state_dict_from_url(
    url: str,
    model_dir: str | None = None,
    map_location: Any = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
    weights_only: bool = False,
) -> Mapping[str, Any]:
    """The checkpoint at an address; it is downloaded to `model_dir` (`checkpoints` in the hub's folder) once.

    `check_hash`: the name ``NAME-HASH.pth`` says how the file's SHA-256 begins. `file_name` is another name for the copy.
    Files are read by `flambeau.load`, which executes nothing in them, whatever `weights_only` says.
    """
    from .serialization import load as load_file

    folder = model_dir or os.path.join(get_dir(), "checkpoints")
    os.makedirs(folder, exist_ok=True)
    name = file_name or os.path.basename(urlparse(url).path)
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        sys.stdout.write(f'Downloading: "{url}" to {path}\n')
        found = HASH_REGEX.search(name) if check_hash else None
        download_url_to_file(url, path, found[1] if found else None, progress=progress)
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as file:
            inside = file.infolist()
        if len(inside) == 1 and not inside[0].is_dir():
            return _zipped(path, inside[0], map_location)
    loaded: Mapping[str, Any] = load_file(path, map_location=map_location)
    return loaded


def _zipped(path: str, inside: zipfile.ZipInfo, map_location: Any) -> Mapping[str, Any]:
    """A checkpoint that somebody has put into a zip file, as was done of old."""
    from .serialization import load as load_file

    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path) as file:
        unpacked = file.extract(inside, folder)
        loaded: Mapping[str, Any] = load_file(unpacked, map_location=map_location)
        return loaded
