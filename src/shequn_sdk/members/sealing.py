"""Contacts at rest: sealed by AES-256-GCM under a key from the environment, found again by a keyed digest.

A sealed value is `1.<key id>.<base64 of nonce and ciphertext>`. It is bound to its member and field, so that it cannot
be copied to another row. Keys can be rotated: the first one seals, all of them open.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from typing import Any

from pydantic import SecretStr

from shequn_sdk.errors import ConfigError, MissingExtra

__all__ = ["Sealer"]

_HELP = (
    "set SHEQUN_CONTACT_KEY to `name:` and the base64 of 32 random bytes (`openssl rand -base64 32`), "
    "older keys after commas"
)


class Sealer:
    """Seals and opens contacts. Never shows its keys."""

    def __init__(self, key: SecretStr) -> None:
        """Read `id:base64[,id:base64 …]`.

        Raises:
            ConfigError: there is no key, or one of them is malformed; the message holds nothing of it.
        """
        text = key.get_secret_value().strip()
        if not text:
            raise ConfigError(f"phone numbers and addresses are kept under a key only: {_HELP}")
        self._keys: dict[str, bytes] = {}
        for number, item in enumerate(text.split(","), 1):
            name, colon, encoded = item.strip().partition(":")
            try:
                raw = base64.b64decode(encoded, validate=True)
            except (binascii.Error, ValueError):
                raw = b""
            if not colon or not name.isalnum() or len(raw) != 32:
                raise ConfigError(f"contact key {number} is malformed: {_HELP}")
            if name in self._keys:
                raise ConfigError(f"two contact keys are named {name!r}: names must differ")
            self._keys[name] = raw
        self.current = next(iter(self._keys))
        """Name of the key that seals."""

    def __repr__(self) -> str:
        return f"Sealer({', '.join(self._keys)})"

    @staticmethod
    def _cipher(key: bytes) -> Any:
        try:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise MissingExtra("keeping contacts needs cryptography", "privacy") from error
        return AESGCM(key)

    def seal(self, text: str, *, context: str) -> str:
        """Give the sealed form of a text."""
        nonce = secrets.token_bytes(12)
        sealed = self._cipher(self._keys[self.current]).encrypt(nonce, text.encode(), context.encode())
        return f"1.{self.current}.{base64.b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, *, context: str) -> str:
        """Give the text of a sealed form.

        Raises:
            ConfigError: its key is not there, or is another one of the same name.
        """
        _, name, body = sealed.split(".", 2)
        key = self._keys.get(name)
        if key is None:
            raise ConfigError(
                f"a contact is sealed under the key {name!r}, which is not in SHEQUN_CONTACT_KEY: add it at the end"
            )
        raw = base64.b64decode(body)
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - an extra

        try:
            return bytes(self._cipher(key).decrypt(raw[:12], raw[12:], context.encode())).decode()
        except InvalidTag:
            raise ConfigError(
                f"the contact key {name!r} is not the one that sealed this contact: restore the right key"
            ) from None

    def blind(self, text: str, *, kind: str) -> str:
        """Give a digest by which equal contacts are found, of no use without the key."""
        key = hashlib.sha256(b"blind" + self._keys[self.current]).digest()
        return hmac.new(key, f"{kind}:{text}".encode(), hashlib.sha256).hexdigest()

    def is_current(self, sealed: str) -> bool:
        """Whether a value is sealed under the key that seals now."""
        return sealed.split(".", 2)[1] == self.current
