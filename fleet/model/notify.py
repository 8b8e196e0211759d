"""Who is told of drift."""

from dataclasses import dataclass
from typing import Literal

from fleet.model.secret import Secret

NotifyKind = Literal["slack", "mattermost", "json", "alertmanager"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifyTarget:
    """One place to send messages to.

    Attributes:
        name: by which the operator and all messages call it.
        url: where to POST; who knows it may write there.
        authorization: the header of that name; None where the URL has no user.
        hold_hours: how long Alertmanager takes an alert for firing if no later check tells of it.
    """

    name: str
    kind: NotifyKind
    url: Secret
    authorization: Secret | None
    hold_hours: int
