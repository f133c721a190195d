"""The catalogue as it hangs on a client: `wxpay.catalog`."""

from __future__ import annotations

from typing import Final

from wechatpay_async.catalog import Event, Operation, event, match, operation, operations
from wechatpay_async.catalog.lookup import Description, describe, search
from wechatpay_async.chain import Node, documented
from wechatpay_async.errors import RequestError

__all__ = ["CatalogView"]


class CatalogView:
    """What is documented: operations and notifications, found by words, names and paths."""

    operation: Final = staticmethod(operation)
    operations: Final = staticmethod(operations)
    event: Final = staticmethod(event)
    match: Final = staticmethod(match)

    def search(self, text: str, limit: int = 20) -> list[Operation | Event]:
        """Operations and notifications by words of their title, tags and path, in Chinese or English, the best first.

        Raises `RequestError` for what is no text.
        """
        if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance] — callers without a type checker
            raise RequestError(f"search: expected words, got {type(text).__name__}")
        return search(text, limit)

    def describe(self, target: object) -> Description:
        """Everything that is known of an operation or a notification.

        `target` is a node of the chain (where it has one method), an `Operation` or `Event`, `"POST /v3/pay/transactions/native"`, or an
        `event_type`. Raises `RequestError` that says what was probably meant.
        """
        if isinstance(target, (Operation, Event, str)):
            return describe(target)
        if not isinstance(target, Node):
            raise RequestError(f"describe: expected a node, an operation or a name, got {type(target).__name__}")
        found = documented(target)
        if len(found) != 1:
            names = ", ".join(each.id for each in found) or "none"
            raise RequestError(f"{target!r} has these operations: {names}", hint="describe one of them by its name")
        return describe(found[0])
