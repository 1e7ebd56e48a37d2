"""Connections of the HTTP server: each ends when a request on it does not arrive, which uvicorn's own never do."""

import asyncio
from asyncio import TimerHandle
from typing import Any

from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from spectral_platform.core.settings import Settings

ANNOUNCING = {b"content-length", b"transfer-encoding"}
"""Headers that announce a body."""
LATE = b"The request did not arrive in time."


class Connection(HttpToolsProtocol):
    """A connection on which a request has ``request_arrival_s`` to arrive, and a second more for each ``request_bytes_per_s``.

    So a large body has its time, and whoever sends a byte now and then holds neither the connection nor the memory that the body
    was promised. The first byte has as long as that of a next request has. While the server does not read, no time passes, and
    once it reads again the request has all of its time.
    """

    def __init__(
        self, config: Config, server_state: ServerState, app_state: dict[str, Any], _loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._settings: Settings = config.app.state.settings  # type: ignore[union-attr]  # it is the application itself
        self._is_arriving = False
        self._began_at = 0.0
        self._received_bytes = 0
        self._was_kept_waiting = False
        self._deadline: TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn narrows it
        """Wait for the first byte as long as between requests."""
        super().connection_made(transport)
        self._wait_for_next()

    def data_received(self, data: bytes) -> None:
        """Set what is still to come a deadline. Nearly every request is here with its first bytes and needs none."""
        super().data_received(data)
        if self._is_arriving:
            self._received_bytes += len(data)
            if self._deadline is None:
                self._deadline = self.loop.call_later(self._settings.request_arrival_s, self._look)
        else:
            self._forget_deadline()
            if self.cycle is None or self.cycle.response_complete:  # an empty line, or what was refused before it was here
                self._wait_for_next()

    def on_message_begin(self) -> None:
        """A request begins, be it with the last bytes of another."""
        self._is_arriving = True
        self._began_at, self._received_bytes = self.loop.time(), 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Refuse a body behind an offer to change the protocol: the parser takes it for that one's, and it would be lost."""
        if self.parser.should_upgrade() and any(name in ANNOUNCING for name, _ in self.headers):
            raise ValueError("a body behind an offer to upgrade")
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """A request is here."""
        self._is_arriving = False
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is to come any more."""
        self._forget_deadline()
        super().connection_lost(exc)

    def _wait_for_next(self) -> None:
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _look(self) -> None:
        """End the connection if the request is late, else look again when it would be."""
        has_head = self.cycle is not None and self.cycle.scope is self.scope
        keeps_waiting = self._keeps_waiting(has_head=has_head)
        if keeps_waiting or self._was_kept_waiting:
            self._began_at = self.loop.time()
        self._was_kept_waiting = keeps_waiting
        allowed_s = self._settings.request_arrival_s + self._received_bytes / self._settings.request_bytes_per_s
        left_s = self._began_at + allowed_s - self.loop.time()
        if left_s > 0:
            self._deadline = self.loop.call_later(left_s, self._look)
            return
        if not (has_head and self.cycle.response_started):
            headers = b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(LATE)
            self.transport.write(STATUS_LINE[408] + headers + LATE)
        if has_head:
            self.cycle.disconnected = True  # or it would answer too
        self.transport.close()

    def _keeps_waiting(self, *, has_head: bool) -> bool:
        """Whether it is the server's turn: it does not read, answers an earlier request, or has not asked for the body yet."""
        asks_later = has_head and self.cycle.waiting_for_100_continue
        answers_another = bool(self.pipeline) or (self.cycle is not None and not has_head and not self.cycle.response_complete)
        return self.flow.read_paused or asks_later or answers_another
