"""The release tooling: makes packages and images from one manifest. Run as `python -m ci COMMAND`.

One package per stage. Data goes from `release.yaml` to the frozen `Release`, the rendered files, jobs, artefacts and
their verification. From the first stage to the last:

    core      runs programs and masks secrets; files, locks, archives, ELF, tools, errors, the console
    manifest  reads `release.yaml` and `CHANGELOG.md`; every rule about their content
    bake      renders the templates of `recipes/packages`, and reports how committed files differ
    pipeline  plans jobs, runs them, records what was built from what, writes the report `artifacts.json`
    images    container engines, base images, OCI archives, the root file system of the image `micro`
    sboms     what is in a finished artefact, as SPDX and CycloneDX documents
    builders  what makes artefacts, one module for each session that builds
    lint      runs the linters of each packaging system, and compares their findings with the waivers
    verify    opens each artefact again, and checks that it works, one module per kind; then the gates, which install
              artefacts on other systems and compare them with each other
    prove     compares builds: a second one with the first, and a release with the one before it
    release   makes a release of a finished build: preflight, statements, signatures, the set of files to publish
    publish   takes a finished set to the places that the manifest names, resumes, and yanks
    bench     the measurements of `nox -s bench`

    commands has the steps of each session, command_line its arguments, kinds.py the kinds of artefact.
    make_environment.py makes the environments in `.venv` and `.nox`.

Imports go the other way only:

    core <- manifest <- {bake, pipeline}; pipeline <- images; {bake, images} <- sboms <- builders <- lint <- verify
    <- prove <- release <- commands; {core, manifest} <- publish <- commands

Builders do not import each other, nor do the verifications of two kinds; nobody imports bench. Lazy imports and those
for types count too. `nox -s lint` checks all of it, by the contracts in `pyproject.toml`.

To add a kind of artefact: add one entry to `ci/kinds.py`, one builder, one verification and the templates. The entry
names the others as text, and every list of kinds is made from it. CONTRIBUTING.md has the steps.
"""
