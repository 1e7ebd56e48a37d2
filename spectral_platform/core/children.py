"""Child processes that do not outlive the one that started them."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable


def end_with_parent(how: signal.Signals) -> Callable[[], None] | None:
    """What a child runs before its program, so that it gets this signal when the parent dies by any means (Linux).

    The kernel means the parent's thread that started the child, so start children from the main thread.
    """
    if sys.platform != "linux":
        return None
    prctl, parent = ctypes.CDLL(None, use_errno=True).prctl, os.getpid()
    set_parent_death_signal = 1

    def before_exec() -> None:
        prctl(set_parent_death_signal, how)
        if os.getppid() != parent:  # it died before the signal was set
            os._exit(1)

    return before_exec
