"""How an OTLP/HTTP body is wrapped: its media type, its compression, and a cap on what it may inflate to."""

import zlib
from enum import StrEnum

from spectral_platform.core.errors import PayloadTooLargeError
from spectral_platform.otel.errors import MalformedBody, UnsupportedEncoding

GZIP_OR_ZLIB = zlib.MAX_WBITS | 32
RAW_DEFLATE = -zlib.MAX_WBITS
STEP = 1 << 12


class Encoding(StrEnum):
    """The two encodings of OTLP/HTTP; an answer comes in the request's."""

    PROTOBUF = "application/x-protobuf"
    JSON = "application/json"


def encoding_of(content_type: str | None) -> Encoding:
    """The encoding that a ``Content-Type`` names; its parameters do not matter."""
    media_type = (content_type or "").partition(";")[0].strip().lower()
    try:
        return Encoding(media_type)
    except ValueError:
        raise UnsupportedEncoding(f"Content-Type must be {Encoding.PROTOBUF} or {Encoding.JSON}.") from None


def inflate(body: bytes, content_encoding: str | None, *, limit_bytes: int) -> bytes:
    """The body as it was before compression. The cap holds while inflating, so a bomb never unfolds in memory."""
    compression = (content_encoding or "identity").strip().lower()
    if compression == "identity":
        if len(body) > limit_bytes:
            raise PayloadTooLargeError(limit_bytes)
        return body
    if compression not in {"gzip", "x-gzip", "deflate"}:
        raise UnsupportedEncoding("Content-Encoding must be gzip, deflate or identity.")
    try:
        return _inflate(body, GZIP_OR_ZLIB, limit_bytes)
    except zlib.error:
        if compression != "deflate":
            raise MalformedBody("The body is not gzip data, although Content-Encoding says so.") from None
    try:
        # RFC 9110, section 8.4.1.2: some senders of "deflate" leave out the zlib wrapper.
        return _inflate(body, RAW_DEFLATE, limit_bytes)
    except zlib.error:
        raise MalformedBody("The body is not deflate data, although Content-Encoding says so.") from None


def _inflate(body: bytes, window_bits: int, limit_bytes: int) -> bytes:
    """Inflate every member of the stream; gzip allows several in a row.

    The body is fed in small pieces: what one unfolds to is bounded by itself, and what follows a member, of which there may be
    as many as there is room for, is copied with it.
    """
    inflated: list[bytes] = []
    size = 0
    inflater = zlib.decompressobj(window_bits)
    for start in range(0, len(body), STEP):
        pending = body[start : start + STEP]
        while pending:
            if inflater.eof:
                inflater = zlib.decompressobj(window_bits)
            inflated.append(inflater.decompress(pending, limit_bytes - size + 1))
            size += len(inflated[-1])
            if size > limit_bytes:
                raise PayloadTooLargeError(limit_bytes)
            pending = inflater.unused_data
    if body and not inflater.eof:
        raise MalformedBody("The compressed body ends too early.")
    return b"".join(inflated)
