"""The proofs that need more than one build: whether a second build gives the same bytes, and what a release changes.

They look at finished artefacts from outside. Nothing that builds or verifies imports them.
"""
