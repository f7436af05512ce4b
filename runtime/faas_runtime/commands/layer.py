"""The layer, a file `faas-runtime-VERSION-lambda-layer-ARCH.zip`, read for a package.

Its entries are what Lambda unpacks below /opt: `bootstrap`, and everything else in the folder `faas-runtime`.
docs/deploy.md has the rules that it keeps.
"""

import os
import stat
import zipfile

from .._version import HOME, TAG, __version__
from ..binary import elf
from ..errors import UsageError
from .targets import AARCH64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

BOOTSTRAP = "bootstrap"
FOLDER = "faas-runtime/"
_RELEASE = f"{HOME}/releases/tag/{TAG}"
_OTHER = f"get the file from {_RELEASE}"


def architecture(machine: str) -> str:
    """What Lambda calls a processor."""
    return "arm64" if machine == AARCH64 else "x86_64"


def file_name(machine: str) -> str:
    """The name of the layer's file of this version, for a processor."""
    return f"faas-runtime-{__version__}-lambda-layer-{architecture(machine)}.zip"


def usual_folder() -> str:
    """Where the layer is looked for if no file is given: below the user's data.

    https://specifications.freedesktop.org/basedir-spec/latest/
    """
    data = os.environ.get("XDG_DATA_HOME", "")
    return os.path.join(data if os.path.isabs(data) else os.path.expanduser("~/.local/share"), "faas-runtime")


def where(machine: str) -> str:
    """Where the file for a processor comes from."""
    return f"the page {_RELEASE} has {file_name(machine)}"


def usual_layer(machine: str) -> "LambdaLayer":
    """The layer of this version in the usual folder; raises UsageError if it is not there."""
    folder = usual_folder()
    path = os.path.join(folder, file_name(machine))
    if not os.path.exists(path):
        wanted = "name it by --layer FILE, or put it into"
        raise UsageError(f"--to zip needs the layer with the runtime: {where(machine)}; {wanted} {folder}")
    return LambdaLayer(path)


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
            raise UsageError(f"{path} cannot be read: {error.strerror}; {_OTHER}") from error
        except (zipfile.BadZipFile, EOFError, ValueError) as error:
            raise UsageError(f"{path} is no zip file, or damaged: {error}; {_OTHER}") from error
        names = [name for name, _, _ in self.files]
        strange = [name for name in names if name != BOOTSTRAP and not _is_below(name)]
        if BOOTSTRAP not in names or strange or len(names) == 1:
            what = f"it has {strange[0]}" if strange else f"it lacks {BOOTSTRAP} or {FOLDER}"
            raise UsageError(f"{path} is not a layer of faas-runtime: {what}; {_OTHER}")
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
