"""Every documented operation, called by the package's own client with the catalogue's examples: a 2xx that verifies."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import MakeSandbox
from tests.sandbox.test_synthesis import example
from wechatpay_async import Wechatpay, WechatpayError, catalog
from wechatpay_async.catalog import Operation
from wechatpay_async.retry import Retry
from wechatpay_async.sandbox import Sandbox
from wechatpay_async.sandbox.flows import ROUTES
from wechatpay_async.sandbox.v2.flows import ROUTES as ROUTES_V2
from wechatpay_async.sandbox.wire import as_array, as_object

pytestmark = pytest.mark.anyio

MCHID = "1900000109"
SUB = "1900000110"
SHOP = "1900000120"
APPID = "wxd678efh567hg6787"
OWN = {"mchid", "mch_id", "combine_mchid", "combine_mch_id", "sp_mchid"}
#: Made by the client itself.
MADE = {"sign", "nonce_str", "filename", "file_name", "sha256", "file_digest", "digest", "media_hash"}


def own(value: Any) -> Any:
    """The value with the merchant's own number wherever a merchant number stands."""
    if (members := as_object(value)) is not None:
        return {name: MCHID if name in OWN and isinstance(member, str) else own(member) for name, member in members.items()}
    if (items := as_array(value)) is not None:
        return [own(item) for item in items]
    return value


class Walk:
    """Calls operations by their id, with examples where nothing else is said."""

    def __init__(self, wxpay: Wechatpay) -> None:
        self.wxpay = wxpay
        self.walked: set[str] = set()

    async def __call__(self, operation_id: str, body: dict[str, Any] | None = None, /, **values: Any) -> Any:
        """`values` fill the path and the query; `body` replaces or (None) removes fields of the example."""
        method, path = operation_id.split(" ")
        operation = catalog.operation("v3" if path.startswith("/v3/") else "v2", method, path)
        assert operation is not None
        return await self.do(operation, body, values)

    async def do(self, operation: Operation, body: dict[str, Any] | None = None, values: dict[str, Any] | None = None) -> Any:
        values = values or {}
        path = {item["name"]: str(values.get(item["name"]) or example(item) or "1") for item in operation.path_params}
        wanted = {
            item["name"]: values.get(item["name"], example(item)) for item in operation.query_params if item["name"] not in {*path, *MADE}
        }
        params = own({name: value for name, value in wanted.items() if value is not None})
        node = self.wxpay.chain(("v2" if operation.api == "v2" else "") + operation.path)
        send = getattr(node, operation.method.lower())
        if operation.is_upload:
            answer = await send(self.form(operation), file=b"\x89PNG picture", filename="a.png", **path)
        elif operation.method in {"GET", "DELETE"} and operation.body is None:
            answer = await send(params=params or None, **path)
        else:
            answer = await send(self.body(operation, body or {}), params=params or None, **path)
        self.walked.add(operation.id)
        return answer.data

    def body(self, operation: Operation, changes: dict[str, Any]) -> dict[str, Any] | None:
        if operation.body is None:
            return None
        whole: dict[str, Any] = own(example(operation.body)) | changes
        return {
            name.replace("_$n", "_0").replace("_$m", "_0"): value
            for name, value in whole.items()
            if value is not None and (operation.api == "v3" or name not in MADE)
        }

    def form(self, operation: Operation) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for item in operation.form:
            if item.get("format") == "json":
                for name, schema in item.get("contentSchema", {}).get("properties", {}).items():
                    found[name] = example(schema)
            elif item.get("type") != "file":
                found[item["name"]] = example(item)
        return {name: value for name, value in found.items() if name not in MADE | OWN | {"sign_type"}}


def client(sandbox: Sandbox) -> Wechatpay:
    return Wechatpay(**sandbox.settings(), validate="strict", retry=Retry(attempts=1))


async def test_every_operation_without_rules_of_its_own(make_sandbox: MakeSandbox) -> None:
    failures: dict[str, str] = {}
    async with client(make_sandbox()) as wxpay:
        walk = Walk(wxpay)
        for operation in catalog.operations():
            if operation.id in ROUTES or operation.id in ROUTES_V2:
                continue
            try:
                await walk.do(operation)
            except WechatpayError as error:
                failures[operation.id] = str(error)
    assert failures == {}
    assert len(walk.walked) + len(ROUTES) + len(ROUTES_V2) == 1154  # 1,155 less GET /v3/certificates, which is there once for each host


async def test_every_operation_with_rules_of_its_own(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(mode="certificate")
    async with client(sandbox) as wxpay:
        walk = Walk(wxpay)
        await direct_orders(sandbox, walk)
        await partner_orders(sandbox, walk)
        await combined_orders(sandbox, walk)
        await shared_orders(sandbox, walk)
        for partner in (False, True):
            await pay_score(sandbox, walk, partner=partner)
        await transfers(walk)
        await batches(walk)
        await applications(sandbox, walk)
        await contracts(sandbox, walk)
        await complaints(sandbox, walk)
        await parking(sandbox, walk)
        await parking_reminders(sandbox, walk)
        await coupons(sandbox, walk)
        await apiv2(sandbox, walk)
        sandbox.clock.advance(hours=22)
        await bills(walk)
        await coupon_flows(sandbox, walk)
        for path in ("/v3/certificates", "/v3/global/certificates"):
            await walk(f"GET {path}", algorithm_type=None)
    assert set(ROUTES) - walk.walked == set()
    assert set(ROUTES_V2) - walk.walked == set()


async def direct_orders(sandbox: Sandbox, walk: Walk) -> None:
    base = "/v3/pay/transactions"
    for kind in ("jsapi", "jsapi-with-contract", "app", "app-with-contract", "h5", "native", "codepay"):
        await walk(f"POST {base}/{kind}", {"out_trade_no": f"direct-{kind}"[:32], "time_expire": None})
    paid = sandbox.pay("direct-native")
    await walk(f"GET {base}/id/{{transaction_id}}", transaction_id=paid.transaction_id)
    await walk(f"GET {base}/out-trade-no/{{out_trade_no}}", out_trade_no="direct-native")
    await walk(f"POST {base}/out-trade-no/{{out_trade_no}}/close", out_trade_no="direct-app")
    await walk(f"POST {base}/out-trade-no/{{out_trade_no}}/reverse", out_trade_no="direct-codepay")
    refunds = "/v3/refund/domestic/refunds"
    asked = {"out_trade_no": "direct-native", "transaction_id": None, "sub_mchid": None, "out_refund_no": "direct-refund"}
    refund = await walk(f"POST {refunds}", asked | {"amount": {"refund": 1, "total": paid.total, "currency": "CNY"}})
    await walk(f"GET {refunds}/{{out_refund_no}}", out_refund_no="direct-refund", sub_mchid=None)
    sandbox.finish_refund("direct-refund", "ABNORMAL")
    again = {"out_refund_no": "direct-refund", "sub_mchid": None}
    await walk(f"POST {refunds}/{{refund_id}}/apply-abnormal-refund", again, refund_id=refund["refund_id"])


async def partner_orders(sandbox: Sandbox, walk: Walk) -> None:
    base = "/v3/pay/partner/transactions"
    for kind in ("jsapi", "jsapi-with-contract", "miniprogram", "app", "app-with-contract", "h5", "native", "codepay"):
        await walk(f"POST {base}/{kind}", {"out_trade_no": f"sub-{kind}"[:32], "time_expire": None, "sub_mchid": SUB})
    paid = sandbox.pay("sub-native")
    await walk(f"GET {base}/id/{{transaction_id}}", transaction_id=paid.transaction_id, sub_mchid=SUB)
    await walk(f"GET {base}/out-trade-no/{{out_trade_no}}", out_trade_no="sub-native", sub_mchid=SUB)
    await walk(f"POST {base}/out-trade-no/{{out_trade_no}}/close", {"sub_mchid": SUB}, out_trade_no="sub-app")
    await walk(f"POST {base}/out-trade-no/{{out_trade_no}}/reverse", {"sub_mchid": SUB}, out_trade_no="sub-codepay")


async def combined_orders(sandbox: Sandbox, walk: Walk) -> None:
    base = "/v3/combine-transactions"
    for kind in ("jsapi", "miniprogram", "app", "native", "h5"):
        operation = catalog.operation("v3", "POST", f"{base}/{kind}")
        assert operation is not None
        assert operation.body is not None
        (part,) = own(example(operation.body))["sub_orders"]
        part["out_trade_no"] = f"part-of-{kind}"
        changes = {"combine_out_trade_no": f"combine-{kind}", "time_start": None, "time_expire": None, "sub_orders": [part]}
        await walk(f"POST {base}/{kind}", changes)
    sandbox.pay("combine-native")
    seen = await walk(f"GET {base}/out-trade-no/{{combine_out_trade_no}}", combine_out_trade_no="combine-native")
    await walk(f"GET {base}/id/{{combine_transaction_id}}", combine_transaction_id=seen["combine_transaction_id"])
    close = {"combine_appid": APPID, "sub_orders": [{"mchid": MCHID, "out_trade_no": "part-of-app"}]}
    await walk(f"POST {base}/out-trade-no/{{combine_out_trade_no}}/close", close, combine_out_trade_no="combine-app")


async def shared_orders(sandbox: Sandbox, walk: Walk) -> None:
    base = "/v3/profitsharing"
    order = {"out_trade_no": "shared-order", "time_expire": None, "settle_info": {"profit_sharing": True}, "amount": {"total": 1000}}
    await walk("POST /v3/pay/transactions/native", order)
    transaction = sandbox.pay("shared-order").transaction_id
    shop = {"type": "MERCHANT_ID", "account": SHOP, "sub_mchid": None}
    await walk(f"POST {base}/receivers/add", shop | {"name": "示例商户", "relation_type": "STORE"})
    receivers = [{"type": "MERCHANT_ID", "account": SHOP, "amount": 100, "description": "分账"}]
    split = {"transaction_id": transaction, "out_order_no": "split-1", "sub_mchid": None, "receivers": receivers, "unfreeze_unsplit": False}
    await walk(f"POST {base}/orders", split)
    sandbox.clock.advance(seconds=3)
    await walk(f"GET {base}/orders/{{out_order_no}}", out_order_no="split-1", transaction_id=transaction, sub_mchid=None)
    back = {"out_order_no": "split-1", "order_id": None, "out_return_no": "back-1", "return_mchid": SHOP, "amount": 50, "sub_mchid": None}
    await walk(f"POST {base}/return-orders", back)
    await walk(f"GET {base}/return-orders/{{out_return_no}}", out_return_no="back-1", out_order_no="split-1", sub_mchid=None)
    rest = {"transaction_id": transaction, "out_order_no": "split-2", "sub_mchid": None}
    await walk(f"POST {base}/orders/unfreeze", rest)
    await walk(f"GET {base}/transactions/{{transaction_id}}/amounts", transaction_id=transaction)
    await walk(f"GET {base}/merchant-configs/{{sub_mchid}}", sub_mchid=SUB)
    await walk(f"POST {base}/receivers/delete", shop)


async def pay_score(sandbox: Sandbox, walk: Walk, *, partner: bool) -> None:
    base = f"/v3/payscore{'/partner' if partner else ''}/serviceorder"
    prefix = "partner-" if partner else "merchant-"
    who: dict[str, Any] = {"service_id": "2002000000000558128851361561536"} | ({"sub_mchid": SUB} if partner else {"appid": APPID})
    bill = {"post_payments": [{"name": "就餐费用", "amount": 100}], "post_discounts": None, "total_amount": 100}

    async def completed(number: str) -> None:
        await walk(f"POST {base}", who | {"out_order_no": number, "need_user_confirm": True})
        sandbox.payscore.confirm(number)
        await walk(f"POST {base}/{{out_order_no}}/complete", who | bill, out_order_no=number)

    first, second, third = (f"{prefix}{number}" for number in range(3))
    await completed(first)
    await walk(
        f"POST {base}/{{out_order_no}}/modify",
        who | bill | {"post_payments": [{"name": "x", "amount": 50}], "total_amount": 50},
        out_order_no=first,
    )
    await walk(f"POST {base}/{{out_order_no}}/pay", who, out_order_no=first)
    await walk(f"GET {base}", **who, out_order_no=first, query_id=None)
    sandbox.payscore.pay(first)
    await completed(second)
    await walk(f"POST {base}/{{out_order_no}}/sync", who, out_order_no=second)
    await walk(f"POST {base}", who | {"out_order_no": third})
    await walk(f"POST {base}/{{out_order_no}}/cancel", who, out_order_no=third)
    await walk(f"POST {base}/direct-complete", who | bill | {"out_order_no": f"{prefix}4"})


async def transfers(walk: Walk) -> None:
    base = "/v3/fund-app/mch-transfer/transfer-bills"
    made = await walk(f"POST {base}", {"out_bill_no": "transfer1", "transfer_amount": 1000, "user_name": "张三"})
    await walk(f"GET {base}/out-bill-no/{{out_bill_no}}", out_bill_no="transfer1")
    await walk(f"GET {base}/transfer-bill-no/{{transfer_bill_no}}", transfer_bill_no=made["transfer_bill_no"])
    await walk(f"POST {base}/out-bill-no/{{out_bill_no}}/cancel", out_bill_no="transfer1")


async def batches(walk: Walk) -> None:
    base = "/v3/transfer/batches"
    part = {"out_detail_no": "detail1", "transfer_amount": 100, "transfer_remark": "报销", "openid": "o-1", "user_name": "张三"}
    made = await walk(f"POST {base}", {"out_batch_no": "batch1", "total_amount": 100, "total_num": 1, "transfer_detail_list": [part]})
    asked: dict[str, Any] = {"need_query_detail": True, "detail_status": "ALL", "offset": 0, "limit": 20}
    await walk(f"GET {base}/batch-id/{{batch_id}}", batch_id=made["batch_id"], **asked)
    await walk(f"GET {base}/out-batch-no/{{out_batch_no}}", out_batch_no="batch1", **asked)
    by_number = f"GET {base}/out-batch-no/{{out_batch_no}}/details/out-detail-no/{{out_detail_no}}"
    detail = await walk(by_number, out_batch_no="batch1", out_detail_no="detail1")
    by_id = f"GET {base}/batch-id/{{batch_id}}/details/detail-id/{{detail_id}}"
    await walk(by_id, batch_id=made["batch_id"], detail_id=detail["detail_id"])


async def applications(sandbox: Sandbox, walk: Walk) -> None:
    shops, subs = "/v3/ecommerce/applyments", "/v3/applyment4sub/applyment"
    asked = await walk(f"POST {shops}/", {"out_request_no": "shop-1"})
    await walk(f"POST {subs}/", {"business_code": "sub-1"})
    for number in ("shop-1", "sub-1"):
        sandbox.applyments.approve(number)
    await walk(f"GET {shops}/{{applyment_id}}", applyment_id=asked["applyment_id"])
    await walk(f"GET {shops}/out-request-no/{{out_request_no}}", out_request_no="shop-1")
    seen = await walk(f"GET {subs}/business_code/{{business_code}}", business_code="sub-1")
    await walk(f"GET {subs}/applyment_id/{{applyment_id}}", applyment_id=seen["applyment_id"])
    merchant = "/v3/apply4sub/sub_merchants/{sub_mchid}"
    shop = sandbox.applyments.find("shop-1").sub_mchid
    change = await walk(
        f"POST {merchant}/modify-settlement", {"account_number": "6214830123456789", "account_name": "张三"}, sub_mchid=shop
    )
    await walk(f"GET {merchant}/settlement", sub_mchid=shop)
    await walk(f"GET {merchant}/application/{{application_no}}", sub_mchid=shop, application_no=change["application_no"])


async def contracts(sandbox: Sandbox, walk: Walk) -> None:
    sign, pay, scheduled = "/v3/papay/sign", "/v3/papay/pay", "/v3/papay/scheduled-deduct-sign"
    await walk(f"POST {sign}/contracts/pre-entrust-sign", {"out_contract_code": "harmony", "plan_id": 12535})
    named: dict[str, Any] = {"plan_id": 12535, "out_contract_code": "harmony"}
    contract_id = sandbox.sign_contract("harmony")
    await walk(f"GET {sign}/contracts/harmony-plan-id/{{plan_id}}/out-contract-code/{{out_contract_code}}", **named)
    await walk(f"POST {pay}/harmony/transactions/apply", {"out_trade_no": "deduct-harmony", "contract_id": contract_id})
    for who, sub in (("", {}), ("/partner", {"sub_mchid": SUB})):
        for place in ("app", "h5", "jsapi", "mini-program"):
            code = f"{who[1:]}{place}"
            await walk(f"POST {scheduled}{who}/contracts/pre-entrust-sign/{place}", sub | {"out_contract_code": code, "plan_id": 12535})
        named["out_contract_code"] = f"{who[1:]}app"
        contract_id = sandbox.sign_contract(named["out_contract_code"])
        number = {"out_trade_no": f"deduct-{who[1:]}", "contract_id": contract_id}
        await walk(f"POST {pay}{who}/transactions/apply", sub | number)
        one = f"{sign}{who}/contracts/plan-id/{{plan_id}}/out-contract-code/{{out_contract_code}}"
        await walk(f"GET {one}", **named, **sub)
        await walk(f"POST {one}/terminate", sub, **named)


async def complaints(sandbox: Sandbox, walk: Walk) -> None:
    base, me = "/v3/merchant-service", {"complainted_mchid": MCHID}
    for method in ("POST", "GET", "PUT", "DELETE"):
        await walk(f"{method} {base}/complaint-notifications")
    image = (await walk(f"POST {base}/images/upload"))["media_id"]
    await walk(f"GET {base}/images/{{media_id}}", media_id=image)
    for number in ("complaint-1", "complaint-2"):
        await walk("POST /v3/pay/transactions/native", {"out_trade_no": number, "time_expire": None})
    transaction = sandbox.pay("complaint-1").transaction_id
    one = f"{base}/complaints-v2/{{complaint_id}}"
    item = sandbox.complain("complaint-1", "反馈一个重复扣费的问题", phone="13800138000", in_chat=True).complaint_id
    day: dict[str, Any] = {"begin_date": "2025-11-25", "end_date": "2025-11-26", "offset": 0}
    await walk(f"GET {base}/complaints-v2", **day, complainted_mchid=MCHID)
    await walk(f"GET {base}/complaints", **day, sub_mchid=None)
    await walk(f"POST {one}/response-immediate-service", me, complaint_id=item)
    await walk(f"POST {one}/response", me | {"response_images": [image]}, complaint_id=item)
    feedback = {"transaction_id": transaction, "feedback_images": [image], "launch_confirm_process": False}
    await walk(f"POST {base}/feedbacks", me | feedback)
    await walk(f"POST {one}/complete", me, complaint_id=item)
    await walk(f"GET {one}", complaint_id=item)
    await walk(f"GET {one}/negotiation-historys", complaint_id=item, offset=0)
    await walk(f"GET {base}/complaints/{{transaction_id}}", transaction_id=transaction)
    await walk(f"GET {base}/complaints/{{transaction_id}}/negotiation-historys", transaction_id=transaction)
    sandbox.pay("complaint-2")
    wanted = sandbox.complain("complaint-2", "申请退款", problem_type="REFUND").complaint_id
    await walk(f"POST {one}/update-refund-progress", {"reject_media_list": [image]}, complaint_id=wanted)


async def coupons(sandbox: Sandbox, walk: Walk) -> None:
    base, creator = "/v3/marketing/favor", {"stock_creator_mchid": MCHID}
    await walk(f"POST {base}/callbacks")
    await walk(f"GET {base}/callbacks", mchid=MCHID)
    rule = {"coupon_amount": 30, "transaction_minimum": 100}
    use = {"coupon_available_time": {}, "fixed_normal_coupon": rule, "available_merchants": [MCHID], "available_items": ["1"]}
    limits = {"max_coupons": 10, "max_amount": 300, "max_coupons_per_user": 1, "natural_person_limit": False, "prevent_api_abuse": False}
    time = {"available_begin_time": "2025-11-25T12:30:00+08:00", "available_end_time": "2025-11-25T23:00:00+08:00"}
    changes = {"belong_merchant": MCHID, "stock_type": "NORMAL", "coupon_use_rule": use, "stock_use_rule": limits, "no_cash": True}
    number = (await walk(f"POST {base}/coupon-stocks", changes | time))["stock_id"]
    one = f"{base}/stocks/{{stock_id}}"
    for action in ("start", "pause", "restart"):
        await walk(f"POST {one}/{action}", creator, stock_id=number)
    await walk(f"POST {one}/modify-goods-id", creator | {"delete_goods_id_list": ["2"]}, stock_id=number)
    sandbox.clock.advance(minutes=30)
    page: dict[str, Any] = {"offset": 0, "limit": 10} | creator
    await walk(f"GET {base}/stocks", **page, create_start_time=None, create_end_time=None, status=None)
    await walk(f"GET {one}", stock_id=number, **creator)
    await walk(f"GET {one}/merchants", stock_id=number, **page)
    await walk(f"GET {one}/items", stock_id=number, **page)
    user = f"{base}/users/{{openid}}/coupons"
    coupon = (await walk(f"POST {user}", creator | {"stock_id": number, "coupon_value": None, "coupon_minimum": None}, openid="o-1"))[
        "coupon_id"
    ]
    goods = {"goods_detail": [{"merchant_goods_id": "1", "quantity": 1, "unit_price": 100}]}
    order = {"out_trade_no": "coupon-order", "time_expire": None, "amount": {"total": 100}, "detail": goods}
    await walk("POST /v3/pay/transactions/native", order)
    sandbox.pay("coupon-order", coupon_id=coupon)
    await walk("GET /v3/pay/transactions/out-trade-no/{out_trade_no}", out_trade_no="coupon-order")
    by = {"out_trade_no": "coupon-order", "transaction_id": None, "sub_mchid": None, "out_refund_no": "coupon-refund"}
    await walk("POST /v3/refund/domestic/refunds", by | {"amount": {"refund": 50, "total": 100, "currency": "CNY"}})
    await walk(f"GET {user}/{{coupon_id}}", openid="o-1", coupon_id=coupon, appid="wx233544546545989")
    everything = dict.fromkeys(("stock_id", "status", "creator_mchid", "sender_mchid", "available_mchid", "business_type"))
    await walk(f"GET {user}", openid="o-1", appid="wx233544546545989", offset=0, limit=20, **everything)


async def coupon_flows(sandbox: Sandbox, walk: Walk) -> None:
    one, number = "/v3/marketing/favor/stocks/{stock_id}", next(iter(sandbox.book.shelf("stocks")))
    for flow in ("use-flow", "refund-flow"):
        await walk(f"GET {one}/{flow}", stock_id=number)
        await walk(f"GET {one}/{flow}-by-day", stock_id=number, bill_date="2025-11-25")


async def parking(sandbox: Sandbox, walk: Walk) -> None:
    sandbox.parking.open("粤B888888", openid="oUpF8uMuAJOM2pxb1Q")
    await walk("GET /v3/vehicle/parking/services/find", sub_mchid=SUB)
    made = await walk("POST /v3/vehicle/parking/parkings", {"sub_mchid": SUB})
    info = {name: made[name] for name in ("plate_number", "plate_color", "start_time", "parking_name")}
    info |= {"parking_id": made["id"], "end_time": "2017-08-26T12:43:39+08:00", "charging_duration": 3600, "device_id": "12313"}
    await walk("POST /v3/vehicle/transactions/parking", {"sub_mchid": SUB, "out_trade_no": "parking1", "parking_info": info})
    sandbox.clock.advance(seconds=3)
    await walk("GET /v3/vehicle/transactions/out-trade-no/{out_trade_no}", out_trade_no="parking1", sub_mchid=SUB)


async def parking_reminders(sandbox: Sandbox, walk: Walk) -> None:
    base, number = "/v3/parking/reminders", {"out_parking_lot_id": "PARK001"}
    named = number | await walk(f"POST {base}/application")
    await walk(f"POST {base}/application/withdraw", named)
    named = number | await walk(f"POST {base}/application")
    car_park = sandbox.parking.approve_car_park("PARK001").wx_number
    await walk(f"GET {base}/application/query", **named)
    await walk(f"GET {base}/applications", **number, offset=0, limit=10)
    await walk(f"GET {base}/parking-lot", **number, wx_parking_lot_id=None)
    car = {"out_serial_number": "SERIAL1", "plate_number": "粤B12345", "parking_id": car_park}
    await walk(f"POST {base}/entry", car)
    await walk(f"POST {base}/payment", car)
    await walk(f"POST {base}/exit", car)
    await walk(f"POST {base}/parking-fee", {"out_serial_number": "SERIAL1", "out_parking_id": "PARK001"})
    await walk(f"POST {base}/ext-payment", {"wx_parking_lot_id": car_park})


async def bills(walk: Walk) -> None:
    day: dict[str, Any] = {"bill_date": "2025-11-25", "tar_type": None, "sub_mchid": None}
    offer = await walk("GET /v3/bill/tradebill", **day, bill_type=None)
    await walk("GET /v3/bill/fundflowbill", **day, account_type=None)
    encrypted: dict[str, Any] = {"algorithm": "AEAD_AES_256_GCM"}
    await walk("GET /v3/bill/sub-merchant-fundflowbill", **day | encrypted | {"sub_mchid": SUB, "account_type": "BASIC"})
    await walk("GET /v3/ecommerce/bill/fundflowbill", **day | encrypted, account_type="ALL")
    await walk("GET /v3/billdownload/file", token=offer["download_url"].partition("token=")[2], tartype=None)


async def apiv2(sandbox: Sandbox, walk: Walk) -> None:
    plain = {"sub_mch_id": None, "sub_appid": None, "time_start": None, "time_expire": None, "fee_type": None}
    await walk("POST /pay/unifiedorder", plain | {"out_trade_no": "v2-1"})
    await walk("POST /pay/unifiedorder", plain | {"out_trade_no": "v2-2"})
    await walk("POST /pay/closeorder", plain | {"out_trade_no": "v2-2"})
    await walk("POST /pay/micropay", plain | {"out_trade_no": "v2-3"})
    await walk("POST /secapi/pay/reverse", plain | {"out_trade_no": "v2-3", "transaction_id": None})
    paid = sandbox.pay("v2-1")
    by = plain | {"out_trade_no": "v2-1", "transaction_id": None}
    await walk("POST /pay/orderquery", by)
    await walk("POST /pay/paporderquery", by)
    refund = by | {"total_fee": paid.total, "refund_fee": 1, "refund_fee_type": None}
    await walk("POST /secapi/pay/refund", refund | {"out_refund_no": "v2-r1"})
    sandbox.clock.advance(minutes=1)
    await walk("POST /secapi/pay/refundv2", refund | {"out_refund_no": "v2-r2"})
    for path in ("/pay/refundquery", "/pay/refundqueryv2"):
        await walk(f"POST {path}", by | {"out_refund_no": None, "refund_id": None, "offset": None})
    for path in ("sendredpack", "sendgroupredpack"):
        await walk(f"POST /mmpaymkttransfers/{path}", {"mch_billno": f"1{path}", "sub_mch_id": None, "total_amount": 1000})
    await walk("POST /mmpaymkttransfers/gethbinfo", {"mch_billno": "1sendredpack"})
    await walk("POST /papay/preentrustweb", {"contract_code": "100005698"})
    contract_id = sandbox.sign_contract("100005698")
    named = {"contract_id": contract_id, "contract_code": None, "plan_id": None}
    await walk("POST /papay/querycontract", named)
    await walk("POST /pay/pappayapply", plain | {"out_trade_no": "v2-4", "contract_id": contract_id})
    await walk("POST /papay/deletecontract", named)
    sandbox.clock.advance(days=1)
    await walk("POST /pay/downloadbill", {"bill_date": "20251125", "tar_type": None})
