"""``python -m spectral_platform.worker``: one worker process over ``SPECTRAL_DATABASE_URL``."""

import asyncio
import gc
import sys

import uvloop

from spectral_platform.core.logging import configure_logging
from spectral_platform.core.settings import Settings
from spectral_platform.worker.runner import run_worker

YOUNG_OBJECTS = 100_000
"""So many objects more, and the garbage collector looks through the new ones: what a scan makes, it keeps until its end."""

settings = Settings()
configure_logging(settings)
if settings.database_url is None:
    sys.exit("SPECTRAL_DATABASE_URL is not set; to join a server's embedded Postgres run: spectral worker")
if not settings.has_secret:
    sys.exit(
        "A worker opens only what its server sealed: set SPECTRAL_SECRET_KEY to the server's secret, or SPECTRAL_DATA_DIR to the "
        "directory that holds it"
    )
gc.set_threshold(YOUNG_OBJECTS)
gc.freeze()  # what was imported stays; going through it again would take a third of a second
with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
    loop.run(run_worker(settings, settings.database_url))
