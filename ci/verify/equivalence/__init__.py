"""The gate `equivalence`: the same events give the same answers, whichever artefact the runtime was installed from.

`events` is the table of events, `function.c` and `panics.rs` are the functions that answer them. `installed` puts each
artefact in a folder of its own, `record` has it answer, `normal` says which fields may differ, and why. `compare`
compares two records. `gate` has the jobs: one for each artefact, and one that compares all of them.
"""
