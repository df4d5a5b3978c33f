"""How many files a process may have open."""

from __future__ import annotations

import logging
import resource

LOG = logging.getLogger("prismcube.server")


def allow_files(wanted: int, *, needed_by: str = "") -> None:
    """Let this process, and those it forks, have so many files open, as far as the system lets it.

    Where it lets it less, a warning names what may need them, if that is given.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if most < wanted and needed_by:
        LOG.warning("the system allows a process %d open files; %s may need %d", hard, needed_by, wanted)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
