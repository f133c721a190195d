"""20,000 notifications, a server that is killed five times: each handled exactly once."""

from __future__ import annotations

import pytest

from tests.soak.notifications import soak


@pytest.mark.soak
def test_each_of_20_000_notifications_is_handled_exactly_once() -> None:
    outcome = soak(20_000)
    print(*outcome.lines(), sep="\n")
    assert (outcome.handled, outcome.handled_twice, outcome.lost) == (20_000, 0, 0)
    assert (outcome.forged_accepted, outcome.probes_accepted) == (0, 0)
    assert outcome.kills == 5
    assert max(outcome.memory) - min(outcome.memory) < 10
