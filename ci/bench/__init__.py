"""The measurements behind `nox -s bench`; each figure in a document names the command that measured it.

It may import everything else of `ci`, and nothing imports it.
"""
