"""The other side of `wechatpay_async.signing.ProcessSigner`: a program that signs digests, with a core of its own.

It is run by its path, and so knows `cryptography` alone. Standard input is a socket. Frames, big-endian:

    in   number (8 bytes), key (4), SHA-256 digest (32)      number 0: the digest begins with the length (4) of a PKCS#8 key that follows
    out  number (8 bytes), length (2), signature             once ready: number 0 and `READY`; no signature where the key is none

It ends when the other side closes the socket, or is gone.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
from contextlib import suppress
from typing import BinaryIO, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils
from cryptography.hazmat.primitives.serialization import load_der_private_key

REQUEST: Final = struct.Struct(">QI32s")
ANSWER: Final = struct.Struct(">QH")
KEY_LENGTH: Final = struct.Struct(">I")
READY: Final = b"ready"


def main() -> None:
    """Serve until the other side goes."""
    with suppress(AttributeError, OSError):  # Linux alone knows this, and a sandbox may forbid it
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))  # woken often, it must not push the event loop off its core each time
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the service, which closes the socket when it is done
    with socket.socket(fileno=0) as connection, connection.makefile("rb") as frames:
        connection.sendall(ANSWER.pack(0, len(READY)) + READY)
        serve(frames, connection)


def serve(frames: BinaryIO, connection: socket.socket) -> None:
    """Answer each frame in its turn."""
    scheme, sha256 = padding.PKCS1v15(), utils.Prehashed(hashes.SHA256())
    keys: dict[int, rsa.RSAPrivateKey] = {}
    while len(frame := frames.read(REQUEST.size)) == REQUEST.size:
        number, name, digest = REQUEST.unpack(frame)
        if number == 0:
            key = load_der_private_key(frames.read(KEY_LENGTH.unpack_from(digest)[0]), None)
            if isinstance(key, rsa.RSAPrivateKey):
                keys[name] = key
            continue
        signature = keys[name].sign(digest, scheme, sha256) if name in keys else b""
        connection.sendall(ANSWER.pack(number, len(signature)) + signature)


if __name__ == "__main__":
    main()  # pragma: no cover — in a process of its own
