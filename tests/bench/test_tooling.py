"""What the bench of the tooling counts: the jobs of the snapshot that it measures."""

from __future__ import annotations

from ci.bench import tooling
from tests.support import ROOT


def test_the_longest_chain_is_one_of_the_snapshot() -> None:
    jobs = {job.id: job for job in tooling.jobs(ROOT)}
    assert {"sdist", "rpm", "image-micro-amd64"} < jobs.keys()
    assert any(name.startswith("verify-") for name in jobs)
    seconds = dict.fromkeys(jobs, 0.0) | {"sdist": 3.0, "rpm": 4.0}
    assert tooling.longest_chain(tuple(jobs.values()), lambda job: seconds[job.id]) == 7.0
