"""Makes requests as the API does, each in a process that is killed on its way: python request_program.py

Reads lines `retry|cancel|resume before|after JOB URL`, or `submit before|after PROCESS URL`: the process is killed just
before, or just after, what it asks for is committed. Tells `PROCESS SIGNAL` of each. The key of a submission is `when`.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[3])]


def request(what: str, when: str, id: str, url: str) -> None:
    """Ask for something, and be killed."""
    from prismcube.catalogue.engine import create_engine
    from prismcube.jobs.entities import NewJob
    from prismcube.jobs.ledger import Ledger
    from server.jobs.registry import definitions

    engine = create_engine(url)
    ledger = Ledger(engine, definitions(1))
    ledger.jobs()  # so that it is connected
    commit = engine.dialect.do_commit

    def killed(connection: Any) -> None:
        if when == "after":
            commit(connection)
        os.kill(os.getpid(), signal.SIGKILL)

    engine.dialect.do_commit = killed  # type: ignore[method-assign]  # of this process, which ends with it
    if what == "submit":
        ledger.submit(NewJob(process=id, key=when))
    else:
        getattr(ledger, what)(id)


def main() -> None:
    import server.jobs.registry  # noqa: F401  # once, for all processes

    for line in sys.stdin:
        what, when, id, url = line.split()
        pid = os.fork()
        if not pid:
            request(what, when, id, url)
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        print(pid, os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0, flush=True)


if __name__ == "__main__":
    main()
