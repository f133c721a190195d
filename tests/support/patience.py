"""How long a test waits for what must come: it ends waiting that would never end, and measures nothing."""

from __future__ import annotations

#: Seconds; a busy machine is slow, and no run may fail by that.
PATIENCE = 120.0
