"""A drift check that was printed as JSON, read again."""

from fleet.model.drift import Deviation, DriftItem, DriftReport, HostDrift
from fleet.model.finding import Failure
from fleet.report.drift_json import DriftItemJson, DriftJson, HostDriftJson


def loaded_drift(document: DriftJson) -> DriftReport:
    """The drift check that a document tells of."""
    run = document.run
    return DriftReport(
        run_id=run.id,
        started=run.started,
        finished=run.finished,
        playbook=run.playbook,
        digest=run.playbook_digest,
        version=run.version,
        hosts={name: _host_drift(name, host) for name, host in document.hosts.items()},
        notes=tuple(document.notes),
    )


def _host_drift(name: str, host: HostDriftJson) -> HostDrift:
    return HostDrift(
        name=name,
        status=host.status,
        error=None if host.error is None else Failure(**dict(host.error)),
        items=tuple(_drift_item(name, item) for item in host.items),
    )


def _drift_item(host: str, item: DriftItemJson) -> DriftItem:
    return DriftItem(
        host=host,
        deviation=Deviation(
            about=item.about,
            name=item.name,
            kind=item.kind,
            is_open=item.state != "noted",
            impact=item.impact,
            reason=item.reason,
            value=item.value,
            was=item.was,
        ),
        state=item.state,
        first_seen=item.first_seen,
        last_seen=item.last_seen,
        closed=item.closed,
    )
