"""One module a service: the `TypedDict`s of its bodies, queries and answers; `events` and `v2_events` have those of notifications.

A name is the path, the verb and the part: `POST /v3/pay/transactions/jsapi` takes a `PayTransactionsJsapiPostBody` (an upload a `…Meta`, a
query is `…Params`), answers with a `PayTransactionsJsapiPostResponse`, and an object inside has the way to it at the end:
`PayTransactionsJsapiPostBodyAmount`. A placeholder has `By` before it, APIv2 has `V2` before all.

- A short `enum` of a request is a `Literal`; an answer's is `str`, since WeChat Pay adds values. Its known values stand in the field's note.
- APIv2 answers with text alone, and takes integers, booleans and JSON values beside text. What the client writes itself is not required.
- Numbered APIv2 fields are fields of their own from 0 to 9, doubly numbered ones from 0 to 4 each (`coupon_id_0`, `coupon_refund_id_0_1`).
  Higher numbers and computed names come by `data.get(f"coupon_id_{n}")`.
- The classes are `typing.TypedDict`s; before Python 3.12 they come from `typing_extensions`, since pydantic, and so FastAPI, wants those.
"""
