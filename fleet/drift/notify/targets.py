"""The file that says who is told of drift, and by which secret URL."""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import SplitResult, unquote, urlsplit

import pydantic

from fleet.document import Document, StrictModel, did_you_mean, load_mapping, validate
from fleet.drift.private import check_private
from fleet.model.errors import UsageError
from fleet.model.notify import NotifyKind, NotifyTarget
from fleet.model.secret import Secret
from fleet.transport.http import is_loopback

_DAY_AND_AN_HOUR: Final = 25
_ALERTMANAGER_PATH: Final = "/api/v2/alerts"

TargetName = Annotated[str, pydantic.StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]


class TargetDocument(StrictModel):
    """One target.

    Attributes:
        kind: what listens there.
        url: the webhook, or of Alertmanager where its API begins.
        url_env: the variable of the environment that has the URL.
        hold_hours: how long Alertmanager takes an alert for firing; longer than from one check to the next.
    """

    kind: NotifyKind
    url: str | None = None
    url_env: Annotated[str, pydantic.StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    hold_hours: Annotated[int, pydantic.Field(ge=1, le=9000)] = _DAY_AND_AN_HOUR


class NotifyDocument(StrictModel):
    """The file that ``--notify-file`` names."""

    targets: dict[TargetName, TargetDocument]


def load_targets(path: Path, names: Iterable[str], environment: Mapping[str, str]) -> tuple[NotifyTarget, ...]:
    """Load the targets of these names.

    Raises:
        UsageError: the file does not load, others may read a URL in it, a name is not in it, or a URL is none.
    """
    if not (wanted := tuple(names)):
        return ()
    document, targets = _chosen(path, wanted)
    return tuple(_target(document, name, target, environment) for name, target in targets.items())


def check_targets(path: Path, names: Iterable[str]) -> None:
    """Refuse names that a later run, in an environment of its own, would not find.

    Raises:
        UsageError: the file does not load, or a name is not in it.
    """
    if wanted := tuple(names):
        _chosen(path, wanted)


def _chosen(path: Path, names: tuple[str, ...]) -> tuple[Document, Mapping[str, TargetDocument]]:
    document = load_mapping(path)
    targets = validate(document, NotifyDocument).targets
    for name in names:
        if name not in targets:
            hint = did_you_mean(name, targets) or f"it has: {', '.join(sorted(targets)) or 'none'}"
            raise UsageError(f"no notification target '{name}' in {path} ({hint})")
    return document, {name: targets[name] for name in names}


def _target(document: Document, name: str, target: TargetDocument, environment: Mapping[str, str]) -> NotifyTarget:
    where = ("targets", name)
    if (target.url is None) == (target.url_env is None):
        raise document.error("give either url, or url_env with the name of a variable", where)
    if target.url is not None:
        check_private(Path(document.path), hint=", or name a variable with url_env")
    url = target.url if target.url_env is None else environment.get(target.url_env, "")
    if not url:
        raise document.error(f"the variable {target.url_env} is not set, so there is no URL", where)
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 it raises
    except ValueError:
        parts = urlsplit("")
    # What is wrong is never quoted: it may be the secret.
    if not (url.isascii() and url.isprintable() and " " not in url) or parts.scheme not in {"https", "http"}:
        raise document.error("the URL is not one that fleet can use: it begins with https://, and has no blanks", where)
    host = parts.hostname or ""
    if not host:
        raise document.error("the URL names no server", where)
    login = _login(parts)
    is_secret = login is not None or target.kind in {"slack", "mattermost"}
    if is_secret and parts.scheme == "http" and not is_loopback(host):
        raise document.error("the URL is a secret, and would go over the network in the clear: use https", where)
    path = parts.path.rstrip("/") + _ALERTMANAGER_PATH if target.kind == "alertmanager" else parts.path
    sent = parts._replace(netloc=parts.netloc.rpartition("@")[2], path=path or "/", fragment="")
    return NotifyTarget(
        name=name, kind=target.kind, url=Secret(sent.geturl()), authorization=login, hold_hours=target.hold_hours
    )


def _login(parts: SplitResult) -> Secret | None:
    if parts.username is None:
        return None
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return Secret("Basic " + b64encode(login.encode()).decode())
