"""Software bills of materials (SBOMs): what is in a finished artefact, as SPDX and CycloneDX documents say it.

`contents.py` and `image.py` read an artefact, `spdx.py` and `cyclonedx.py` write what they found, `reading.py` reads
such documents again. The libraries for both formats take long to import: functions import them.
"""
