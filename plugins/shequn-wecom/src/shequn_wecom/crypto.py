"""Callback cryptography: signature, AES-256-CBC with blocks of 32, and the receiver's id (加解密).

The plain text is 16 random bytes, the length of the message as 4 bytes (big-endian), the message, and the receiver's
id. https://developer.work.weixin.qq.com/document/path/96238 describes the callback.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from shequn_sdk.errors import ConfigError, VerificationFailed

__all__ = ["CallbackCrypto", "signature"]

_KEY = re.compile(r"^[A-Za-z0-9+/]{43}$")
_BLOCK = 32
_HEAD = 16 + 4


def signature(token: str, timestamp: str, nonce: str, encrypted: str) -> str:
    """Give the signature of a callback: SHA-1 over the four parts in the order of their text, joined."""
    joined = "".join(sorted((token, timestamp, nonce, encrypted)))
    return hashlib.sha1(joined.encode(), usedforsecurity=False).hexdigest()


def _key(encoding_aes_key: str) -> bytes:
    if not _KEY.match(encoding_aes_key):
        raise ConfigError(
            "encoding_aes_key of wecom must be the 43 letters and digits that the console shows as EncodingAESKey"
        )
    return base64.b64decode(encoding_aes_key + "=")


class CallbackCrypto:
    """Signs, checks, encrypts and decrypts the callbacks of one application.

    Args:
        token: the Token from the console's callback page.
        encoding_aes_key: its EncodingAESKey, 43 characters.
        receive_id: the corporation's id; the suite's id for third-party applications; "" for in-house AI bots.
    """

    def __init__(self, *, token: str, encoding_aes_key: str, receive_id: str) -> None:
        if not token:
            raise ConfigError("callback_token of wecom is empty: copy Token from the console's callback page")
        self._token = token
        self._aes = _key(encoding_aes_key)
        self._receive_id = receive_id.encode()

    def __repr__(self) -> str:
        return "CallbackCrypto(***)"

    def sign(self, timestamp: str, nonce: str, encrypted: str) -> str:
        """Give the signature that belongs to an encrypted text."""
        return signature(self._token, timestamp, nonce, encrypted)

    def open(self, *, msg_signature: str, timestamp: str, nonce: str, encrypted: str) -> bytes:
        """Check the signature, then decrypt.

        Raises:
            VerificationFailed: the signature is wrong, the text is damaged, or it is meant for somebody else.
        """
        expected = self.sign(timestamp, nonce, encrypted)
        if not hmac.compare_digest(expected.encode(), msg_signature.encode()):
            raise VerificationFailed(
                "the signature of a wecom callback is wrong: it is forged, or callback_token differs from the console's"
            )
        return self.decrypt(encrypted)

    def decrypt(self, encrypted: str) -> bytes:
        """Decrypt without looking at the signature.

        Raises:
            VerificationFailed: the text is damaged, or meant for another receiver.
        """
        try:
            cipher_text = base64.b64decode(encrypted, validate=True)
        except (binascii.Error, ValueError) as error:
            raise VerificationFailed("the encrypted text of a wecom callback is no base64") from error
        if not cipher_text or len(cipher_text) % 16:
            raise VerificationFailed("the encrypted text of a wecom callback has an impossible length")
        decryptor = Cipher(algorithms.AES(self._aes), modes.CBC(self._aes[:16])).decryptor()
        plain = decryptor.update(cipher_text) + decryptor.finalize()
        pad = plain[-1]
        if not 1 <= pad <= _BLOCK or len(plain) < _HEAD + pad or plain[-pad:] != bytes((pad,)) * pad:
            raise VerificationFailed(
                "a wecom callback cannot be decrypted: encoding_aes_key differs from the console's"
            )
        plain = plain[:-pad]
        length = int.from_bytes(plain[16:_HEAD], "big")
        if length > len(plain) - _HEAD:
            raise VerificationFailed("a wecom callback says it is longer than it is")
        message, receiver = plain[_HEAD : _HEAD + length], plain[_HEAD + length :]
        if not hmac.compare_digest(receiver, self._receive_id):
            raise VerificationFailed(
                "a wecom callback is meant for another corporation or application: compare corp_id with the console"
            )
        return message

    def encrypt(self, message: bytes, *, random16: bytes | None = None) -> str:
        """Encrypt a message for the receiver; `random16` makes it repeatable in tests."""
        head = os.urandom(16) if random16 is None else random16
        plain = head + len(message).to_bytes(4, "big") + message + self._receive_id
        pad = _BLOCK - len(plain) % _BLOCK
        encryptor = Cipher(algorithms.AES(self._aes), modes.CBC(self._aes[:16])).encryptor()
        return base64.b64encode(encryptor.update(plain + bytes((pad,)) * pad) + encryptor.finalize()).decode()
