"""The thread that records the beginning of a run."""

from pathlib import Path
from threading import Event, Thread

import pytest

from fleet.drift.history import history
from fleet.drift.history.location import HistoryLocation, history_location
from fleet.drift.history.recorder import Recorder
from fleet.model.errors import FleetError
from fleet.model.history import HistoryBegin

BEGIN = HistoryBegin(
    run_id="20261121T040000Z-000001",
    kind="verify",
    started="2026-11-21T04:00:00.000Z",
    playbook="play.yaml",
    digest="",
    who="me",
    machine="here",
    directory="/",
    version="1",
    process="",
)


def test_what_must_not_run_beside_the_opening_of_the_history_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = Event(), Event()

    def slow(_: HistoryLocation) -> None:
        begun.set()
        assert go_on.wait(60)
        raise FleetError("it cannot be opened")

    monkeypatch.setattr(history, "open_history", slow)
    recorder = Recorder(history_location(None, tmp_path), BEGIN)
    recorder.begin()
    assert begun.wait(60)
    waiter = Thread(target=recorder.wait)
    waiter.start()
    assert waiter.is_alive()
    go_on.set()
    waiter.join(60)
    assert not waiter.is_alive()
    with pytest.raises(FleetError, match="cannot be opened"):
        recorder.history()
