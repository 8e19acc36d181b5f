"""`torch.package`: models with the code of their classes in one file, in PyTorch's format and readable on either side.

    PackageExporter writes objects and the source of the modules they need; every module is interned, external, mocked or denied
    PackageImporter reads them, its modules apart from those of the process

**Importing from a package runs the code in it**, and unpickling imports: open only what you would run as a program. Names,
texts, bytes and `file_structure` are read without running anything. State dicts need none of this: see `flambeau.load`.
"""

from .exporter import EmptyMatchError, PackageExporter, PackagingError
from .importer import PackageImporter
from .modules import (
    Importer,
    ObjMismatchError,
    ObjNotFoundError,
    OrderedImporter,
    is_from_package,
    sys_importer,
)
from .patterns import GlobGroup
from .structure import Directory

__all__ = [
    "Directory",
    "EmptyMatchError",
    "GlobGroup",
    "Importer",
    "ObjMismatchError",
    "ObjNotFoundError",
    "OrderedImporter",
    "PackageExporter",
    "PackageImporter",
    "PackagingError",
    "is_from_package",
    "sys_importer",
]
