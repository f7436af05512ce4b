"""Files, processes, secrets, locks, tools and errors: what every stage needs. Nothing here knows of a release.

It may import no other package of `ci`.
"""
