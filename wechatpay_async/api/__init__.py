"""Types of every documented operation and notification.

`api.types` exists at run time: a `TypedDict` for each body, query and answer. `api.v3`, `api.v2` and `api.events` are stubs, for type checkers
and editors alone: import from them under `TYPE_CHECKING`. At run time the chain is made of `wechatpay_async.chain.Node`.
"""
