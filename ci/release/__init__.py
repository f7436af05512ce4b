"""Makes a release out of a finished build: what must be in order before, statements, signatures, and the set.

The set is the folder `dist/release/`: every file of the release page under its name there, the checksums, the
statements about how the files were made and tested, the signatures, and the trees of the package repositories. A
function here takes a finished `dist/` or a folder, and returns values; `nox -s release` calls them in order. It may
import `prove` and everything that `prove` may import.
"""
