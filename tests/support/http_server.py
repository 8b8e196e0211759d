"""A web server on loopback whose answers are given byte by byte, over TLS where a test wants it."""

import contextlib
import datetime as dt
import ipaddress
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_TLS = b"\x16"
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")


class Server:
    """What a test sees of its server.

    Attributes:
        url: without a path.
        requests: what was received, up to the empty line, in order.
        bodies: what came after that line, likewise.
        over: set at the end of the test, for answers that go on for ever.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[str] = []
        self.bodies: list[bytes] = []
        self.over = Event()


Answer = Callable[[socket.socket, Server], None]


def says(body: bytes, *, status: str = "200 OK", headers: str = "") -> Answer:
    """One whole answer."""

    def answer(connection: socket.socket, _: Server) -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
        connection.sendall(head.encode() + body)

    return answer


def in_turn(*answers: Answer) -> Answer:
    """One answer after the other, and the last one for good."""
    left = list(answers)

    def answer(connection: socket.socket, server: Server) -> None:
        (left.pop(0) if len(left) > 1 else left[0])(connection, server)

    return answer


def sends(*pieces: bytes, every: float = 0.0) -> Answer:
    """These bytes and nothing else; the last piece is sent again and again where there is a pause between them."""

    def answer(connection: socket.socket, server: Server) -> None:
        for piece in pieces:
            connection.sendall(piece)
        while every and not server.over.wait(every):
            connection.sendall(pieces[-1])

    return answer


def falls_silent(connection: socket.socket, server: Server) -> None:
    """An open connection on which nothing comes."""
    del connection
    server.over.wait(60)


@contextmanager
def serving(answer: Answer, *, certificate: Path | None = None) -> Iterator[Server]:
    """A server for one test.

    Args:
        answer: what is done with each connection.
        certificate: of `self_signed`, for TLS.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    server = Server(f"{'https' if certificate else 'http'}://127.0.0.1:{listener.getsockname()[1]}")
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            # The client may hang up at any moment, which is what some tests are about.
            with contextlib.suppress(OSError), connection:
                _converse(connection, server, context, answer)

    thread = Thread(target=serve)
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)
        assert not thread.is_alive()


def _converse(connection: socket.socket, server: Server, context: ssl.SSLContext | None, answer: Answer) -> None:
    connection.settimeout(10)
    if context is not None:
        connection = context.wrap_socket(connection, server_side=True)
    with connection:
        request = b""
        while b"\r\n\r\n" not in request and not request.startswith(_TLS):
            if not (data := connection.recv(65536)):
                return
            request += data
        head, line, body = request.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        while length and len(body) < int(length[1]):
            if not (data := connection.recv(65536)):
                return
            body += data
        server.requests.append((head + line).decode(errors="replace"))
        server.bodies.append(body)
        answer(connection, server)


def self_signed(path: Path) -> Path:
    """Write a key and a certificate for 127.0.0.1 that is its own authority, into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(alternative, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    path.write_bytes(pem + certificate.public_bytes(serialization.Encoding.PEM))
    return path
