"""The layer, a file `faas-runtime-VERSION-lambda-layer-ARCH.zip`, read for a package.

Its entries are what Lambda unpacks below /opt: `bootstrap`, and everything else in the folder `faas-runtime`.
docs/deploy.md has the rules that it keeps.
"""

import stat
import zipfile

from ..binary import elf
from ..errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

BOOTSTRAP = "bootstrap"
FOLDER = "faas-runtime/"
WHERE = "releases do not have it yet: make it by the rules in docs/deploy.md, or use --to layer+zip"


class LambdaLayer:
    """The entries of a layer: names, modes and contents."""

    def __init__(self, path: str) -> None:
        """Read it; raises UsageError if it is no layer."""
        self.path = path
        try:
            with zipfile.ZipFile(path) as archive:
                infos = sorted(
                    (info for info in archive.infolist() if not info.is_dir()), key=lambda info: info.filename
                )
                self.files = [(info.filename, info.external_attr >> 16, archive.read(info)) for info in infos]
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror}; {WHERE}") from error
        except (zipfile.BadZipFile, EOFError, ValueError) as error:
            raise UsageError(f"{path} is no zip file, or damaged: {error}; {WHERE}") from error
        names = [name for name, _, _ in self.files]
        strange = [name for name in names if name != BOOTSTRAP and not _is_below(name)]
        if BOOTSTRAP not in names or strange or len(names) == 1:
            what = f"it has {strange[0]}" if strange else f"it lacks {BOOTSTRAP} or {FOLDER}"
            raise UsageError(f"{path} is not a layer of faas-runtime: {what}; {WHERE}")
        self.machine = next(self._machines(), "")
        """The processor that it is for."""

    @property
    def size(self) -> int:
        """The bytes that it takes when it is unpacked."""
        return sum(len(data) for _, _, data in self.files)

    def _machines(self) -> "Iterator[str]":
        for _, mode, data in self.files:
            if data[:4] == elf.MAGIC and not stat.S_ISLNK(mode):
                yield elf.MACHINES.get(elf.ElfNumbers(data).number(elf.E_MACHINE, 2), "another processor")


def _is_below(name: str) -> bool:
    return name.startswith(FOLDER) and ".." not in name.split("/")
