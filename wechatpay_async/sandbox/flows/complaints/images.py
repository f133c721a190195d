"""Pictures that a merchant shows to who complains: uploaded, named in a reply, downloaded.

https://pay.weixin.qq.com/doc/v3/partner/4012467222
"""

from __future__ import annotations

from collections.abc import Mapping

from ...wire import Answer, Refusal
from ..context import Ask, Routes

__all__ = ["ROUTES", "image_url", "named_images"]

_MOST = 4
_TYPES: Mapping[str, str] = {"jpg": "image/jpeg", "png": "image/png", "bmp": "image/bmp"}
_SIZE = 2 * 1024 * 1024


def upload_image(ask: Ask) -> Answer:
    """商户上传反馈图片."""
    name, content = ask.body["filename"], ask.parts["file"].content
    kind = name.rpartition(".")[2].lower()
    if kind not in _TYPES or len(content) > _SIZE:
        raise _wrong("图片只支持jpg、png、bmp格式，大小不能超过2M", "/body/meta/filename")
    media_id = f"{ask.book.numbers.hexadecimal(32).upper()}.{kind}"
    ask.book.shelf("complaint_images")[media_id] = (ask.mchid, content)
    return Answer(data={"media_id": media_id})


def download_image(ask: Ask) -> Answer:
    """图片请求接口."""
    media_id = ask.path["media_id"]
    return Answer(content=_image(ask, media_id), media_type=_TYPES[media_id.rpartition(".")[2]])


def _image(ask: Ask, media_id: str) -> bytes:
    owner, content = ask.book.shelf("complaint_images").get(media_id, ("", b""))
    if owner != ask.mchid:
        raise Refusal(404, "RESOURCE_NOT_EXISTS", "图片不存在")
    found: bytes = content
    return found


def named_images(ask: Ask, name: str) -> list[str]:
    """The images that a field of the body names, each of which the merchant has uploaded."""
    named: list[str] = ask.body.get(name, [])
    if len(named) > _MOST:
        raise _wrong(f"最多上传{_MOST}张图片", f"/body/{name}")
    for media_id in named:
        try:
            _image(ask, media_id)
        except Refusal:
            raise _wrong("图片ID无效，请先调用商户上传反馈图片接口", f"/body/{name}") from None
    return named


def image_url(base_url: str, media_id: str) -> str:
    """Where an image can be downloaded."""
    return f"{base_url}{_IMAGES}/{media_id}"


def _wrong(message: str, where: str) -> Refusal:
    return Refusal(400, "PARAM_ERROR", message, {"location": "body", "field": where})


_IMAGES = "/v3/merchant-service/images"

ROUTES: Routes = {
    f"POST {_IMAGES}/upload": upload_image,
    f"GET {_IMAGES}/{{media_id}}": download_image,
}
