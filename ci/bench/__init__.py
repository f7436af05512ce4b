"""The measurements behind `nox -s bench`; each figure in a document names the command that made it."""
