"""Calls to URLs that users set reach public addresses only, however an address is written, wrapped or looked up."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from spectral_platform.core import clock
from spectral_platform.core.outbound import MOST_BYTES, Outbound, OutboundFailed, OutboundRefused, OutboundTimedOut, is_public
from spectral_platform.core.settings import Environment, Settings
from tests.fixtures.receiver import Receiver, receiving, responding

FIRST_LOCAL = (IPv4Network("127.0.0.1/32"),)
NAME = "receiver.example"
Answers = Sequence[Sequence[str]]

PRIVATE = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:127.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::10.0.0.1",
    "100::1",
    "2001::a00:1",
    "2001:0:7f00:1::",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::",
    "2606:4700::5efe:10.0.0.1",
    "2606:4700::200:5efe:10.0.0.1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]
PUBLIC = ["1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700:4700::1111", "64:ff9b::8.8.8.8", "::ffff:8.8.8.8"]
MISWRITTEN = [
    "http://2130706433/",
    "http://017700000001/",
    "http://0x7f000001/",
    "http://0x7f.0.0.1/",
    "http://0177.0.0.1/",
    "http://127.1/",
    "http://127.0.1/",
    "http://0/",
    "http://127.0.0.1./",
    "http://127.0.0.1../",
    "http://127。0。0。1/",
    "http://127．0．0．1/",
    "http://①②⑦.0.0.1/",
    "http://１２７.0.0.1/",
    "http://%31%32%37.0.0.1/",
    "http://127.0.0.1%2f.example.com/",
    "http://[fe80::1%25eth0]/",
    "http://[fe80::1%eth0]/",
    "http://[::1%25lo]/",
    "http://[::]/",
    "http://[::ffff:7f00:1]/",
    "http://[0:0:0:0:0:ffff:127.0.0.1]/",
    "http://user@example.com/",
    "http://user:password@example.com/",
    "http://example.com@127.0.0.1/",
    "http://127.0.0.1\\@example.com/",
    "http://example.com\\.evil.example/",
    "http://exam\tple.com/",
    "http://example.com/\r\nX-Injected: 1",
    "http://example.com/a b",
    "http://a..b/",
    "http://./",
    "http:///path",
    "http://:80/",
    "http://example.com:0/",
    "http://example.com:99999/",
    "//example.com/",
    "example.com",
    "",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "javascript:alert(1)",
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/",
    "https://example.com/" + "a" * 2048,
]


@pytest.fixture
def outbound() -> Outbound:
    """Calls that may also go to one local address, where the tests' receivers are."""
    return Outbound(allowed_networks=FIRST_LOCAL, https_only=False, total_s=5)


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Callable[[Answers], list[str]]:
    """Make the machine's resolver give each look-up of ``NAME`` the next answer, and the last one ever after."""
    real = socket.getaddrinfo

    def install(answers: Answers) -> list[str]:
        asked: list[str] = []

        def answer(host: Any, port: Any, *more: Any, **options: Any) -> Any:
            if host not in (NAME, NAME.encode()):
                return real(host, port, *more, **options)
            asked.append(NAME)
            addresses = answers[min(len(asked), len(answers)) - 1]
            return [found for each in addresses for found in real(each, port, type=socket.SOCK_STREAM)]

        monkeypatch.setattr(socket, "getaddrinfo", answer)
        return asked

    return install


def certificate(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's and a client's TLS, with a certificate for ``NAME`` that the client trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(clock.now() - timedelta(days=1))
        .not_valid_after(clock.now() + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, SHA256())
    )
    path = folder / "server.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + made.public_bytes(Encoding.PEM))
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(path)
    return server, ssl.create_default_context(cadata=made.public_bytes(Encoding.PEM).decode())


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    assert not is_public(ip_address(address))
    with pytest.raises(OutboundRefused):
        Outbound(https_only=False).check(f"http://[{address}]/" if ":" in address else f"http://{address}/")


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_permitted(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("url", MISWRITTEN)
async def test_a_url_that_hides_where_it_leads_is_refused(url: str, outbound: Outbound) -> None:
    with pytest.raises(OutboundRefused):
        Outbound(https_only=False).check(url)
    with pytest.raises(OutboundRefused):
        await Outbound(https_only=False).call("GET", url, headers={})


def test_names_are_written_in_ascii_and_keep_their_path_and_port() -> None:
    checked = Outbound().check("https://bücher.example.:8443/ü?q=1#part")

    assert (checked.host, checked.port, checked.target) == (b"xn--bcher-kva.example", 8443, b"/%C3%BC?q=1")


def test_production_speaks_tls_unless_the_operator_says_otherwise() -> None:
    production = Settings(environment=Environment.PRODUCTION, secret_key="x" * 40)
    lenient = Settings(environment=Environment.PRODUCTION, secret_key="x" * 40, outbound_https_only=False)

    with pytest.raises(OutboundRefused):
        production.outbound.check("http://example.com/")
    assert production.outbound.check("https://example.com/")
    assert lenient.outbound.check("http://example.com/")


def test_networks_that_the_operator_allows_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPECTRAL_OUTBOUND_ALLOWED_NETWORKS", '["10.1.0.0/16", "fd12::/16"]')
    settings = Settings()

    assert settings.outbound_allowed_networks == (IPv4Network("10.1.0.0/16"), IPv6Network("fd12::/16"))
    assert settings.outbound.permits(ip_address("10.1.2.3"))
    assert settings.outbound.permits(ip_address("::ffff:10.1.2.3"))
    assert settings.outbound.permits(ip_address("fd12::1"))
    assert not settings.outbound.permits(ip_address("10.2.0.1"))
    child = settings.environment_of_child(database_url="postgresql://localhost")
    assert child["SPECTRAL_OUTBOUND_ALLOWED_NETWORKS"] == '["10.1.0.0/16", "fd12::/16"]'


@pytest.mark.parametrize("address", ["169.254.169.254", "fd00:ec2::254", "::ffff:169.254.169.254", "168.63.129.16"])
def test_no_setting_opens_the_way_to_a_clouds_metadata(address: str) -> None:
    everything = tuple(ip_network(network) for network in ("0.0.0.0/0", "::/0"))

    assert not Outbound(allowed_networks=everything).permits(ip_address(address))


@pytest.mark.parametrize("host", ["localhost", "localhost.", "LOCALHOST"])
async def test_a_name_that_leads_inside_is_refused(host: str, receiver: Receiver) -> None:
    with pytest.raises(OutboundRefused):
        await Outbound(https_only=False).call("GET", f"http://{host}:{receiver.port}/", headers={})
    assert receiver.received == []


async def test_one_private_address_among_several_refuses_the_name(
    receiver: Receiver, outbound: Outbound, resolver: Callable[[Answers], list[str]]
) -> None:
    resolver([["127.0.0.1", "10.0.0.1"]])

    with pytest.raises(OutboundRefused):
        await outbound.call("GET", f"http://{NAME}:{receiver.port}/", headers={})
    assert receiver.received == []


async def test_a_name_that_is_rebound_between_check_and_use_leads_nowhere_else(
    receiver: Receiver, outbound: Outbound, resolver: Callable[[Answers], list[str]]
) -> None:
    asked = resolver([["127.0.0.1"], ["127.0.0.2"]])
    url = f"http://{NAME}:{receiver.port}/hook"
    async with receiving("127.0.0.2", receiver.port) as inside:
        outbound.check(url)
        answer = await outbound.call("POST", url, headers={}, content=b"{}")
        assert answer.status == 204
        assert asked == [NAME]
        assert receiver.received[0].headers["host"] == f"{NAME}:{receiver.port}"

        with pytest.raises(OutboundRefused):
            await outbound.call("POST", url, headers={}, content=b"{}")
        assert len(asked) == 2
        assert inside.received == []


async def test_an_address_that_does_not_accept_is_followed_by_the_next(
    receiver: Receiver, resolver: Callable[[Answers], list[str]]
) -> None:
    resolver([["127.0.0.3", "127.0.0.1"]])
    outbound = Outbound(allowed_networks=(IPv4Network("127.0.0.0/8"),), https_only=False)

    assert (await outbound.call("GET", f"http://{NAME}:{receiver.port}/", headers={})).status == 204


async def test_a_redirect_is_an_answer_and_is_not_followed(receiver: Receiver, outbound: Outbound) -> None:
    async with receiving("127.0.0.2") as inside:
        for location in (inside.url, "http://169.254.169.254/latest/meta-data/"):
            receiver.respond = lambda received, to=location: responding(302, Location=to)  # type: ignore[misc]  # bound default
            answer = await outbound.call("GET", receiver.url, headers={})
            assert (answer.status, answer.headers["location"]) == (302, location)
        assert inside.received == []


async def test_proxies_of_the_environment_are_not_used(
    receiver: Receiver, outbound: Outbound, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with receiving("127.0.0.2") as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://{proxy.host}:{proxy.port}")
        assert (await outbound.call("GET", receiver.url, headers={})).status == 204
        assert proxy.received == []


async def test_tls_is_verified_for_the_name_though_the_address_is_pinned(
    tmp_path: Path, resolver: Callable[[Answers], list[str]]
) -> None:
    resolver([["127.0.0.1"]])
    server, client = certificate(tmp_path)
    named: list[str | None] = []
    server.sni_callback = lambda connection, name, context: named.append(name)
    async with receiving(tls=server) as receiver:
        trusting = Outbound(allowed_networks=FIRST_LOCAL, tls=client)
        answer = await trusting.call("GET", f"https://{NAME}:{receiver.port}/", headers={})
        assert (answer.status, named) == (204, [NAME])

        with pytest.raises(OutboundFailed, match="certificate"):
            await trusting.call("GET", f"https://127.0.0.1:{receiver.port}/", headers={})
        with pytest.raises(OutboundFailed, match="certificate"):
            await Outbound(allowed_networks=FIRST_LOCAL).call("GET", f"https://{NAME}:{receiver.port}/", headers={})
        assert len(receiver.received) == 1


async def test_a_long_answer_is_cut_off(receiver: Receiver, outbound: Outbound) -> None:
    receiver.respond = lambda received: responding(200, b"x" * 10 * MOST_BYTES)

    answer = await outbound.call("GET", receiver.url, headers={})

    assert answer.body == b"x" * MOST_BYTES


async def test_a_server_that_never_answers_is_given_up(receiver: Receiver) -> None:
    receiver.respond = lambda received: None
    patient = Outbound(allowed_networks=FIRST_LOCAL, https_only=False, total_s=0.05)

    async with asyncio.timeout(30):
        with pytest.raises(OutboundFailed, match="in time"):
            await patient.call("GET", receiver.url, headers={})


async def test_a_server_that_never_agrees_on_tls_was_not_reached(outbound: Outbound) -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server, outbound.connections() as connections:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        with pytest.raises(OutboundFailed, match="no connection came about") as failure:
            await outbound.call_on(connections, "GET", url, headers={}, total_s=0.1)
    assert not isinstance(failure.value, OutboundTimedOut)


async def test_a_server_that_falls_silent_on_a_kept_connection_was_reached(outbound: Outbound) -> None:
    async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await reader.read()
        writer.close()

    async with await asyncio.start_server(answer_once, "127.0.0.1", 0) as server, outbound.connections() as connections:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        assert (await outbound.call_on(connections, "GET", url, headers={})).status == 204
        with pytest.raises(OutboundTimedOut):
            await outbound.call_on(connections, "GET", url, headers={}, total_s=0.1)


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"])
async def test_an_answer_that_is_not_whole_is_a_failure(answer: bytes, receiver: Receiver, outbound: Outbound) -> None:
    receiver.respond = lambda received: answer

    with pytest.raises(OutboundFailed):
        await outbound.call("GET", receiver.url, headers={})


async def test_failures_say_nothing_of_the_network(outbound: Outbound, resolver: Callable[[Answers], list[str]]) -> None:
    async with receiving() as closed:
        url = closed.url
    with pytest.raises(OutboundFailed, match=r"^No connection: it was refused\.$"):
        await outbound.call("GET", url, headers={})
    resolver([[]])
    with pytest.raises(OutboundFailed, match=r"^No connection: the name is not known\.$"):
        await outbound.call("GET", f"http://{NAME}/", headers={})
