"""Where and when something was measured, and the table that is printed of it."""

import os
import platform
from datetime import UTC, datetime

from rich import box
from rich.console import Console
from rich.table import Table

WIDTH = 200


class Report:
    """A table whose first line says when it was taken, on what, and under which load."""

    def __init__(self, *columns: str) -> None:
        self.table = Table(*columns, box=box.MARKDOWN)
        self._load = os.getloadavg()[0]

    def add(self, *cells: str) -> None:
        """Add a line."""
        self.table.add_row(*cells)

    def print(self) -> None:
        """Print it, as Markdown has tables."""
        machine = f"{os.cpu_count()} CPUs, {platform.system()} {platform.release()}, Python {platform.python_version()}"
        load = f"load {self._load:.2f} before, {os.getloadavg()[0]:.2f} after"
        Console(width=WIDTH).print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {machine}, {load}", self.table)
