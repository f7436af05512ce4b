"""OpenPGP by GnuPG: describes keys, signs files and RPMs so that the same input gives the same bytes, and verifies.

`Gpg` works with the private keys of one home folder of GnuPG. The passphrase is handed over by a file descriptor, so
it is in no argument and no environment. Signatures carry a given time instead of the clock's, and RSA and Ed25519 need
no random numbers: two signatures of the same file are identical. A user's `gpg.conf` and `.rpmmacros` have no effect.

Public keys are read in a throw-away home, without an agent. GnuPG starts an agent by itself where private keys are;
`agent_ended` ends one that was not there before.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ci.core.errors import CommandFailed, HostError, ToolError, UnavailableError, VerificationError
from ci.core.files import write_atomically
from ci.core.key_list import KeyDescription, parse
from ci.core.program_environment import Argument
from ci.core.run import Runner
from ci.core.secrets import Secret, register

DIGEST = "SHA512"
_ALONE = ("--no-options", "--batch", "--no-tty", "--no-permission-warning")
_WITHOUT_AGENT = (*_ALONE, "--no-autostart")
_LIST = ("--with-colons", "--fixed-list-mode")
_FINGERPRINT = re.compile(r"[0-9A-F]{40}")
_BAD = {"BADSIG", "ERRSIG", "EXPSIG", "EXPKEYSIG", "REVKEYSIG", "NO_PUBKEY"}
# Bytes of the path of the folder for temporary files. Below it, a socket of the agent takes 35 more:
# `/gnupg-12345678/S.gpg-agent.browser`. The whole path has at most 103 on macOS and 107 on Linux (unix(4), unix(7)).
_LONGEST_PLACE = 68
_HINT = "say what is wrong with the key: nox -s release -- --preflight"


@dataclass(frozen=True, kw_only=True)
class Gpg:
    """The private keys in a home folder of GnuPG. `epoch` is the time of all signatures, in seconds since 1970.

    `passphrase` is a file with the passphrase; without it, the keys have none, or the user's agent knows it. Keys are
    named by their fingerprints. What gpg refuses raises `CommandFailed`.
    """

    home: Path
    passphrase: Path | None = None
    epoch: int
    run: Runner

    def detach_sign(self, path: Path, out: Path, *, key: str, armour: bool) -> None:
        """Write a detached signature of a file, in binary or as ASCII text. The time must lie after the key's creation.

        `out` is written whole or not at all.
        """
        with tempfile.TemporaryDirectory(prefix="signature-") as scratch, self._unlocking() as (run, words):
            made = Path(scratch, "signature")
            form = ("--armor",) if armour else ("--no-armor",)
            options = (*self._time(), *words, "--digest-algo", DIGEST, *form, "--local-user", exactly(key))
            try:
                run("gpg", *self._home(), *options, "--output", made, "--detach-sign", "--", path.absolute())
            except CommandFailed as error:
                raise CommandFailed(str(error), hint=_HINT) from error
            write_atomically(out, made.read_bytes())

    def sign_rpm(self, package: Path, *, key: str) -> None:
        """Put a signature into the header of an RPM, which has none; the file is changed in place."""
        with self._unlocking() as (run, words):
            environment = {"GNUPGHOME": str(self.home.absolute()), "HOME": "/nonexistent"}
            try:
                run("rpmsign", "--addsign", *self.rpm_defines(key, words), package.absolute(), env=environment)
            except CommandFailed as error:
                raise CommandFailed(str(error), hint=_HINT) from error

    def rpm_defines(self, key: str, words: Sequence[str] = ()) -> list[str]:
        """The options that let rpmsign sign with a key. `words` are further options of gpg.

        rpm's own macro for gpg names a program that Debian does not have.
        """
        values = {
            "__gpg": _program("gpg"),
            "_gpg_name": exactly(key),
            "_gpg_digest_algo": DIGEST.lower(),
            "_gpg_sign_cmd_extra_args": " ".join((*_ALONE, *self._time(), *words)),
        }
        return [word for name, value in values.items() for word in ("-D", f"{name} {value.replace('%', '%%')}")]

    def export(self, key: str) -> bytes:
        """The public key as ASCII text, with the newest self-signature of each user id and no other signature."""
        options = ("--armor", "--export-options", "export-minimal", "--export", "--", exactly(key))
        text = self.run.output("gpg", *self._home(), *options)
        if not text:
            raise self._missing(key)
        return text.encode()

    def describe(self, key: str) -> KeyDescription:
        """What is known about a key. Raises `UnavailableError` if it is not in the home folder."""
        found = next((one for one in self._listed("--list-sigs", key) if one.fingerprint == key), None)
        if found is None:
            raise self._missing(key)
        return replace(found, secret=any(one.secret for one in self._listed("--list-secret-keys", key)))

    def why_unusable(self, key: str) -> str:
        """Why the private key cannot sign now; empty if it can. Found out by a signature that is thrown away."""
        with tempfile.TemporaryDirectory(prefix="trial-") as scratch:
            trial = Path(scratch, "trial")
            trial.write_bytes(b"trial\n")
            try:
                self.detach_sign(trial, Path(scratch, "trial.sig"), key=key, armour=False)
            except CommandFailed as error:
                printed = [
                    line.removeprefix("  | ") for line in str(error).splitlines() if line.startswith("  | gpg: ")
                ]
                return printed[-1] if printed else str(error).splitlines()[0]
        return ""

    def verify(self, path: Path, signature: Path, keys: Sequence[Path]) -> str:
        """Verify a detached signature, as `verify` does."""
        return verify(path, signature, keys, run=self.run, epoch=self.epoch)

    def _listed(self, command: str, key: str) -> tuple[KeyDescription, ...]:
        try:
            return parse(self.run.output("gpg", *self._home(), *_LIST, command, "--", exactly(key)))
        except CommandFailed:  # it has none
            return ()

    def _home(self) -> tuple[Argument, ...]:
        return (*_ALONE, "--homedir", self.home.absolute())

    def _time(self) -> tuple[str, ...]:
        return ("--faked-system-time", f"{self.epoch}!")  # the sign stops the clock

    @contextmanager
    def _unlocking(self) -> Iterator[tuple[Runner, tuple[str, ...]]]:
        """A runner whose programs can read the passphrase from a descriptor, once, and gpg's options for that."""
        if self.passphrase is None:
            yield self.run, ()
            return
        with _passphrase(self.passphrase).descriptor() as number:
            run = replace(self.run, keep_open=(*self.run.keep_open, number))
            yield run, ("--pinentry-mode", "loopback", "--passphrase-fd", str(number))

    def _missing(self, key: str) -> UnavailableError:
        return UnavailableError(
            f"{self.home}: there is no key {key}", hint="import it there, or name another folder with --gnupg-home"
        )


@functools.cache
def _passphrase(file: Path) -> Secret:
    """The passphrase in a file, which is read once: it may be a pipe."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a text"
        raise HostError(f"{file}: the passphrase cannot be read: {reason}", hint="name a file with it") from None
    return register("the passphrase", text)


def exactly(key: str) -> str:
    """A fingerprint in the form in which gpg takes this key alone, and none of its sub-keys or others of that name."""
    if not _FINGERPRINT.fullmatch(key):
        raise HostError(f"{key!r} is not a fingerprint", hint="expected 40 hexadecimal digits in capitals")
    return f"{key}!"


def describe_file(path: Path, run: Runner) -> tuple[KeyDescription, ...]:
    """What is known about the public keys in a file. Raises `VerificationError` if it has none."""
    with throw_away_home() as home:
        try:
            # Without its trustdb, gpg shows no key that has expired.
            run("gpg", *_WITHOUT_AGENT, "--homedir", home, "--check-trustdb")
            options = ("--with-sig-list", "--show-keys", "--", path)
            text = run.output("gpg", *_WITHOUT_AGENT, "--homedir", home, *_LIST, *options)
        except CommandFailed as error:
            raise VerificationError(f"{path}: it has no OpenPGP key that gpg can read\n{error}") from error
    return parse(text)


def verify(path: Path, signature: Path, keys: Sequence[Path], *, run: Runner, epoch: int) -> str:
    """The fingerprint of the key that made the one valid detached signature of a file; only `keys` are trusted.

    `keys` are files with public keys. The time is `epoch`. A key that has expired since it signed is accepted: packages
    of earlier releases stay in the repositories. Whatever else is found, such as a second signature, raises
    `VerificationError`.
    """
    with throw_away_home() as home:
        gpg = ("gpg", *_WITHOUT_AGENT, "--homedir", home, "--trust-model", "always")

        def said(time: int | str) -> list[list[str]]:
            clock = ("--faked-system-time", f"{time}!", "--no-auto-key-retrieve", "--status-fd", "1")
            status = run.output(*gpg, *clock, "--verify", "--", signature, path)
            return [line.split()[1:] for line in status.splitlines() if line.startswith("[GNUPG:] ")]

        try:
            run(*gpg, "--import", "--", *keys)
            lines = said(epoch)
            if made := _when_signed_by_expired_key(lines):
                lines = said(made)
        except CommandFailed as error:
            raise VerificationError(f"{signature}: it is not a valid signature of {path.name}\n{error}") from error
    words = [line[0] for line in lines]
    if words.count("NEWSIG") != 1 or words.count("VALIDSIG") != 1 or _BAD.intersection(words):
        raise VerificationError(f"{signature}: it is not exactly one valid signature of {path.name}")
    return next(line[-1] for line in lines if line[0] == "VALIDSIG")  # of the primary key


def _when_signed_by_expired_key(lines: Sequence[Sequence[str]]) -> str:
    """The time of a signature, in seconds since 1970, whose key has expired; empty if its key has not."""
    expired = any(line[0] == "EXPKEYSIG" for line in lines)
    return next((line[3] for line in lines if line[0] == "VALIDSIG" and expired), "")


@contextmanager
def throw_away_home() -> Iterator[Path]:
    """An empty home folder of GnuPG for the block. Whoever lets gpg start an agent there has to end it: `end_agent`."""
    usual = tempfile.gettempdir()
    # The sockets of the agent may be in it, and gpg fails where their paths are too long, also if there is no agent.
    place = usual if len(os.fsencode(usual)) <= _LONGEST_PLACE else "/tmp"  # noqa: S108 (a folder of its own)
    with tempfile.TemporaryDirectory(prefix="gnupg-", dir=place) as folder:
        yield Path(folder)


@contextmanager
def agent_ended(home: Path, run: Runner) -> Iterator[None]:
    """End the agent of a home folder after the block, with the passphrases that it keeps, unless it runs already."""
    asked = run.output("gpg-connect-agent", "--no-autostart", "--homedir", home, "GETINFO pid", "/bye")
    was_there = "OK" in asked  # the exit code is 0 in both cases
    try:
        yield
    finally:
        if not was_there:
            end_agent(home, run)


def end_agent(home: Path, run: Runner) -> None:
    """End the agent that gpg has started for a home folder."""
    run("gpgconf", "--homedir", home, "--kill", "all")


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise ToolError(f"{name}: not found on PATH", hint="install what the sessions need with: ci/bootstrap")
    return str(Path(found).absolute())
