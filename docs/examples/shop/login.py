"""Who the buyer is, for payments inside WeChat: the `openid`, by OAuth 2 (https://developers.weixin.qq.com/doc/service/guide/h5/auth.html)."""

from __future__ import annotations

from urllib.parse import urlencode

import httpx

__all__ = ["LoginFailed", "login_address", "openid_for"]


class LoginFailed(Exception):
    """WeChat did not say who the buyer is."""


def login_address(appid: str, back: str, state: str) -> str:
    """Where to send the browser; it comes back to `back` with `code` and `state`."""
    query = {"appid": appid, "redirect_uri": back, "response_type": "code", "scope": "snsapi_base", "state": state}
    return f"https://open.weixin.qq.com/connect/oauth2/authorize?{urlencode(query)}#wechat_redirect"


async def openid_for(http: httpx.AsyncClient, appid: str, app_secret: str, code: str) -> str:
    """The `openid` behind a code. Raises `LoginFailed`."""
    query = {"appid": appid, "secret": app_secret, "code": code, "grant_type": "authorization_code"}
    try:
        answer = (await http.get("https://api.weixin.qq.com/sns/oauth2/access_token", params=query)).json()
    except (httpx.HTTPError, ValueError) as error:
        raise LoginFailed(type(error).__name__) from None  # the address in its text holds the secret
    openid = answer.get("openid")
    if not isinstance(openid, str):
        raise LoginFailed(f"errcode {answer.get('errcode')}")
    return openid
