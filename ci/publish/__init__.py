"""Publishes a finished set: takes its bytes to the places that the manifest names, resumes, and yanks.

A target is a module with a class of `ci.publish.target.Target`. The truth is on its server: before each step the
server is asked what is there. `dist/publish.json` only remembers what no server can be asked. This package knows the
manifest, the report of a build and the files of the set; it builds nothing, signs nothing, and whatever else it needs
is handed in by `ci.commands`.
"""
