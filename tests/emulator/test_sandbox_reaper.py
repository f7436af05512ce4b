"""Which ended processes the reaper collects."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.runtime.support import RUNTIME

SCRIPT = """if True:
    import os, subprocess, sys
    sys.path.insert(0, sys.argv[1])
    from faas_runtime.event_loop.tasks import Future, run
    from faas_runtime.sandbox import reaper

    def is_collected(process):
        try:
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        except ChildProcessError:
            return True
        return False

    async def main():
        found = Future()
        own = subprocess.Popen([sys.executable, "-c", "import sys; x = b'x' * 50_000_000; sys.exit(7)"])
        reaper.watch(own.pid, lambda status, usage: found.set_result((status, usage)))
        status, usage = await found
        assert os.waitstatus_to_exitcode(status) == 7
        assert usage.ru_maxrss > 50_000
        stranger = subprocess.Popen(["true"])
        assert not is_collected(stranger)
        reaper.collect()
        assert not is_collected(stranger), "nobody has asked for orphans"
        reaper.adopt_orphans()
        reaper.collect()
        assert is_collected(stranger)

    run(main())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="not run: only Linux has subreapers")
def test_the_processes_of_others_are_collected_as_orphans_only() -> None:
    """In a process of its own, because every other process that has ended is collected."""
    subprocess.run([sys.executable, "-c", SCRIPT, str(RUNTIME)], check=True)
    assert hasattr(os, "waitid")
