"""A sandbox on a port that tells merchants by itself what happened, by the machine's own clock: foreign clients know no other."""

from __future__ import annotations

from tests.sandbox.conftest import make_key, patient_notifier

__all__ = ["make_key", "patient_notifier"]
