"""Calls to URLs that a user may set: the one way to make them, which reaches public addresses only.

Server-side request forgery is held off at the socket. The name is resolved here, every address that it has is judged, and the
connection goes to an address that was judged: between the check and the use there is no second look-up for a resolver to answer
differently (DNS rebinding). What is judged is the address, so it does not matter in which notation it was written.

URLs of the environment are the operator's word and do not come this way; nor do proxies of the environment reach in here.
"""

import asyncio
import socket
import ssl
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import httpcore
import httpx

from spectral_platform.core.errors import BusinessRuleViolationError, UnavailableError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LONGEST_URL = 2048
CONNECT_S = 5.0
TOTAL_S = 20.0
MOST_BYTES = 64 * 1024
PORTS = {"http": 80, "https": 443}
REQUEST_BEGINS = "http11.send_request_headers.started"
"""What the library tells when a connection, new or kept, is there and agreed on, TLS included."""
UNKNOWN_NAME = "the name is not known"


def _networks(*written: str) -> tuple[Network, ...]:
    return tuple(ip_network(each) for each in written)


# From IANA's registries of special-purpose addresses, and written out because what Python calls global differs by version.
SPECIAL_IPV4 = _networks(
    "0.0.0.0/8",  # this network (RFC 791)
    "10.0.0.0/8",  # private use (RFC 1918)
    "100.64.0.0/10",  # carrier-grade NAT (RFC 6598); Alibaba's metadata is in it
    "127.0.0.0/8",  # loopback (RFC 1122)
    "169.254.0.0/16",  # link-local (RFC 3927); the metadata of most clouds is in it
    "172.16.0.0/12",  # private use (RFC 1918)
    "192.0.0.0/24",  # protocol assignments (RFC 6890); Oracle's metadata is in it
    "192.0.2.0/24",  # documentation (RFC 5737)
    "192.31.196.0/24",  # AS112 (RFC 7535)
    "192.52.193.0/24",  # AMT (RFC 7450)
    "192.88.99.0/24",  # 6to4 relays (RFC 7526)
    "192.168.0.0/16",  # private use (RFC 1918)
    "192.175.48.0/24",  # AS112 (RFC 7534)
    "198.18.0.0/15",  # benchmarks (RFC 2544)
    "198.51.100.0/24",  # documentation (RFC 5737)
    "203.0.113.0/24",  # documentation (RFC 5737)
    "224.0.0.0/4",  # multicast (RFC 5771)
    "240.0.0.0/4",  # reserved (RFC 1112) and broadcast
)
GLOBAL_IPV6 = IPv6Network("2000::/3")
SPECIAL_IPV6 = _networks(
    "2001::/23",  # protocol assignments (RFC 2928); Teredo is in it
    "2001:db8::/32",  # documentation (RFC 3849)
    "2002::/16",  # 6to4 (RFC 3056), which nobody needs any more (RFC 7526)
    "2620:4f:8000::/48",  # AS112 (RFC 7534)
    "3fff::/20",  # documentation (RFC 9637)
)
NAT64 = IPv6Network("64:ff9b::/96")
ISATAP = (0x0000_5EFE, 0x0200_5EFE)
METADATA = _networks(
    "169.254.169.254/32",  # AWS, Azure, Google, DigitalOcean and others
    "169.254.169.253/32",  # AWS's resolver
    "169.254.170.0/24",  # AWS's credentials of containers
    "168.63.129.16/32",  # Azure's host, at an address that looks public
    "100.100.100.200/32",  # Alibaba
    "192.0.0.192/32",  # Oracle
    "fd00:ec2::/32",  # AWS over IPv6
    "fd20:ce::254/128",  # Google over IPv6
)
"""Where clouds tell a machine its credentials: refused whatever networks the operator allows."""


class OutboundRefused(BusinessRuleViolationError):
    """The URL may not be called from this server."""


class OutboundFailed(UnavailableError):
    """The URL did not answer, or not in time."""


class OutboundTimedOut(OutboundFailed):
    """The server was reached and did not answer in time."""


def embedded(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for (RFC 4291 2.5.5.2, RFC 6052 2.1), else the address itself."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in NAT64:
            return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def is_public(address: Address) -> bool:
    """Whether everybody may reach the address: it is no special one, and none wrapped in IPv6."""
    meant = embedded(address)
    if _within(meant, METADATA):
        return False
    if isinstance(meant, IPv4Address):
        return not _within(meant, SPECIAL_IPV4)
    tunnelled = int(meant) >> 32 & 0xFFFF_FFFF in ISATAP
    return meant in GLOBAL_IPV6 and not tunnelled and not _within(meant, SPECIAL_IPV6)


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks if network.version == address.version)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the other side answered; of a long body only the beginning. ``latency_ms`` is until the body's end."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    latency_ms: int
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class Outbound:
    """Where calls may go: to public addresses, to the networks that the operator allows, and over TLS only if so set."""

    allowed_networks: tuple[Network, ...] = ()
    https_only: bool = True
    connect_s: float = CONNECT_S
    total_s: float = TOTAL_S
    tls: ssl.SSLContext = field(default_factory=httpx.create_ssl_context, compare=False)

    def permits(self, address: Address) -> bool:
        """Whether a call may go to this address."""
        meant = embedded(address)
        if _within(meant, METADATA):
            return False
        return is_public(address) or _within(meant, self.allowed_networks)

    def check(self, url: str) -> httpcore.URL:
        """The URL as it will be called. Raises ``OutboundRefused`` for what can be told without looking its name up."""
        parsed = _parse(url)
        scheme = parsed.scheme
        if scheme not in PORTS:
            raise OutboundRefused("The URL must begin with https:// or http://.")
        if scheme == "http" and self.https_only:
            raise OutboundRefused("The URL must begin with https://.")
        if parsed.userinfo:
            raise OutboundRefused("The URL must not contain a user name or password.")
        host = parsed.raw_host.decode().removesuffix(".")
        literal = _literal(host)
        if literal is not None and not self.permits(literal):
            raise OutboundRefused("The URL's address is not a public one.")
        return httpcore.URL(scheme=scheme.encode(), host=host.encode(), port=parsed.port or PORTS[scheme], target=parsed.raw_path)

    def connections(self) -> httpcore.AsyncConnectionPool:
        """Connections to permitted addresses that are kept for further calls until the pool is closed."""
        return httpcore.AsyncConnectionPool(ssl_context=self.tls, network_backend=_Guard(self), max_connections=None)

    async def call(self, method: str, url: str, *, headers: Mapping[str, str], content: bytes = b"") -> Answer:
        """Make one request on a connection of its own. Raises what ``call_on`` raises."""
        async with self.connections() as connections:
            return await self.call_on(connections, method, url, headers=headers, content=content)

    async def call_on(
        self,
        connections: httpcore.AsyncConnectionPool,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        content: bytes = b"",
        total_s: float | None = None,
        most_bytes: int = MOST_BYTES,
    ) -> Answer:
        """Make one request on kept connections and follow no redirect.

        ``total_s`` is the time for the answer once the server is reached. Raises ``OutboundRefused`` or ``OutboundFailed``.
        """
        target = self.check(url)
        started = time.monotonic()
        patience = self.total_s if total_s is None else total_s
        timeouts = {"connect": min(self.connect_s, patience), "read": patience, "write": patience}
        deadline = asyncio.timeout(None)

        async def trace(event: str, _: object) -> None:
            if event == REQUEST_BEGINS:  # until then the library's own time-outs hold, which close what they give up
                deadline.reschedule(asyncio.get_running_loop().time() + patience)

        extensions = {"timeout": timeouts, "trace": trace}
        sent = [(b"Host", _authority(target)), *((name.encode(), value.encode()) for name, value in headers.items())]
        try:
            async with (
                deadline,
                connections.stream(method, target, headers=sent, content=content, extensions=extensions) as response,
            ):
                body, is_whole = await _beginning(response, most_bytes)
        except httpcore.ConnectTimeout as error:
            raise OutboundFailed("The URL did not answer in time: no connection came about.") from error
        except (TimeoutError, httpcore.TimeoutException) as error:
            raise OutboundTimedOut("The URL did not answer in time.") from error
        except httpcore.ConnectError as error:
            raise OutboundFailed(f"No connection: {_cause(error)}.") from error
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
            raise OutboundFailed("The connection broke before the answer was complete.") from error
        received = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
        return Answer(response.status, received, body, round((time.monotonic() - started) * 1000), is_whole)

    async def resolve(self, host: str, port: int) -> list[Address]:
        """The addresses of a host. Raises ``OutboundRefused`` if one of them is not permitted: a name is what its worst is."""
        literal = _literal(host)
        addresses = [literal] if literal is not None else await _look_up(host, port)
        if not all(map(self.permits, addresses)):
            raise OutboundRefused("The URL's name leads to an address that is not a public one.")
        return addresses


class _Guard(httpcore.AsyncNetworkBackend):
    """Opens connections only to addresses that it has judged itself."""

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound
        self._plain = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first of the host's addresses that accepts."""
        failure: Exception = httpcore.ConnectError(UNKNOWN_NAME)
        try:
            async with asyncio.timeout(timeout):
                for address in await self._outbound.resolve(host, port):
                    try:
                        return await self._plain.connect_tcp(str(address), port, local_address=local_address)
                    except httpcore.ConnectError as error:
                        failure = error
        except TimeoutError as error:
            raise httpcore.ConnectTimeout from error
        raise failure


def _parse(url: str) -> httpx.URL:
    """The parts of a URL, which must be written so that no two parsers can differ about them."""
    if len(url) > LONGEST_URL:
        raise OutboundRefused(f"The URL is longer than {LONGEST_URL} characters.")
    if any(character <= " " or character in '\\"<>^`{|}\x7f' for character in url):
        raise OutboundRefused("The URL contains characters that do not belong in one.")
    try:
        parsed = httpx.URL(url)
        parsed.raw_host.decode("ascii")
    except (httpx.InvalidURL, UnicodeError) as error:
        raise OutboundRefused("The URL cannot be read.") from error
    if not parsed.host or (parsed.port is not None and not 0 < parsed.port < 65536):
        raise OutboundRefused("The URL names no server.")
    return parsed


def _literal(host: str) -> Address | None:
    """The address that a host is written as; None for a name.

    Resolvers read 2130706433, 0x7f.1 and 0177.0.0.1 as addresses too (WHATWG URL, 3.5: what ends in a number is no name). Such
    a host is refused, and so is an IPv6 zone, which means something on this machine alone.
    """
    if "%" in host:
        raise OutboundRefused("The URL's address must not name a zone.")
    try:
        return ip_address(host)
    except ValueError:
        last = host.rsplit(".", 1)[-1].lower()
        if last.isdecimal() or last.startswith("0x") or ":" in host or "" in host.split("."):
            raise OutboundRefused("The URL's address must be written in its usual form.") from None
        return None


async def _look_up(host: str, port: int) -> list[Address]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(UNKNOWN_NAME) from error
    return list(dict.fromkeys(ip_address(str(entry[4][0]).split("%")[0]) for entry in found))


def _authority(url: httpcore.URL) -> bytes:
    host = b"[" + url.host + b"]" if b":" in url.host else url.host
    return host if url.port == PORTS[url.scheme.decode()] else host + b":%d" % (url.port or 0)


def _cause(error: Exception) -> str:
    """What went wrong, in words that show nothing of this network."""
    known: Sequence[tuple[type[BaseException], str]] = (
        (ssl.SSLCertVerificationError, "the certificate cannot be verified"),
        (ssl.SSLError, "TLS could not be agreed on"),
        (ConnectionRefusedError, "it was refused"),
    )
    chain: BaseException | None = error
    while chain is not None:
        for kind, words in known:
            if isinstance(chain, kind):
                return words
        chain = chain.__cause__ or chain.__context__
    return UNKNOWN_NAME if str(error) == UNKNOWN_NAME else "the server cannot be reached"


async def _beginning(response: httpcore.Response, most_bytes: int) -> tuple[bytes, bool]:
    """The first bytes of the body and whether they are all of it; the rest is not waited for."""
    body = bytearray()
    async for part in response.aiter_stream():
        body += part
        if len(body) > most_bytes:
            return bytes(body[:most_bytes]), False
    return bytes(body), True
