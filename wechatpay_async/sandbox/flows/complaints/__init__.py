"""Consumer complaints (消费者投诉2.0): a user complains about a payment, merchant and user talk, the merchant ends it or gives money back.

    PENDING -> PROCESSING, by the merchant's first reply or its consent to a refund
    PENDING, PROCESSING -> PROCESSED, by the merchant's word, its refusal of a refund, a refund that arrived, or the user's withdrawal
    PROCESSED -> PENDING, when the user complains again

https://pay.weixin.qq.com/doc/v3/merchant/4015821404, https://pay.weixin.qq.com/wiki/doc/apiv3/apis/chapter10_2_16.shtml
"""

from __future__ import annotations

from ..context import Routes
from . import addresses, images, queries, replies
from .model import PROBLEM_TYPES, Complaint, find_complaint
from .users import complain, follow, refund_arrived

__all__ = ["PROBLEM_TYPES", "ROUTES", "Complaint", "complain", "find_complaint", "follow", "refund_arrived"]

ROUTES: Routes = {**addresses.ROUTES, **queries.ROUTES, **replies.ROUTES, **images.ROUTES}
