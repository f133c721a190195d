"""Pages for people: a cashier where one acts as the payer, and a console that shows what the merchant's code did.

They live under `/_sandbox/pages/`, where WeChat Pay has no operation, and need no build step: HTML from the server, one style sheet,
one script.
"""

from __future__ import annotations

from .site import PREFIX, has, make_pages

__all__ = ["PREFIX", "has", "make_pages"]
