"""One HTTP request to a server that nobody vouches for: bounded in time and size, and without redirects."""

import io
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from ipaddress import ip_address
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import AbstractHTTPHandler, OpenerDirector, ProxyHandler, Request

from fleet.model.secret import Secret
from fleet.model.text import printable
from fleet.transport.wire import remaining

MOST_BYTES = 4 * 1024 * 1024
"""Of one body, unless more are asked for."""

_CHUNK = 65536


class HttpError(Exception):
    """The server gave no answer; the message follows its address and is safe to print.

    Attributes:
        may_pass: the same request may be answered a moment later.
    """

    def __init__(self, message: str, *, may_pass: bool = False) -> None:
        super().__init__(message)
        self.may_pass = may_pass


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """What the server said, none of which is to be trusted; ``location`` is where it would rather be asked."""

    status: int
    body: bytes
    location: str = ""

    @property
    def is_success(self) -> bool:
        """The server did what it was asked for."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def may_pass(self) -> bool:
        """The same request may be answered otherwise a moment later."""
        return self.status >= HTTPStatus.INTERNAL_SERVER_ERROR or self.status == HTTPStatus.TOO_MANY_REQUESTS


def get(url: str, *, timeout: float, authorization: Secret | None = None, most: int = MOST_BYTES) -> HttpAnswer:
    """Ask once. Certificates are verified; proxies are those of the environment (``https_proxy``, ``no_proxy``).

    This machine itself is asked without a proxy. Certificates of one's own authority are named in ``SSL_CERT_FILE``.

    Args:
        url: http or https.
        timeout: seconds for all of it, looking up the name included.
        authorization: the header of that name; sent only over TLS or to this machine itself.
        most: bytes of the body; a longer one is refused while it is read.

    Raises:
        HttpError: there is no answer, or not a whole one.
    """
    # S310: the opener of `_answer` knows http and https only.
    return _answer(Request(url), timeout=timeout, authorization=authorization, most=most)  # noqa: S310


def post(url: Secret, document: bytes, *, timeout: float, authorization: Secret | None = None) -> HttpAnswer:
    """Send a JSON document once; else as `get`.

    Args:
        url: http or https; what knows its path and query may write there, so no message shows them.
        document: the body.
        timeout: seconds for all of it.
        authorization: the header of that name; sent only over TLS or to this machine itself.

    Raises:
        HttpError: there is no answer, or not a whole one.
    """
    request = Request(  # noqa: S310 see above
        url.reveal(), data=document, headers={"Content-Type": "application/json"}, method="POST"
    )
    hidden = (request.selector,) if request.selector.strip("/") else ()
    return _answer(request, timeout=timeout, authorization=authorization, most=MOST_BYTES, hidden=hidden)


def _answer(
    request: Request, *, timeout: float, authorization: Secret | None, most: int, hidden: tuple[str, ...] = ()
) -> HttpAnswer:
    parts = urlsplit(request.full_url)
    is_here = is_loopback(parts.hostname or "")
    if authorization is not None and parts.scheme != "https" and not is_here:
        raise HttpError("the credentials would go over the network in the clear: use https")
    if authorization is not None:
        header = authorization.reveal()
        if not header.isascii() or not header.isprintable():
            raise HttpError("the credentials have a character that a header cannot carry, such as a line break")
        request.add_unredirected_header("Authorization", header)
        hidden = (*hidden, header.partition(" ")[2])
    deadline = monotonic() + timeout
    opener = OpenerDirector()  # bare: nothing in it follows a redirect or raises for a status
    for handler in (ProxyHandler({} if is_here else None), _Handler(deadline)):
        opener.add_handler(handler)
    # Looking up a name takes no limit, so the thread is left behind when it does not end in time.
    answer: SimpleQueue[HttpAnswer | HttpError] = SimpleQueue()
    ask = partial(_ask, opener, request, timeout=timeout, most=most, hidden=hidden)
    Thread(target=lambda: answer.put(ask()), name="http", daemon=True).start()
    try:
        outcome = answer.get(timeout=remaining(deadline))
    except Empty:
        outcome = _too_slow(timeout)
    if isinstance(outcome, HttpError):
        raise outcome
    return outcome


def _ask(
    opener: OpenerDirector, request: Request, *, timeout: float, most: int, hidden: tuple[str, ...]
) -> HttpAnswer | HttpError:
    try:
        with opener.open(request, timeout=timeout) as response:
            body = bytearray()
            while chunk := response.read(_CHUNK):
                body += chunk
                if len(body) > most:
                    return HttpError(f"the answer is longer than {most} bytes: ask for less")
            if response.length:
                return HttpError(f"the answer was cut off after {len(body)} bytes")
            text = _masked(body.decode("latin-1"), hidden)
            location = _masked(response.headers.get("Location", ""), hidden)
            return HttpAnswer(status=response.status, body=text.encode("latin-1"), location=location)
    except (OSError, HTTPException, ValueError) as error:
        return _explained(error, timeout, hidden)


def _masked(text: str, hidden: tuple[str, ...]) -> str:
    """What a server says, without the credentials that it was sent: some repeat the request in their errors."""
    for secret in hidden:
        text = text.replace(secret, "***") if secret else text
    return text


def _explained(error: Exception, timeout: float, hidden: tuple[str, ...]) -> HttpError:
    reason = error.reason if isinstance(error, URLError) else error
    match reason:
        case TimeoutError():
            return _too_slow(timeout)
        case ssl.SSLCertVerificationError():
            why = printable(reason.verify_message, 200)
            return HttpError(f"the certificate is not accepted: {why}: name its authority in $SSL_CERT_FILE")
        case ssl.SSLError():
            return HttpError(f"TLS fails: {printable(reason.reason or str(reason), 200)}")
        case socket.gaierror():
            return HttpError(f"the name is not known: {reason.strerror}", may_pass=True)
        case OSError():
            return HttpError(f"no connection: {printable(reason.strerror or str(reason), 200)}", may_pass=True)
        case _:
            said = _masked(str(reason), hidden) or type(reason).__name__
            return HttpError(f"the answer is not one of HTTP: {printable(said, 200)}")


def _too_slow(timeout: float) -> HttpError:
    return HttpError(f"there was no whole answer within {timeout:g} s", may_pass=True)


def is_loopback(host: str) -> bool:
    """Whether a host of a URL is this machine itself, so that nothing goes over a network."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class _ByDeadline(io.RawIOBase):
    """Ends reading when the time is over: a server that goes on for ever, byte by byte, is in time with each byte."""

    def __init__(self, file: io.BufferedIOBase, deadline: float) -> None:
        self._file = file
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # typeshed has any buffer; io gives this one
        if remaining(self._deadline) == 0:
            raise TimeoutError
        data = self._file.read1(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


class _Handler(AbstractHTTPHandler):
    """Opens connections whose answers are read by a deadline, and which accept no certificate that does not verify."""

    http_request = https_request = AbstractHTTPHandler.do_request_

    def __init__(self, deadline: float) -> None:
        super().__init__()

        class Response(HTTPResponse):
            def __init__(self, sock: socket.socket, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - as given
                super().__init__(sock, *arguments, **options)
                self.fp = io.BufferedReader(_ByDeadline(self.fp, deadline))

        self._response = Response

    def http_open(self, req: Request) -> HTTPResponse:
        return self.do_open(partial(self._connection, HTTPConnection), req)

    def https_open(self, req: Request) -> HTTPResponse:
        verifying = partial(HTTPSConnection, context=ssl.create_default_context())
        return self.do_open(partial(self._connection, verifying), req)

    def _connection(self, kind: Callable[..., HTTPConnection], host: str, timeout: float) -> HTTPConnection:
        connection = kind(host, timeout=timeout)
        connection.response_class = self._response
        return connection
