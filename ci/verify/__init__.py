"""Opens each artefact again and has it answer an event: a module for each kind, named in `ci/kinds.py`.

`verifications` makes the jobs, `check` is what a verification works with, `payload` compares what was installed with
the source tarball. It may import `lint`, `builders` and everything that these may import.
"""
