"""The compiled libraries of a process as bytes, to spare another process on a like machine their compilation.

An archive holds entries of the cache under their own names, which depend on text, processor and compiler: what does not fit
is never looked for. It holds machine code: whoever loads one trusts its writer with everything. The checks here find
damage, not malice.
"""

from __future__ import annotations

import io
import os
import re
import zipfile

from . import cache, library

_ENTRY = re.compile(r"[0-9a-f]{32}\.so")


def collect() -> tuple[bytes, list[str]]:
    """An archive of what this process has loaded from the cache, and the entries' names."""
    state = library._state
    places = {library._place(state, source, flags) for source, flags in list(state.loaded)}
    found = sorted(place for place in places if cache.is_whole(place))
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        for place in found:
            archive.write(place, place.name)
    return memory.getvalue(), [place.name for place in found]


def place(data: bytes) -> list[str]:
    """Puts an archive's entries into the cache; their names. ValueError for what is no such archive, nothing written."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            if strange := [name for name in names if not _ENTRY.fullmatch(name)]:
                raise ValueError(f"not an archive of compiled kernels: it has {strange[0]!r}")
            entries = {name: archive.read(name) for name in names}
    except (zipfile.BadZipFile, EOFError) as error:
        raise ValueError(f"not an archive of compiled kernels: {error}") from None
    folder, _ = cache.folder()
    with cache.scratch(folder) as scratch:
        for name, content in entries.items():
            made = scratch / name
            made.write_bytes(content)
            if not cache.is_whole(made):
                raise ValueError(f"the entry {name} of the archive is damaged")
        for name in entries:
            os.chmod(scratch / name, 0o700)
            cache.publish(scratch / name, folder / name)
    return names
