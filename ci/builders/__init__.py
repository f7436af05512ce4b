"""A module for each kind of artefact, or for what artefacts are made from: `jobs(project)` and maybe `probe(project)`.

`ci/kinds.py` names them. They do not import each other: what one needs of another is a file in `dist/`, at the path
that `ci.manifest.dist_paths` gives. They may import `sboms`, and everything that `sboms` may import.
"""
