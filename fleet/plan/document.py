"""The JSON of a plan, ``fleet.plan/1``, as pydantic models."""

from typing import Annotated, Literal

from pydantic import Field

from fleet.document import Items, StrictModel
from fleet.model.errors import HostErrorKind
from fleet.model.facts import NodeFileKind
from fleet.model.finding import Moment
from fleet.model.rollout import Rollout
from fleet.plan.model import ChangeKind, Encoding, KeptReason, PlanStatus

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class PlanRunJson(StrictModel):
    """Which run it was."""

    id: str
    created: str = Field(description="ISO 8601, UTC.")
    playbook: str = Field(description="Path as given on the command line.")
    playbook_digest: Digest = Field(description="Over the bytes of the playbook and its profiles.")
    version: str = Field(description="Version of fleet.")


class PlanSummaryJson(StrictModel):
    """Hosts by status; the five add up to `hosts`."""

    hosts: int
    changes: int
    none: int
    refused: int
    failed: int
    unreachable: int


class PlanErrorJson(StrictModel):
    """Why a host could not be read."""

    kind: HostErrorKind | Literal["internal"]
    message: str


class ChangeJson(StrictModel):
    """One thing to change; the changes of a host are in the order in which they are made."""

    kind: ChangeKind
    target: str = Field(description="The file's path, the module's name, the sysctl key in dots, or the unit.")
    before: str | None = Field(description="Content or value now; null: there is nothing yet.")
    after: str | None = Field(description="Content or value then; null: the file goes away.")
    encoding: Encoding = Field(description="How `before` and `after` are written.")
    diff: str = Field(description="Unified, for files; `before -> after` for the others.")
    reason: str
    mode: int | None = Field(description="Permission bits of a file that is written.")
    controls: Items[str]


class KeptJson(StrictModel):
    """Something that is not changed."""

    target: str
    control: str
    why: KeptReason = Field(
        description="`noop`: it is so already; `owned`: something else writes it; `scope`: the node's value does not "
        "reach it; `skipped`: the control does not apply, or was not checked; `no-set`: the control only looks; "
        "`unjudged`: the checker on the node cannot judge it."
    )
    reason: str


class RefusedJson(StrictModel):
    """Something that should change and is not planned."""

    target: str
    controls: Items[str]
    reason: str


class RemedyJson(StrictModel):
    """Something to change in the cluster, which fleet does not do."""

    target: str
    writer: str = Field(description="What would undo a change on the node.")
    text: str
    patch: str = Field(description="Text to merge into the writer's configuration.")
    controls: Items[str]


class FileStateJson(StrictModel):
    """How a file was when the plan was made."""

    kind: NodeFileKind | Literal["absent"]
    sha256: Sha256 | None = Field(description="Of its content; null: there is none, or it was not read.")
    link: str | None = Field(description="Where a link leads.")
    masked: bool = Field(description="The hash is over the content with secrets masked, as the probe gives it.")


class PreconditionsJson(StrictModel):
    """What must still be so when the plan is applied."""

    boot_id: str | None
    files: dict[str, FileStateJson]
    live: dict[str, str | None]
    writers: Items[str]
    protected: Items[Moment] = Field(description="When INVALID segments could not reset connections, as it was.")


class HostPlanJson(StrictModel):
    """One host."""

    status: PlanStatus
    error: PlanErrorJson | None
    changes: Items[ChangeJson]
    unchanged: Items[KeptJson]
    refused: Items[RefusedJson]
    remedies: Items[RemedyJson]
    risks: Items[str]
    preconditions: PreconditionsJson | None = Field(description="null: nothing is to be changed.")
    next_boot: dict[str, str] = Field(
        description="What the next boot leaves once the changes are made, by key, as far as that is proved."
    )


class PlanJson(StrictModel):
    """The whole plan."""

    schema_: Literal["fleet.plan/1"] = Field(alias="schema")
    run: PlanRunJson
    summary: PlanSummaryJson
    rollout: Rollout
    hosts: dict[str, HostPlanJson]
    digest: Digest = Field(description="Over everything else: keys sorted, no blanks, ASCII.")
