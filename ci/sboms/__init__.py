"""Software bills of materials (SBOMs): what is in a finished artefact, as SPDX and CycloneDX documents say it.

`contents.py` reads an artefact, with `packages.py` and `licences.py` for what is in an image; `spdx.py` and
`cyclonedx.py` write what they found, `reading.py` reads such documents again. The libraries for both formats take long
to import: functions import them. It may import `core`, `manifest`, `pipeline`, `bake` and `images`.
"""
