"""``python -m spectral_platform.worker``: one worker process over ``SPECTRAL_DATABASE_URL``."""

import asyncio
import sys

from spectral_platform.core.logging import configure_logging
from spectral_platform.core.settings import Settings
from spectral_platform.worker.runner import run_worker

settings = Settings()
configure_logging(settings)
if settings.database_url is None:
    sys.exit("SPECTRAL_DATABASE_URL is not set; to join a server's embedded Postgres run: spectral worker")
asyncio.run(run_worker(settings, settings.database_url))
