import gzip
import tracemalloc
import zlib
from collections.abc import Callable

import pytest

from spectral_platform.core.errors import PayloadTooLargeError
from spectral_platform.otel.encoding import Encoding, encoding_of, inflate
from spectral_platform.otel.errors import MalformedBody, UnsupportedEncoding

LIMIT = 1_000_000
BODY = b"spans " * 1000


def raw_deflate(body: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(body) + compressor.flush()


@pytest.mark.parametrize(
    ("content_type", "encoding"),
    [
        ("application/x-protobuf", Encoding.PROTOBUF),
        ("application/json", Encoding.JSON),
        ("application/json; charset=utf-8", Encoding.JSON),
        ("Application/X-Protobuf ;a=b", Encoding.PROTOBUF),
    ],
)
def test_the_media_type_decides_the_encoding_whatever_its_parameters(content_type: str, encoding: Encoding) -> None:
    assert encoding_of(content_type) is encoding


@pytest.mark.parametrize("content_type", [None, "", "text/plain", "application/protobuf+json"])
def test_other_media_types_are_refused(content_type: str | None) -> None:
    with pytest.raises(UnsupportedEncoding):
        encoding_of(content_type)


@pytest.mark.parametrize(
    ("content_encoding", "body"),
    [
        (None, BODY),
        ("identity", BODY),
        ("gzip", gzip.compress(BODY, mtime=0)),
        ("GZIP", gzip.compress(BODY[:100], mtime=0) + gzip.compress(BODY[100:], mtime=0)),
        ("deflate", zlib.compress(BODY)),
        ("deflate", raw_deflate(BODY)),
    ],
)
def test_every_compression_of_the_specification_is_read(content_encoding: str | None, body: bytes) -> None:
    assert inflate(body, content_encoding, limit_bytes=LIMIT) == BODY


@pytest.mark.parametrize("content_encoding", ["br", "zstd", "gzip, gzip"])
def test_other_compressions_are_refused(content_encoding: str) -> None:
    with pytest.raises(UnsupportedEncoding):
        inflate(BODY, content_encoding, limit_bytes=LIMIT)


@pytest.mark.parametrize(
    ("content_encoding", "body"),
    [("gzip", BODY), ("deflate", BODY), ("gzip", gzip.compress(BODY, mtime=0)[:-10]), ("deflate", zlib.compress(BODY)[:-10])],
)
def test_a_body_that_is_not_what_its_header_says_is_malformed(content_encoding: str, body: bytes) -> None:
    with pytest.raises(MalformedBody):
        inflate(body, content_encoding, limit_bytes=LIMIT)


@pytest.mark.parametrize(("content_encoding", "wrap"), [("gzip", gzip.compress), ("deflate", zlib.compress), (None, bytes)])
def test_a_body_of_exactly_the_limit_passes_and_one_byte_more_does_not(
    content_encoding: str | None, wrap: Callable[[bytes], bytes]
) -> None:
    assert len(inflate(wrap(bytes(LIMIT)), content_encoding, limit_bytes=LIMIT)) == LIMIT
    with pytest.raises(PayloadTooLargeError) as refusal:
        inflate(wrap(bytes(LIMIT + 1)), content_encoding, limit_bytes=LIMIT)
    assert refusal.value.extensions == {"limit_bytes": LIMIT}


def test_a_bomb_never_unfolds_in_memory() -> None:
    bomb = gzip.compress(bytes(200_000_000), compresslevel=1)
    tracemalloc.start()
    try:
        with pytest.raises(PayloadTooLargeError):
            inflate(bomb, "gzip", limit_bytes=LIMIT)
        assert tracemalloc.get_traced_memory()[1] < 4 * LIMIT
    finally:
        tracemalloc.stop()
