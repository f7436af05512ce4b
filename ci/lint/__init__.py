"""Runs the linters of each ecosystem on the rendered files and compares their findings with the manifest's waivers.

`checks` has a function for each linter, which `ci/kinds.py` names. It may import `builders` and everything that
`builders` may import.
"""
