"""Faults planted in the formula, one at a time: the install gate, in a prefix, must turn red and name each."""

from __future__ import annotations

import pytest

from ci.core.errors import VerificationError
from ci.verify import in_prefix
from tests.packages.fixtures import _tools_of_the_environment, built, c_function, release
from tests.verify.test_in_prefix import INSTALL, Planting, planted

__all__ = ["_tools_of_the_environment", "built", "c_function", "planted", "release"]

pytestmark = pytest.mark.long

START = '      exec "#{python3}"'
# From a fault to a line of the formula, what comes after it, and what is said.
FAULTS = {
    "a command too many": (INSTALL, '(bin/"faas").write "x"', r"links to the keg: .*not expected \['bin/faas'\]"),
    "a set-id bit": (INSTALL, 'chmod 04755, bin/"faas-runtime"', "modes of files: .*bin/faas-runtime 4755"),
    "a file for all to write": (INSTALL, 'chmod 0666, include/"faas.h"', "modes of files: .*faas.h 0666"),
    "a file for its owner alone": (INSTALL, 'chmod 0600, include/"faas.h"', "modes of files: .*faas.h 0600"),
    "a header with a warning": (
        INSTALL,
        'File.write(include/"faas.h", "#warning changed\\n", mode: "a")',
        "changed",
    ),
    "another manual page": (INSTALL, 'File.write(man1/"faas-runtime.1", ".TH OTHER 1")', "mandoc|the manual page is"),
    "no manual page": (INSTALL, 'File.delete(man1/"faas-runtime.1")', r"links to the keg: missing \['share/man"),
    "another version": (START, '[ "$1" = --version ] && echo 7 && exit', "the output of --version: found '7"),
    "a check that fails": (START, '[ "$1" = check ] && exit 9', "exit code 9"),
    "a fault of install itself": (INSTALL, 'system "false"', "it does not install and run"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_formula(planted: Planting, fault: str) -> None:
    line, more, said = FAULTS[fault]
    new = f"      {more}\n{line}" if line == START else f"{line}    {more}\n"
    with pytest.raises(VerificationError, match=rf"(?s)^formulae/faas-runtime\.rb: .*({said})"):
        in_prefix.install(planted(line, new))
