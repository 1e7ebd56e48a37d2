"""``python -m spectral_platform.worker``: one worker process over ``SPECTRAL_DATABASE_URL``.

With ``-`` in place of a URL it reads one from standard input, so that it can import what it needs before there is a database.
"""

import asyncio
import gc
import signal
import sys

YOUNG_OBJECTS = 100_000
"""So many objects more, and the garbage collector looks through the new ones: what a scan makes, it keeps until its end."""
gc.set_threshold(YOUNG_OBJECTS)  # before the imports, of which it would look through everything four times
signal.signal(signal.SIGINT, signal.SIG_DFL)  # until it works, a Ctrl-C has nothing to unwind

import uvloop

from spectral_platform.core.logging import configure_logging
from spectral_platform.core.settings import Settings
from spectral_platform.worker.runner import run_worker

settings = Settings()
configure_logging(settings)
if settings.database_url is None:
    sys.exit("SPECTRAL_DATABASE_URL is not set; to join a server's embedded Postgres run: spectral worker")
url = sys.stdin.readline() if settings.database_url == "-" else settings.database_url
if not url:
    sys.exit("standard input ended before it named a database")
if not settings.has_secret:
    sys.exit(
        "A worker opens only what its server sealed: set SPECTRAL_SECRET_KEY to the server's secret, or SPECTRAL_DATA_DIR to the "
        "directory that holds it"
    )
gc.freeze()  # what was imported stays; going through it again would take a third of a second
with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
    loop.run(run_worker(settings, url))
