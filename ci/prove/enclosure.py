"""One build of a clean clone in surroundings of its own: `python -m ci.prove.enclosure SETTINGS`.

As root it runs in namespaces that `ci.prove.reproduce` has made with unshare. What it mounts, starts and renames exists
only in them, and ends with them. Other users get no namespaces: then the clone is in the work folder.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ci.core.errors import CommandFailed, ReleaseError, UnavailableError
from ci.core.run import Runner
from ci.pipeline import stored_inputs
from ci.pipeline.stored_inputs import Store
from ci.prove import program_folders, variations

_VAR_TMP = Path("/var/tmp")  # noqa: S108 (in the namespace, it is private)
# Images are stored apart from the machine's own, which are there to be read: the bases are among them.
_STORAGE = """[storage]
driver = "overlay"
graphroot = "/tmp/containers/storage"
runroot = "/tmp/containers/run"
[storage.options]
additionalimagestores = ["/var/lib/containers/storage"]
"""
# Other users can read none of them, and "vfs" needs no rights. Their home may be on disorderfs, which cannot hold it.
_STORAGE_OF_USER = """[storage]
driver = "vfs"
rootless_storage_path = "/tmp/containers/storage"
"""
# What a developer has in the home folder. None of it may reach an artefact.
_SETTINGS = {
    ".rpmmacros": "%_buildhost somewhere\n%packager someone\n%_binary_payload w1.gzdio\n",
    ".makepkg.conf": 'PACKAGER="Someone <someone@example.org>"\nPKGEXT=".pkg.tar.gz"\n',
    ".gitconfig": "[core]\n\tquotePath = false\n[status]\n\tshort = true\n",
}


@dataclass(frozen=True, kw_only=True)
class EnclosureSettings:
    """What to build and where. `vary` are the names of the variations to apply; `private` is true in namespaces.

    `work` is an empty folder. `origin` is the checkout to clone, `locked` the list of recorded inputs. `caches` are
    folders like `dist/` in which inputs may be kept. `signatures` is a folder with signed RPMs; empty without any.
    """

    origin: str
    commit: str
    locked: str
    caches: tuple[str, ...]
    work: str
    private: bool
    signatures: str = ""
    vary: tuple[str, ...] = field(default=())

    @property
    def place(self) -> Path:
        """The folder that holds everything, as the programs of the build see it."""
        return _VAR_TMP if self.private else self.stored

    @property
    def stored(self) -> Path:
        """The same folder, as it is outside the namespace."""
        return Path(self.work, "place")

    @property
    def seat(self) -> Path:
        """The work folder, by a path that stays: what it is on this machine may be below /tmp, which is replaced."""
        return Path("/mnt") if self.private else Path(self.work)

    @property
    def clone(self) -> Path:
        """The clone, relative to the folder that holds everything."""
        return Path("another place", "of the checkout", "source") if "path" in self.vary else Path("checkout")

    def document(self) -> bytes:
        """The settings as the program reads them."""
        return json.dumps(asdict(self)).encode()


def read(path: Path) -> EnclosureSettings:
    """Read what `document` gave."""
    data = json.loads(path.read_bytes())
    return EnclosureSettings(**{**data, "vary": tuple(data["vary"]), "caches": tuple(data["caches"])})


def main(settings: EnclosureSettings) -> None:
    """Set the surroundings up, clone, write down what is seen there, and build."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    work = Path(settings.work)
    for folder in (settings.stored, work / "tmp"):
        folder.mkdir()
        folder.chmod(0o1777)
    run = Runner(log=work / "tmp" / "log")
    _clone(settings, run)
    if settings.private:
        _keep_in_reach(settings, run)
        run = Runner(log=settings.seat / "tmp" / "log")
        _separate(settings, run)
    os.umask(_umask(settings))
    home = _make_home(settings)
    if settings.private:
        _hand_over(settings, run)
    environment, words, clone = _environment(settings, home), _as_user(settings), settings.place / settings.clone
    python = settings.seat / "environment" / Path(sys.executable).relative_to(sys.prefix)
    words = [*words, str(python) if settings.private else sys.executable, "-X", "utf8", "-m"]
    observed = run.output(*words, "ci.prove.observe", home / "order", cwd=clone, env=environment)
    (settings.seat / "tmp" / "observed.json").write_text(observed)
    options = [f"--locked={settings.place / 'inputs.json'}"]
    if settings.signatures:
        options.append(f"--signatures={settings.place / 'signatures'}")
    run(*words, "ci", "build", *options, cwd=clone, env=environment)


def _umask(settings: EnclosureSettings) -> int:
    return variations.UMASK if "umask" in settings.vary else 0o022


def _keep_in_reach(settings: EnclosureSettings, run: Runner) -> None:
    """Mount what is needed from now on below one folder: where it really is may be covered soon."""
    work = Path(settings.work)
    run("mount", "--make-rprivate", "/")
    for name, source in (("environment", Path(sys.prefix)), *program_folders.folders().items()):
        (work / name).mkdir()
        run("mount", "--bind", source, work / name)
    run("mount", "--rbind", work, settings.seat)


def _separate(settings: EnclosureSettings, run: Runner) -> None:
    """Replace /etc, /tmp and /var/tmp by private folders, and apply what is varied for the whole namespace."""
    work = settings.seat
    run("cp", "--archive", "/etc", work / "etc")
    storage = _STORAGE_OF_USER if "user" in settings.vary else _STORAGE
    _write(work / "etc" / "containers" / "storage.conf", storage)
    if "time zone" in settings.vary:
        (work / "etc" / "localtime").unlink(missing_ok=True)
        (work / "etc" / "localtime").symlink_to(f"/usr/share/zoneinfo/{variations.TIME_ZONE}")
    if "user" in settings.vary:
        _add_user(work / "etc", settings.place / "home")
    if "locale" in settings.vary:
        _add_locale(work, run)
    if "clock" in settings.vary:
        _shift_clock(work / "etc", run)
    if "host name" in settings.vary:
        run("hostname", variations.HOST_NAME)
    place = work / "place"
    run("mount", "--bind", work / "tmp", "/tmp")  # noqa: S108
    if "directory order" in settings.vary:
        order = ("--multi-user=yes", "--sort-dirents=yes", "--reverse-dirents=yes")
        run("disorderfs", "--quiet", *order, "-o", "nonempty", place, _VAR_TMP)
    else:
        run("mount", "--bind", place, _VAR_TMP)
    run("mount", "--bind", work / "etc", "/etc")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o644)


def _add_user(etc: Path, home: Path) -> None:
    """Add the user to the private accounts, with numbers of its own to give to those in its containers."""
    name, number = variations.USER_NAME, variations.USER
    for file, line in (
        ("passwd", f"{name}:x:{number}:{number}::{home}:/bin/sh\n"),
        ("group", f"{name}:x:{number}:\n"),
        ("subuid", f"{name}:300000:65536\n"),
        ("subgid", f"{name}:300000:65536\n"),
    ):
        before = (etc / file).read_text(encoding="utf-8") if (etc / file).exists() else ""
        _write(etc / file, before + line)


def _add_locale(work: Path, run: Runner) -> None:
    """Make the locale in a private copy of the system's folder of locales, which may not have it."""
    language, _, charset = variations.LOCALE.partition(".")
    system = Path("/usr/lib/locale")
    run("cp", "--archive", system, work / "locale")
    run("localedef", "--no-archive", "-i", language, "-f", charset, work / "locale" / variations.LOCALE)
    run("mount", "--bind", work / "locale", system)


def _shift_clock(etc: Path, run: Runner) -> None:
    """Let every program in the namespace load the library that shifts the clock.

    LD_PRELOAD would not do: the tooling hands it to no program.
    """
    library = "faas-runtime-clock.so"
    source = Path(__file__).with_name("clock.c")
    shift = f"-DSHIFT_SECONDS={variations.CLOCK_SHIFT}"
    run("gcc", "-shared", "-fPIC", "-O1", shift, "-o", etc / library, source)
    (etc / library).chmod(0o755)
    _write(etc / "ld.so.preload", f"/etc/{library}\n")


def _clone(settings: EnclosureSettings, run: Runner) -> None:
    """Clone the commit with the umask of the build, and put the recorded inputs beside it."""
    os.umask(_umask(settings))
    target = settings.stored / settings.clone
    target.parent.mkdir(parents=True, exist_ok=True)
    # The repository may belong to another user than the one that builds.
    git = ("git", "-c", "safe.directory=*", "-c", "advice.detachedHead=false")
    run(*git, "clone", "--quiet", "--no-hardlinks", "--no-checkout", settings.origin, target)
    run(*git, "-C", target, "checkout", "--quiet", "--detach", settings.commit)
    for cache in settings.caches:
        not_built_from = shutil.ignore_patterns(*Store(dist=Path(cache)).roots().values())
        for kept in (Path(".cache", "debian"), Path(".cache", "crates"), Path(stored_inputs.FOLDER)):
            if Path(cache, kept).is_dir():
                copy = target / "dist" / kept
                shutil.copytree(
                    Path(cache, kept), copy, copy_function=shutil.copyfile, dirs_exist_ok=True, ignore=not_built_from
                )
    shutil.copyfile(settings.locked, settings.stored / "inputs.json")
    if settings.signatures:
        shutil.copytree(settings.signatures, settings.stored / "signatures")
    os.umask(0o022)


def _make_home(settings: EnclosureSettings) -> Path:
    """The home folder of the varied build; without that variation the real one."""
    home = settings.place / "home"
    home.mkdir()
    if "home" in settings.vary:
        for name, text in _SETTINGS.items():
            _write(home / name, text)
    return home


def _environment(settings: EnclosureSettings, home: Path) -> Mapping[str, str]:
    vary = settings.vary
    return {
        **({"HOME": str(home)} if {"home", "user"}.intersection(vary) else {}),
        **program_folders.variables(),
        **({"USER": variations.USER_NAME, "LOGNAME": variations.USER_NAME} if "user" in vary else {}),
        **({"TZ": variations.TIME_ZONE} if "time zone" in vary else {}),
        **({"LC_ALL": variations.LOCALE, "LANG": variations.LOCALE} if "locale" in vary else {}),
        **(variations.VARIABLES if "environment" in vary else {}),
        **({"TMPDIR": "/tmp", "XDG_RUNTIME_DIR": ""} if settings.private else {}),  # noqa: S108
    }


def _hand_over(settings: EnclosureSettings, run: Runner) -> None:
    """Let the user of the build write where it builds, and read the Python that it builds with."""
    if "directory order" in settings.vary:
        # Programs in user namespaces cannot write to a log that is open on disorderfs.
        logs, real = settings.place / settings.clone / "dist" / "logs", settings.seat / "tmp" / "logs"
        logs.mkdir(parents=True)
        real.mkdir()
        real.chmod(0o1777)
        run("mount", "--bind", real, logs)
    if "user" in settings.vary:
        mine = [settings.place / name for name in (settings.clone.parts[0], "home", "inputs.json")]
        mine += [settings.place / "signatures"] if settings.signatures else []
        run("chown", "--recursive", f"{variations.USER}:{variations.USER}", *mine)
        program_folders.open_way(settings.seat, run)


def _as_user(settings: EnclosureSettings) -> Sequence[str]:
    words: list[str] = []
    if "processors" in settings.vary:
        words += ["taskset", "--cpu-list", str(max(os.sched_getaffinity(0)))]
    if "user" in settings.vary:
        words += ["setpriv", f"--reuid={variations.USER}", f"--regid={variations.USER}", "--init-groups"]
    return words


if __name__ == "__main__":
    try:
        main(read(Path(sys.argv[1])))
    except CommandFailed as error:
        print(error, file=sys.stderr)
        # That an input is missing is for the caller to know. It learns it by the exit code alone.
        sys.exit(error.code if error.code == UnavailableError.exit_code else error.exit_code)
    except ReleaseError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
