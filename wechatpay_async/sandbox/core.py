"""The sandbox itself: parties, book, gate and flows put together, and one readable way from a request to its reply."""

from __future__ import annotations

import base64
import random
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from starlette.datastructures import Headers

from wechatpay_async import catalog
from wechatpay_async.catalog import Operation

from . import flows, life, schema, sensitive, uploads, v2
from .clock import Clock
from .faults import Fault, Faults
from .flows import Ask
from .flows.statements import SIGNED_BY_HASH, STATEMENT_SHA1, SYNTHETIC_FILE, SYNTHETIC_TOKEN, sha1
from .gate import Gate, read_json
from .keeping import Keeper
from .models import Book, Notice, Order, Refund
from .notifier import Delivery, Notifier
from .parties import Authority, KeyMaker, Merchant, Mode, Platform, SigningKey, Vault, make_rsa_key
from .seal import as_json, sign
from .synthesis import Memory, make_answer
from .tls import client_context, server_context
from .user import ACTIONS, Applyments, Complaints, Parking, ScoreUser
from .wire import Answer, Call, Refusal, Request, as_object

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

    import httpx
    from starlette.types import ASGIApp

    from .flows.complaints import Complaint
    from .flows.contracts import Contract
    from .flows.transfers import Transfer
    from .server import SandboxServer

__all__ = ["SWITCH_STEPS", "Reply", "Sandbox"]

#: The share of notifications signed with the public key on each day of a switch.
SWITCH_STEPS = (0.001, 0.01, 0.05, 0.1, 0.2, 0.5, 1.0)


@dataclass
class Reply:
    """An answer as it goes over the wire, and what goes wrong on the way."""

    status: int
    headers: dict[str, str]
    body: bytes
    #: The connection breaks: before the answer ("reset"), or in the middle of it ("half").
    breaks: str | None = None
    #: Seconds before the answer goes out.
    delay: float = 0.0


@dataclass
class _Visit:
    """What is known of a request while it is being answered."""

    request: Request
    call: Call
    base_url: str
    operation: Operation | None = None
    merchant: Merchant | None = None
    fault: Fault | None = None
    #: The gate has let it in: from here on it may have changed something.
    executed: bool = False
    path: dict[str, str] = field(default_factory=dict[str, str])


class Sandbox:
    """A WeChat Pay of one's own: checks requests as the real one does, remembers what happened, signs what it answers.

    `mchid` is its first merchant, whose keys the sandbox makes. `mode` says whether that merchant's answers are signed with the
    platform certificate or with the public key. `clock` is where the time comes from, in seconds; it can be moved ahead with
    `sandbox.clock.advance(hours=2)`. The same `seed` and the same calls give the same numbers. `keep_calls` is how many calls
    `sandbox.calls` holds. `make_key` makes RSA keys, for whoever has some ready. `state` is the path of an SQLite file (or `":memory:"`)
    that keeps the story: a sandbox that is made with it again goes on where it was.
    """

    def __init__(
        self,
        *,
        mchid: str = "1900000109",
        mode: Mode = "public_key",
        clock: Callable[[], float] = time.time,
        seed: int = 0,
        keep_calls: int = 1_000,
        make_key: KeyMaker = make_rsa_key,
        state: str | Path | Keeper | None = None,
    ) -> None:
        self.clock: Clock = clock if isinstance(clock, Clock) else Clock(clock)
        self.seed = seed
        #: Held while a request is answered or a user acts: the server may run in a thread of its own.
        self.lock: threading.RLock = threading.RLock()
        self.keeper: Keeper | None = state if isinstance(state, Keeper) else None if state is None else Keeper(state)
        #: True while a kept story is told again.
        self.is_retelling: bool = False
        self.vault: Vault = Vault(seed, make_key, {} if self.keeper is None else self.keeper.keys)
        self._make_key = make_key
        self.book: Book = Book(self.clock, seed)
        self.faults: Faults = Faults(random.Random(seed))  # noqa: S311 - repeatable faults, no secrets
        self.calls: deque[Call] = deque(maxlen=keep_calls)
        self._call_count = 0
        self.authority: Authority = Authority(self.vault)
        self.platform: Platform = Platform(self.authority, self.vault, self.yesterday())
        self.merchants: dict[str, Merchant] = {}
        self.payscore: ScoreUser = ScoreUser(self)
        self.applyments: Applyments = Applyments(self)
        self.complaints: Complaints = Complaints(self)
        self.parking: Parking = Parking(self)
        self.notifier: Notifier = Notifier(self)
        self._chance = random.Random(seed)  # noqa: S311 - which key signs during a switch
        self._gate = Gate(self.merchants)
        self._memory = Memory()
        self._stranger: SigningKey | None = None
        self.merchant: Merchant = ACTIONS["add_merchant"](self, mchid, mode)
        if self.keeper is not None:
            self._retell(self.keeper)
        self.clock.on_advance(lambda seconds: self.act("advance", seconds=seconds) if not self.is_retelling else None)

    def __repr__(self) -> str:
        return f"Sandbox(mchid={self.merchant.mchid!r}, mode={self.merchant.mode!r}, merchants={len(self.merchants)})"

    def yesterday(self) -> datetime:
        """The day before by the clock: what is made now is valid since then."""
        return datetime.fromtimestamp(int(self.clock()), UTC) - timedelta(days=1)

    # -- the story

    def act(self, name: str, /, **values: Any) -> Any:
        """Let something happen that is no call of the API, by the name of its function in `user`, and keep it."""
        with self.lock, self.book.at(self.clock()):
            self.tick()
            result = ACTIONS[name](self, **values)
            self._keep({"at": self.book.now, "do": name, "with": values})
            return result

    def _keep(self, step: dict[str, Any]) -> None:
        if self.keeper is not None and not self.is_retelling:
            self.keeper.append(step)

    def _retell(self, keeper: Keeper) -> None:
        """Tell a kept story again, each step at its time; then time goes on from where it was."""
        self.is_retelling = True
        try:
            for step in keeper.steps():
                self.clock.pin(step["at"])
                if "do" in step:
                    self.act(step["do"], **step["with"])
                else:
                    self._retell_call(step)
        finally:
            self.clock.pin(None)
            self.is_retelling = False
        self.calls.clear()

    def _retell_call(self, step: dict[str, Any]) -> None:
        request = Request(
            step["method"],
            step["target"],
            Headers(headers=step["headers"]),
            base64.b64decode(step["body"]),
            base64.b64decode(step["certificate"]) if step["certificate"] else None,
            bool(step["secure"]),
        )
        self.handle(request, step["base_url"])

    def export(self, path: str | Path) -> None:
        """Write the story and the keys to a file of JSON lines. Raises `ValueError` for a sandbox that keeps none (`state=`)."""
        if self.keeper is None:
            raise ValueError('this sandbox keeps no story: make it with state=":memory:" or the path of a file')
        self.keeper.write(path)

    @classmethod
    def from_story(cls, path: str | Path, *, state: str | Path = ":memory:", **settings: Any) -> Sandbox:
        """A sandbox that has been through the story in a file that `export` wrote; with the same `mchid`, `mode` and `seed`."""
        keeper = Keeper(state)
        keeper.read(path)
        if state == ":memory:":
            return cls(state=keeper, **settings)
        keeper.close()
        return cls(state=state, **settings)

    # -- who takes part

    def add_merchant(self, mchid: str, mode: Mode = "public_key") -> Merchant:
        """One more merchant, with keys of its own. Raises `ValueError` where the number is taken."""
        made: Merchant = self.act("add_merchant", mchid=mchid, mode=mode)
        return made

    def new_certificate(self, *, sign_with_it: bool = True) -> SigningKey:
        """Give out one more platform certificate, and sign with it from now on, or not yet."""
        made: SigningKey = self.act("new_certificate", sign_with_it=sign_with_it)
        return made

    def retire_certificate(self, serial: str) -> None:
        """Stop giving out a platform certificate, and signing with it."""
        self.act("retire_certificate", serial=serial)

    def start_switch(self, mchid: str | None = None) -> None:
        """Move a merchant from certificates to the public key, as the console does: in seven steps, a day each.

        Of its notifications 0.1, 1, 5, 10, 20, 50 and then 100 % are signed with the public key; an answer goes by the request's
        `Wechatpay-Serial`. Certificates can be downloaded until `finish_switch`.
        """
        self.act("start_switch", mchid=self._merchant(mchid).mchid)

    def finish_switch(self, mchid: str | None = None) -> None:
        """The merchant has the public key alone."""
        self.act("finish_switch", mchid=self._merchant(mchid).mchid)

    def key_for(self, merchant: Merchant) -> SigningKey:
        """The key that the platform signs with for a merchant, where nothing else was asked for; chance decides during a switch."""
        if merchant.switch_started is not None:
            day = min(int((self.clock() - merchant.switch_started) // 86_400), len(SWITCH_STEPS) - 1)
            if self._chance.random() < SWITCH_STEPS[day]:
                return self.platform.public_key
        return self.platform.key_for(merchant.mode)

    def _merchant(self, mchid: str | None) -> Merchant:
        return self.merchant if mchid is None else self.merchants[mchid]

    def settings(self, *, mchid: str | None = None, base_url: str | None = None) -> dict[str, Any]:
        """Keyword arguments for a client of this sandbox.

        Without `base_url` the client talks to the sandbox in this process; with it, over a socket: pass what `serve()` gives.
        """
        merchant = self._merchant(mchid)
        key = self.platform.key_for(merchant.mode)
        settings: dict[str, Any] = {
            "mchid": merchant.mchid,
            "serial": merchant.serial,
            "private_key": merchant.private_key_pem,
            "merchant_cert": merchant.certificate_pem,
            "certs": {key.serial: key.pem},
            "apiv3_key": merchant.apiv3_key,
            "secret": merchant.secret,
            "clock": self.clock,
            "base_url": base_url or "http://127.0.0.1",
        }
        if base_url is None:
            settings["transport"] = self.transport()
        return settings

    # -- how it is reached

    @property
    def app(self) -> ASGIApp:
        """The sandbox as an ASGI application."""
        from .app import make_app

        return make_app(self)

    def transport(self) -> Any:
        """An httpx transport into this process, where a broken connection is the error that a socket would give."""
        from .app import InProcessTransport

        return InProcessTransport(self)

    def serve(self, port: int = 0, *, host: str = "127.0.0.1", mtls: bool = False, deliver: bool = False) -> SandboxServer:
        """The sandbox on a socket: `with sandbox.serve() as url`, or `async with`, on asyncio and trio.

        Port 0 takes a free one. `mtls` serves HTTPS and asks for the merchant's client certificate. `deliver` sends notifications as
        they fall due; without it `sandbox.deliver()` does.
        """
        from .server import SandboxServer

        return SandboxServer(self, host, port, mtls=mtls, deliver=deliver)

    def client_tls(self, mchid: str | None = None, *, certificate: bool = True) -> ssl.SSLContext:
        """TLS for a client of `serve(mtls=True)`: trusts this sandbox, and shows the merchant's certificate, or none."""
        merchant = self._merchant(mchid)
        return client_context(self.authority, merchant.certificate, merchant.private_key) if certificate else client_context(self.authority)

    # -- what the user of the phone does

    def pay(
        self, out_trade_no: str, *, openid: str = "", bank_type: str = "OTHERS", mchid: str | None = None, coupon_id: str | None = None
    ) -> Order:
        """The payer pays an order, with one of the user's cash coupons where `coupon_id` names it.

        `mchid` says whose order is meant where several merchants have one of that number. Raises `LookupError` for an unknown one or
        where it is not clear whose, `Refusal` where the phone would show an error.
        """
        chosen = _without_none(mchid=mchid, coupon_id=coupon_id)
        order: Order = self.act("pay", out_trade_no=out_trade_no, openid=openid, bank_type=bank_type, **chosen)
        return order

    def ask_password(self, auth_code: str) -> None:
        """The payer with this payment code must type the password: the order is USERPAYING until `pay`."""
        self.act("ask_password", auth_code=auth_code)

    def decline(self, out_trade_no: str, *, mchid: str | None = None) -> Order:
        """The payer does not type the password: the order of a payment code is PAYERROR. Raises `LookupError`, or `Refusal`."""
        order: Order = self.act("decline", out_trade_no=out_trade_no, **_without_none(mchid=mchid))
        return order

    def confirm_transfer(self, out_bill_no: str) -> Transfer:
        """The receiver confirms a transfer. Raises `LookupError`, or `Refusal` where it cannot be confirmed."""
        transfer: Transfer = self.act("confirm_transfer", out_bill_no=out_bill_no)
        return transfer

    def cannot_receive(self, openid: str, reason: str = "ACCOUNT_FROZEN") -> None:
        """Transfers of a batch to this user fail from now on, with this `fail_reason`."""
        self.act("cannot_receive", openid=openid, reason=reason)

    def sign_contract(self, contract_code: str, *, openid: str = "") -> str:
        """The user signs a contract, by `out_contract_code` (APIv3) or `contract_code` (APIv2); gives its `contract_id`.

        Raises `LookupError`, or `Refusal` when an APIv3 contract is signed already.
        """
        return str(self.act("sign_contract", contract_code=contract_code, openid=openid))

    def terminate_contract(self, out_contract_code: str) -> Contract:
        """The user ends an APIv3 contract. Raises `LookupError`, or `Refusal` when it is not in force."""
        contract: Contract = self.act("terminate_contract", contract_code=out_contract_code)
        return contract

    def complain(
        self,
        out_trade_no: str,
        detail: str,
        *,
        problem_type: Literal["REFUND", "SERVICE_NOT_WORK", "OTHERS"] = "OTHERS",
        phone: str = "",
        refund_amount: int | None = None,
        in_chat: bool = False,
        mchid: str | None = None,
    ) -> Complaint:
        """The payer complains about a paid order; `sandbox.complaints` goes on from there.

        `refund_amount` is in fen, of a REFUND; all of the order when it is left out. `in_chat`: the user waits in the chat for an answer.
        `mchid` says whose order is meant where several merchants have one of that number. Raises `LookupError` for an unknown one or where
        it is not clear whose, `Refusal` where the phone would show an error.
        """
        complaint: Complaint = self.act(
            "complain",
            out_trade_no=out_trade_no,
            detail=detail,
            problem_type=problem_type,
            phone=phone,
            refund_amount="" if refund_amount is None else str(refund_amount),
            chat="yes" if in_chat else "",
            **_without_none(mchid=mchid),
        )
        return complaint

    def finish_refund(self, out_refund_no: str, status: str = "SUCCESS") -> Refund:
        """End a refund now: SUCCESS, ABNORMAL or CLOSED. Raises `LookupError`, or `Refusal` when it has ended."""
        refund: Refund = self.act("finish_refund", out_refund_no=out_refund_no, status=status)
        return refund

    def set_console_url(self, url: str, *, mchid: str | None = None) -> None:
        """The address in the merchant's console, to which refunds without a `notify_url` are told: in XML, even to an APIv3 merchant."""
        self.act("set_console_url", url=url, mchid=self._merchant(mchid).mchid)

    def emit(
        self,
        event_type: str,
        url: str,
        *,
        api: Literal["v2", "v3"] = "v3",
        mchid: str | None = None,
        fields: Mapping[str, Any] | None = None,
    ) -> Notice:
        """Tell a merchant of any documented event, its resource made from the catalogue with these fields in place; `deliver` sends it.

        Raises `LookupError` for an event that the catalogue does not have.
        """
        notice: Notice = self.act(
            "emit", event_type=event_type, url=url, mchid=self._merchant(mchid).mchid, api=api, fields=dict(fields or {})
        )
        return notice

    async def deliver(self, http: httpx.AsyncClient | None = None) -> list[Delivery]:
        """Send the notifications that are due by the clock, each once, and give what came of them.

        They go over `http`, else into `sandbox.notifier.receiver`, else to the addresses that the merchant gave.
        """
        return await self.notifier.deliver(http)

    def tick(self) -> None:
        """Let happen what is due by the clock."""
        with self.lock:
            life.tick(self.book)

    # -- from a request to its reply

    def handle(self, request: Request, base_url: str) -> Reply:
        """The one way from a request to its reply."""
        with self.lock, self.book.at(self.clock()):
            self.tick()
            call = Call(self.book.now, request.method, request.target, request.named_headers, request.body)
            visit = _Visit(request, call, base_url)
            reply = self._reply(visit)
            call.status, call.answer_headers, call.answer_body = reply.status, reply.headers, reply.body
            self._call_count += 1
            call.number = self._call_count
            self.calls.append(call)
            if visit.executed and request.method != "GET":
                self._keep(_call_step(request, call, base_url))
            return reply

    def _reply(self, visit: _Visit) -> Reply:
        found = catalog.match(visit.request.method, visit.request.path)
        if found is None:
            return self._sealed(visit, Refusal(404, "NOT_FOUND", "请求的接口不存在，请检查请求方式和路径", signed=False).answer())
        visit.operation, visit.path = found
        visit.call.operation = visit.operation.id
        visit.fault = None if self.is_retelling else self.faults.strike(visit.operation.id, visit.request.target)
        visit.call.fault = visit.fault.kind if visit.fault else None
        early = _answer_instead(visit.fault)
        if early is not None:
            return self._sealed(visit, early)
        if visit.fault is not None and visit.fault.kind == "refused":
            return Reply(0, {}, b"", breaks="reset")
        try:
            answer = self._answer_v3(visit) if visit.operation.api == "v3" else self._answer_v2(visit)
        except Refusal as refusal:
            answer = refusal.answer()
        return self._damaged(visit, self._sealed(visit, answer))

    def _answer_v3(self, visit: _Visit) -> Answer:
        operation, request = _known(visit.operation), visit.request
        parts = uploads.read_parts(request) if operation.is_upload else None
        meta = None if parts is None or "meta" not in parts else parts["meta"].content
        visit.merchant = self._gate.admit(request, visit.call, self.book.now, signed_body=meta)
        visit.executed = True
        query = schema.check_query(operation, request.query, visit.path)
        if parts is not None:
            body: Any = uploads.check_upload(operation, parts)
        else:
            body = read_json(request) if request.body else None
            schema.check_body(operation, body)
        body, query = self._opened(visit, operation, body, query)
        ask = Ask(operation, visit.merchant, self.platform, self.book, visit.path, query, body or {}, visit.base_url, parts or {})
        handler = flows.ROUTES.get(operation.id)
        answer = handler(ask) if handler is not None else self._synthesised(ask)
        return self._with_sealed_fields(visit, operation, answer)

    def _answer_v2(self, visit: _Visit) -> Answer:
        operation = _known(visit.operation)
        visit.executed = True
        return v2.answer(operation, visit.request, visit.call, self.merchants, self.book, visit.base_url, self._synthesised_data)

    def _opened(self, visit: _Visit, operation: Operation, body: Any, query: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Body and query in the clear; the key is the one that `Wechatpay-Serial` names."""
        key = self._named_key(visit)
        if not sensitive.takes_sensitive(operation):
            return body, query
        query_schema = operation.query_schema
        body_schema = operation.body or sensitive.form_schema(operation)
        if not sensitive.has_sensitive(body_schema, body) and not sensitive.has_sensitive(query_schema, query):
            return body, query
        if key is None:
            raise Refusal(
                400, "PARAM_ERROR", "请求含有敏感字段，Http头须带有Wechatpay-Serial", {"location": "header", "field": "Wechatpay-Serial"}
            )
        return (
            sensitive.open_fields(body_schema, body, key.private_key),
            sensitive.open_fields(query_schema, query, key.private_key, "query"),
        )

    def _named_key(self, visit: _Visit) -> SigningKey | None:
        serial = visit.request.headers.get("wechatpay-serial")
        key = None if serial is None else self.platform.find(serial)
        if serial is not None and key is None:
            detail = {"location": "header", "field": "Wechatpay-Serial", "value": serial}
            raise Refusal(400, "PARAM_ERROR", "Http头Wechatpay-Serial不是有效的平台证书序列号或微信支付公钥ID", detail)
        return key

    def _synthesised(self, ask: Ask) -> Answer:
        sent = {**ask.body, **ask.query, **ask.path}
        status, data = self._synthesised_data(ask.operation, ask.mchid, sent, {**ask.query, **ask.path}, ask.base_url)
        if ask.operation.download:
            return Answer(status, content=SYNTHETIC_FILE, media_type="application/octet-stream")
        return Answer(status, data)

    def _synthesised_data(
        self, operation: Operation, mchid: str, sent: Mapping[str, Any], named: Mapping[str, Any] | None = None, base_url: str = ""
    ) -> tuple[int, Any]:
        """An answer from the catalogue alone, with what is remembered of the things that `named` names."""
        known = self._memory.recall(mchid, operation, sent if named is None else named)
        file_url = f"{base_url}/v3/billdownload/file?token={SYNTHETIC_TOKEN}"
        status, data = make_answer(operation, seed=self.seed, now=self.book.now, sent=sent, known=known, file_url=file_url)
        answered = as_object(data) or {}
        self._memory.remember(mchid, operation, {**known, **answered, **sent})
        return status, data

    def _with_sealed_fields(self, visit: _Visit, operation: Operation, answer: Answer) -> Answer:
        fields = operation.responses.get(str(answer.status)) if sensitive.answers_with_sensitive(operation) else None
        if fields is not None and visit.merchant is not None and answer.data is not None and not answer.fields_sealed:
            answer.data = sensitive.seal_fields(fields, answer.data, visit.merchant.private_key.public_key())
        if operation.download or not operation.response_signed:
            answer.signed = False
        return answer

    def server_tls(self) -> ssl.SSLContext:
        """TLS for a server on this machine, asking for a client certificate of this sandbox's authority."""
        return server_context(self.authority, self._make_key)

    # -- signing

    def _sealed(self, visit: _Visit, answer: Answer) -> Reply:
        body = answer.content if answer.content is not None else b"" if answer.data is None else as_json(answer.data)
        cause = "0" if answer.status < 400 else f"2{self.book.noise.digits(8)}"
        headers = {"Request-ID": f"{self.book.noise.hexadecimal(40).upper()}-{cause}", "Keep-Alive": "timeout=8"} | answer.headers
        if body:
            headers["Content-Type"] = answer.media_type
        if answer.signed and visit.merchant is not None:
            headers |= self._signature(visit, visit.merchant, body)
        elif body and visit.merchant is not None and visit.operation is not None and visit.operation.path in SIGNED_BY_HASH:
            headers[STATEMENT_SHA1] = sha1(body)
            headers |= self._signature(visit, visit.merchant, as_json({"sha1": sha1(body)}))
        delay = visit.fault.seconds if visit.fault is not None and visit.fault.kind == "latency" else 0.0
        return Reply(answer.status, headers, body, delay=delay)

    def _signature(self, visit: _Visit, merchant: Merchant, body: bytes) -> dict[str, str]:
        key = self.platform.find(visit.request.headers.get("wechatpay-serial", "")) or self.key_for(merchant)
        kind = visit.fault.kind if visit.fault is not None else ""
        return self.signature_headers(key, body, kind)

    def signature_headers(self, key: SigningKey, body: bytes, fault: str = "") -> dict[str, str]:
        """The `Wechatpay-*` headers over a body; `fault` spoils them in the way of that name."""
        if fault == "unsigned" or self.is_retelling:
            return {}
        if fault == "unknown_serial":
            key = self._stranger = self._stranger or SigningKey(self.book.noise.hexadecimal(40).upper(), self._make_key())
        timestamp, nonce = str(int(self.clock()) - (600 if fault == "stale" else 0)), self.book.noise.letters(32)
        message = f"{timestamp}\n{nonce}\n".encode() + body + b"\n"
        signature = sign(key.private_key, message + b"something else" if fault == "wrong_signature" else message)
        if fault == "probe":
            # 355 characters, not base64: as seen in the wild.
            signature = "WECHATPAY/SIGNTEST/" + self.book.noise.letters(336)
        return {
            "Wechatpay-Timestamp": timestamp,
            "Wechatpay-Nonce": nonce,
            "Wechatpay-Serial": key.serial,
            "Wechatpay-Signature": signature,
            "Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048",
        }

    def _damaged(self, visit: _Visit, reply: Reply) -> Reply:
        """The reply after the faults that strike once the operation has been executed."""
        kind = visit.fault.kind if visit.fault is not None else ""
        if kind == "server_error":
            return self._sealed(visit, Answer(500, {"code": "SYSTEM_ERROR", "message": "系统异常，请稍后重试"}))
        if kind == "wrong_signature" and visit.operation is not None and visit.operation.api == "v2":
            reply.body = re.sub(rb"(<sign>(?:<!\[CDATA\[)?)[0-9A-F]{8}", rb"\g<1>00000000", reply.body)
        if kind in {"reset", "half"}:
            reply.breaks = kind
        if kind == "tampered" and reply.body:
            middle = len(reply.body) // 2
            reply.body = reply.body[:middle] + bytes([reply.body[middle] ^ 1]) + reply.body[middle + 1 :]
        return reply


def _without_none(**values: str | None) -> dict[str, str]:
    """The values that were given, so that a story has no others."""
    return {name: value for name, value in values.items() if value is not None}


def _call_step(request: Request, call: Call, base_url: str) -> dict[str, Any]:
    """A call as it is kept."""
    certificate = request.client_certificate
    return {
        "at": call.at,
        "method": request.method,
        "target": request.target,
        "headers": call.request_headers,
        "body": base64.b64encode(request.body).decode(),
        "certificate": base64.b64encode(certificate).decode() if certificate else "",
        "secure": request.is_secure,
        "base_url": base_url,
        "answered": call.status,
    }


def _known(operation: Operation | None) -> Operation:
    assert operation is not None  # noqa: S101 - the caller has matched it
    return operation


def _answer_instead(fault: Fault | None) -> Answer | None:
    """What the gateway says without executing the operation."""
    kind = fault.kind if fault is not None else ""
    if kind == "unavailable":
        return Answer(503, {"code": "SERVICE_UNAVAILABLE", "message": "服务不可用，请稍后重试"}, signed=False)
    if kind == "rate_limited":
        return Answer(429, {"code": "FREQUENCY_LIMITED", "message": "频率超限，请降低请求频率"}, signed=False)
    if kind == "bad_gateway":
        return Answer(502, content=b"<html><body><h1>502 Bad Gateway</h1></body></html>", media_type="text/html", signed=False)
    return None
