"""From `release.yaml` and `CHANGELOG.md` to the frozen `Release`, with every fault of the two files at once.

What a value must look like belongs here; how a packaging tool spells it belongs to `bake`. It may import `core`.
"""
