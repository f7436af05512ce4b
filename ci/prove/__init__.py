"""The proofs that need more than one build: whether a second build gives the same bytes, and what a release changes.

They look at finished artefacts from outside. It may import `verify` and everything that `verify` may import; nothing
that builds or verifies imports it.
"""
