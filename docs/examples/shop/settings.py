"""What the shop must be told, read from the environment once, when it starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Settings:
    """The shop's own settings; WeChat Pay's are `WECHATPAY_…`, read by `Wechatpay.from_env`.

    `mchid`: the merchant number. `public_url`: where buyers and WeChat Pay reach the shop, without a slash at its end. `appid`,
    `app_secret`: of the official account, for payments inside WeChat. `database`: `sqlite:///…` or `postgresql://…`. `sandbox_url`: the
    sandbox's address, "" for the real thing.
    """

    mchid: str
    public_url: str
    staff_password: str = field(repr=False)
    appid: str
    app_secret: str = field(default="", repr=False)
    database: str = field(default="sqlite:///shop.sqlite", repr=False)
    sandbox_url: str = ""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Settings:
        """Read `SHOP_PUBLIC_URL`, `SHOP_STAFF_PASSWORD`, `SHOP_APPID`, `SHOP_APP_SECRET`, `SHOP_DATABASE`, and `WECHATPAY_MCHID`.

        Raises `KeyError` with the name of the variable that is missing.
        """
        return cls(
            mchid=environ["WECHATPAY_MCHID"],
            public_url=environ["SHOP_PUBLIC_URL"].rstrip("/"),
            staff_password=environ["SHOP_STAFF_PASSWORD"],
            appid=environ["SHOP_APPID"],
            app_secret=environ.get("SHOP_APP_SECRET", ""),
            database=environ.get("SHOP_DATABASE", "sqlite:///shop.sqlite"),
        )

    @property
    def notify_url(self) -> str:
        """Where WeChat Pay sends its notifications."""
        return f"{self.public_url}/wechatpay/notify"
