"""How a Python program names code in plain data, so that nobody else can.

The spec of a supervisor is data, so that it can cross to another OS process. Data may come from
anybody: a text in it names an entry of the manifest, and no code. What a Python program has put in
carries a seal, made with a secret that all OS processes of the program have and no data shows.
"""

from __future__ import annotations

import hashlib
import hmac
import os

_KEY = 32

_secret = os.urandom(_KEY)


def secret() -> str:
    """What a worker has to share."""
    return _secret.hex()


def share(told: str) -> None:
    """Have the secret of the parent."""
    global _secret
    _secret = bytes.fromhex(told)


def seal(kind: str, reference: str) -> str:
    """The word of this program that `reference` is of that kind."""
    text = f"{kind}\0{reference}".encode(errors="surrogatepass")
    return hashlib.blake2b(text, key=_secret, digest_size=16).hexdigest()


def is_sealed(kind: str, reference: str, given: object) -> bool:
    """Whether that is a seal of this program."""
    if not isinstance(given, str):
        return False
    expected = seal(kind, reference)
    return hmac.compare_digest(expected.encode(), given.encode(errors="surrogatepass"))
