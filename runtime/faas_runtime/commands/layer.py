"""The layer, a file `faas-runtime-VERSION-lambda-layer-ARCH.zip`, read for a package.

Its entries are what Lambda unpacks below /opt: `bootstrap`, and everything else in the folder `faas-runtime`.
docs/deploy.md has the rules that it keeps.
"""

import os
import posixpath
import stat
import zipfile
import zlib

from .._version import HOME, TAG, __version__
from ..binary import elf
from ..errors import UsageError
from .targets import AARCH64, BOTH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BOOTSTRAP = "bootstrap"
FOLDER = "faas-runtime/"
UNPACKED_LIMIT = 250 << 20  # bytes that Lambda accepts, with all layers
_RELEASE = f"{HOME}/releases/tag/{TAG}"
_OTHER = f"get the file from {_RELEASE}"
_ENCRYPTED = 1  # a bit of an entry (PKWARE's APPNOTE, 4.4.4)
_FOR_OTHERS = stat.S_IROTH | stat.S_IXOTH
_ELF_HEAD = 64  # bytes of the first structure of an ELF file


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


def usual_layer(machine: str, *, needed: bool) -> "LambdaLayer | None":
    """The layer of this version in the usual folder; None if it is neither there nor needed. Raises UsageError."""
    folder = usual_folder()
    path = os.path.join(folder, file_name(machine))
    if not os.path.exists(path):
        if not needed:
            return None
        wanted = "name it by --layer FILE, or put it into"
        raise UsageError(f"--to zip needs the layer with the runtime: {where(machine)}; {wanted} {folder}")
    layer = LambdaLayer(path)
    if layer.machine != machine:
        raise UsageError(f"{path} is for {architecture(layer.machine)}, whatever its name says; {where(machine)}")
    return layer


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
                fault = _fault_of_entries(infos)
                self.files = [] if fault else [(info.filename, _mode(info), archive.read(info)) for info in infos]
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror}; {_OTHER}") from error
        except (zipfile.BadZipFile, EOFError, ValueError, RuntimeError, zlib.error) as error:
            raise UsageError(f"{path} is no zip file, or damaged: {error}; {_OTHER}") from error
        machines = [] if fault else list(self._machines())
        fault = fault or _fault_of_links(self.files) or _fault_of_machines(machines)
        if fault:
            raise UsageError(f"{path} is not a layer of faas-runtime: {fault}; {_OTHER}")
        self.machine = machines[0]
        """The processor that it is for."""

    @property
    def size(self) -> int:
        """The bytes that it takes when it is unpacked."""
        return sum(len(data) for _, _, data in self.files)

    def _machines(self) -> "Iterator[str]":
        for _, mode, data in self.files:
            if data[:4] == elf.MAGIC and len(data) >= _ELF_HEAD and stat.S_ISREG(mode):
                yield elf.MACHINES.get(elf.ElfNumbers(data).number(elf.E_MACHINE, 2), "another processor")


def _fault_of_entries(infos: "Sequence[zipfile.ZipInfo]") -> str:
    """Why these cannot be the entries of a layer; empty if they can. Nothing is unpacked yet."""
    names = [info.filename for info in infos]
    return _fault_of_names(names) or next(filter(None, map(_fault_of_entry, infos)), "") or _fault_of_size(infos)


def _fault_of_names(names: "Sequence[str]") -> str:
    """What is wrong with the sorted names."""
    found = set(names)
    if BOOTSTRAP not in found or len(found) == 1:
        return f"it lacks {BOOTSTRAP} or {FOLDER}"
    for name, after in zip(names, [*names[1:], ""]):
        if not _is_in_place(name):
            return f"it has {_shown(name)}"
        if name == after:
            return f"it has {_shown(name)} twice"
        above = found.intersection(_parents(name))
        if above:
            return f"it has files below {min(above)}, which is no folder"
    return ""


def _fault_of_entry(info: zipfile.ZipInfo) -> str:
    name, mode = info.filename, _mode(info)
    if info.flag_bits & _ENCRYPTED or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return f"{name} is encrypted, or compressed otherwise than by deflate"
    if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
        return f"the mode of {name}, {mode:o}, is neither that of a file nor of a link"
    if name == BOOTSTRAP and not (stat.S_ISREG(mode) and mode & _FOR_OTHERS == _FOR_OTHERS):
        return f"{name} is no program that everybody may start: its mode is {mode:o}"
    return ""


def _fault_of_size(infos: "Sequence[zipfile.ZipInfo]") -> str:
    """A file that lies about the size of an entry is not read further than that."""
    size = sum(info.file_size for info in infos)
    return f"it has {size} bytes unpacked, and Lambda accepts {UNPACKED_LIMIT}" if size > UNPACKED_LIMIT else ""


def _fault_of_links(files: "Sequence[tuple[str, int, bytes]]") -> str:
    for name, mode, data in files:
        if stat.S_ISLNK(mode):
            target = os.fsdecode(data)
            end = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
            if not end.startswith(FOLDER):
                return f"the link {name} leads out of it, to {_shown(target)}"
    return ""


def _fault_of_machines(machines: "list[str]") -> str:
    if not machines:
        return "it has no program"
    return "" if machines[0] in BOTH else f"its programs are for {machines[0]}"


def _mode(info: zipfile.ZipInfo) -> int:
    return info.external_attr >> 16


def _is_in_place(name: str) -> bool:
    plain = posixpath.normpath(name) == name and "\\" not in name and name.isprintable()
    return name == BOOTSTRAP or (name.startswith(FOLDER) and plain)


def _parents(name: str) -> "list[str]":
    words = name.split("/")
    return ["/".join(words[:count]) for count in range(1, len(words))]


def _shown(name: str) -> str:
    """A name as it is, or with escapes if a terminal would not show it."""
    return name if name.isprintable() else ascii(name)
