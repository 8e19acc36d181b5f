"""The files in a package as a tree that prints itself."""

from __future__ import annotations

from collections.abc import Iterable

from .patterns import GlobGroup, GlobPattern


class Directory:
    """A file or folder in a package; `children` has a folder's by name."""

    def __init__(self, name: str, is_dir: bool) -> None:
        self.name = name
        self.is_dir = is_dir
        self.children: dict[str, Directory] = {}

    def _add(self, path: str) -> None:
        *folders, name = path.split("/")
        place = self
        for folder in folders:
            place = place.children.setdefault(folder, Directory(folder, True))
        place.children[name] = Directory(name, False)

    def has_file(self, filename: str) -> bool:
        """Whether there is a file of that name, folders and all.

        >>> tree = tree_of("p", ["a/b.py"])
        >>> tree.has_file("a/b.py"), tree.has_file("b.py")
        (True, False)
        """
        place = self
        for name in filename.split("/"):
            if name not in place.children:
                return False
            place = place.children[name]
        return True

    def _lines(self, before: str, branch: str) -> list[str]:
        lines = [f"{before}{branch}{self.name}\n"]
        if branch == "├── ":
            before += "│   "
        else:
            before += "    "
        inside = [
            *sorted((c for c in self.children.values() if c.is_dir), key=lambda c: c.name),
            *sorted((c for c in self.children.values() if not c.is_dir), key=lambda c: c.name),
        ]
        for child in inside:
            lines += child._lines(before, "└── " if child is inside[-1] else "├── ")
        return lines

    def __str__(self) -> str:
        return "".join(self._lines("", "─── "))


def tree_of(
    name: str, paths: Iterable[str], include: GlobPattern = "**", exclude: GlobPattern = ()
) -> Directory:
    """The tree of those paths that match."""
    group = GlobGroup(include, exclude=exclude, separator="/")
    root = Directory(name, True)
    for path in paths:
        if group.matches(path):
            root._add(path)
    return root
