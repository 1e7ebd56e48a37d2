"""Every named error that the platform and the HTTP layer define."""

import importlib
import pkgutil
from collections.abc import Iterator

import spectral_api
import spectral_platform
from spectral_platform.core.errors import SpectralError


def modules_of_errors() -> Iterator[str]:
    """The modules that may define errors: every room's ``errors`` and all of the HTTP layer."""
    for module in pkgutil.walk_packages(spectral_platform.__path__, "spectral_platform."):
        if module.name.endswith(".errors"):
            yield module.name
    for module in pkgutil.walk_packages(spectral_api.__path__, "spectral_api."):
        if not module.name.endswith("__main__"):
            yield module.name


def families() -> set[type[SpectralError]]:
    """What kinds of things go wrong."""
    return {kind for kind in SpectralError.__subclasses__() if kind.__module__.startswith("spectral_")}


def all_errors() -> set[type[SpectralError]]:
    """Every family and every error in one."""
    for name in modules_of_errors():
        importlib.import_module(name)
    found, waiting = set(), list(families())
    while waiting:
        found.add(kind := waiting.pop())
        waiting += kind.__subclasses__()
    return found
