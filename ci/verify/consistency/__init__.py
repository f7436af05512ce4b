"""The gate `consistency`: the same facts are read out of every artefact, and compared with the manifest.

`readers` has one function for each kind, which asks the ecosystem's own tool. `expected` has the facts that the
manifest states. `table` compares. `gate` has the jobs: one writes the table `dist/consistency.json`, one compares.
"""
