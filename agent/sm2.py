"""SM2 signatures with SM3 (GB/T 32918.2-2016, GB/T 32905-2016) on the curve of GB/T 32918.5-2017.

``cryptography`` takes no SM2 keys, so this speaks to OpenSSL 3's libcrypto by ctypes: the same shared library that
Python's own ``_ssl`` has loaded on Debian 12 and 13. The signer's identity is the default that GM/T 0009-2012 §10 sets.

Nothing is loaded before SM2 is first used; :func:`require` asks at start-up. Keys can be used by any number of threads:
they are only read, and every operation has a context of its own. Each failure empties the thread's queue of OpenSSL
errors, which ``_ssl`` would otherwise take for its own.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from ctypes import POINTER, byref, c_char_p, c_int, c_long, c_size_t, c_uint, c_void_p
from functools import cache

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from agent.words import say

ORDER = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
"""n, the order of the curve's group (GB/T 32918.5-2017)."""
RAW_BYTES = 32
ENCODED_BYTES = 33
SIGNATURE_BYTES = 64

_SIGNER_ID = b"1234567812345678"
_LIBRARY = "libcrypto.so.3"
_PACKAGES = "libssl3 (Debian 12), libssl3t64 (Debian 13)"
_EVP_PKEY_PUBLIC_KEY = 0x86  # <openssl/evp.h>: EVP_PKEY_KEY_PARAMETERS | OSSL_KEYMGMT_SELECT_PUBLIC_KEY
_UTF8_STRING, _OCTET_STRING = 4, 5  # <openssl/core.h>: OSSL_PARAM's data types
_MAX_DER_BYTES = 72
_UNCOMPRESSED_BYTES = 65
# PrivateKeyInfo (RFC 5208) with an ECPrivateKey (RFC 5915) on SM2's curve, up to the 32 bytes of the key itself.
_PKCS8_HEAD = bytes.fromhex("3041020100301306072a8648ce3d020106082a811ccf5501822d042730250201010420")

# The example of GB/T 32918.5-2017 appendix A.2, whose signer has the default identity.
_EXAMPLE_KEY = bytes.fromhex("0309f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020")
_EXAMPLE_MESSAGE = b"message digest"
_EXAMPLE_SIGNATURE = bytes.fromhex(
    "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3"
    "b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa"
)


class Sm2Unavailable(RuntimeError):
    """This machine's libcrypto is missing or has no SM2; the text says so and what to do."""


class VerifyKey:
    """A public key. ``encoded`` is its compressed point, 33 bytes (GB/T 32918.1-2016 §4.2.9)."""

    def __init__(self, encoded: bytes) -> None:
        """Raises :class:`ValueError` for what is no point of the curve, :class:`Sm2Unavailable`."""
        if len(encoded) != ENCODED_BYTES or encoded[0] not in (2, 3):
            raise ValueError("an SM2 public key is a compressed point of 33 bytes")
        self.encoded = encoded
        self._pkey = _load_public(encoded)
        weakref.finalize(self, _crypto().EVP_PKEY_free, self._pkey)

    def verify(self, signature: bytes, data: bytes) -> bool:
        """Whether ``signature`` (r‖s, 64 bytes) over ``data`` is this key's (GB/T 32918.2-2016 §7)."""
        if len(signature) != SIGNATURE_BYTES:
            return False
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        der = encode_dss_signature(r, s)
        crypto = _crypto()
        with _operation(crypto.EVP_DigestVerifyInit_ex, self._pkey) as context:
            valid: int = crypto.EVP_DigestVerify(context, der, len(der), data, len(data))
        if valid != 1:
            crypto.ERR_clear_error()
        return valid == 1


class SignKey:
    """A private key. ``raw`` is d, 32 bytes, big-endian."""

    def __init__(self, raw: bytes) -> None:
        """Raises :class:`ValueError` unless 1 ≤ d ≤ n-2 (GB/T 32918.1-2016 §6.1), :class:`Sm2Unavailable`."""
        if len(raw) != RAW_BYTES or not 1 <= int.from_bytes(raw, "big") <= ORDER - 2:
            raise ValueError("an SM2 private key is a number from 1 to n-2 in 32 bytes")
        self._pkey = _load_private(raw)
        weakref.finalize(self, _crypto().EVP_PKEY_free, self._pkey)
        self.public_encoded = _public_of(self._pkey)
        """The compressed point d·G, as :class:`VerifyKey` takes it."""

    def sign(self, data: bytes) -> bytes:
        """The signature over ``data``: r‖s, 64 bytes (GB/T 32918.2-2016 §6)."""
        crypto = _crypto()
        der = ctypes.create_string_buffer(_MAX_DER_BYTES)
        size = c_size_t(_MAX_DER_BYTES)
        with _operation(crypto.EVP_DigestSignInit_ex, self._pkey) as context:
            _check(crypto.EVP_DigestSign(context, der, byref(size), data, len(data)) == 1, "an SM2 signature")
        r, s = decode_dss_signature(der.raw[: size.value])
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def require() -> None:
    """Verify the standard's example, so that a terminal which cannot do SM2 says so when it starts.

    Raises :class:`Sm2Unavailable`.
    """
    try:
        works = VerifyKey(_EXAMPLE_KEY).verify(_EXAMPLE_SIGNATURE, _EXAMPLE_MESSAGE)
    except ValueError:
        works = False
    if not works:
        raise Sm2Unavailable(
            say(
                f"本机的 {_LIBRARY} 没有可用的 SM2；请安装 Debian 的 OpenSSL 3：{_PACKAGES}",
                f"this machine's {_LIBRARY} has no working SM2; install Debian's OpenSSL 3: {_PACKAGES}",
            )
        )


class _Param(ctypes.Structure):
    """``OSSL_PARAM`` of <openssl/core.h>."""

    _fields_ = (
        ("key", c_char_p),
        ("data_type", c_uint),
        ("data", c_void_p),
        ("data_size", c_size_t),
        ("return_size", c_size_t),
    )


_PROTOTYPES: dict[str, tuple[object, Sequence[object]]] = {
    "ERR_clear_error": (None, ()),
    "EVP_PKEY_CTX_new_from_name": (c_void_p, (c_void_p, c_char_p, c_char_p)),
    "EVP_PKEY_CTX_free": (None, (c_void_p,)),
    "EVP_PKEY_CTX_set1_id": (c_int, (c_void_p, c_char_p, c_size_t)),
    "EVP_PKEY_fromdata_init": (c_int, (c_void_p,)),
    "EVP_PKEY_fromdata": (c_int, (c_void_p, POINTER(c_void_p), c_int, POINTER(_Param))),
    "EVP_PKEY_get_octet_string_param": (c_int, (c_void_p, c_char_p, c_char_p, c_size_t, POINTER(c_size_t))),
    "EVP_PKEY_free": (None, (c_void_p,)),
    "d2i_AutoPrivateKey": (c_void_p, (c_void_p, POINTER(c_char_p), c_long)),
    "EVP_MD_CTX_new": (c_void_p, ()),
    "EVP_MD_CTX_free": (None, (c_void_p,)),
    "EVP_DigestSignInit_ex": (
        c_int,
        (c_void_p, POINTER(c_void_p), c_char_p, c_void_p, c_char_p, c_void_p, c_void_p),
    ),
    "EVP_DigestVerifyInit_ex": (
        c_int,
        (c_void_p, POINTER(c_void_p), c_char_p, c_void_p, c_char_p, c_void_p, c_void_p),
    ),
    "EVP_DigestSign": (c_int, (c_void_p, c_char_p, POINTER(c_size_t), c_char_p, c_size_t)),
    "EVP_DigestVerify": (c_int, (c_void_p, c_char_p, c_size_t, c_char_p, c_size_t)),
}


@cache
def _crypto() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(_LIBRARY)
        for name, (result, arguments) in _PROTOTYPES.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        raise Sm2Unavailable(
            say(
                f"SM2 需要 OpenSSL 3 的 {_LIBRARY}，本机没有；请安装 {_PACKAGES}",
                f"SM2 needs OpenSSL 3's {_LIBRARY}, which this machine lacks; install {_PACKAGES}",
            )
        ) from error
    return library


def _load_public(encoded: bytes) -> c_void_p:
    crypto = _crypto()
    fields = (_Param * 3)(_param(b"group", _UTF8_STRING, b"SM2"), _param(b"pub", _OCTET_STRING, encoded), _Param())
    pkey = c_void_p()
    context = crypto.EVP_PKEY_CTX_new_from_name(None, b"SM2", None)
    loaded = (
        context is not None
        and crypto.EVP_PKEY_fromdata_init(context) == 1
        and crypto.EVP_PKEY_fromdata(context, byref(pkey), _EVP_PKEY_PUBLIC_KEY, fields) == 1
    )
    crypto.EVP_PKEY_CTX_free(context)
    if not loaded:
        crypto.ERR_clear_error()
        raise ValueError("not a point of SM2's curve")
    return pkey


def _param(key: bytes, data_type: int, data: bytes) -> _Param:
    """A parameter that borrows ``data``, which therefore must outlive it."""
    return _Param(key, data_type, ctypes.cast(c_char_p(data), c_void_p), len(data), 0)


def _load_private(raw: bytes) -> c_void_p:
    """The key pair; libcrypto computes the public half."""
    crypto = _crypto()
    der = c_char_p(_PKCS8_HEAD + raw)
    pkey = crypto.d2i_AutoPrivateKey(None, byref(der), len(_PKCS8_HEAD) + RAW_BYTES)
    _check(pkey is not None, "an SM2 private key")
    return c_void_p(pkey)


def _public_of(pkey: c_void_p) -> bytes:
    point = ctypes.create_string_buffer(_UNCOMPRESSED_BYTES)
    size = c_size_t()
    got = _crypto().EVP_PKEY_get_octet_string_param(pkey, b"pub", point, _UNCOMPRESSED_BYTES, byref(size))
    _check(got == 1 and size.value == _UNCOMPRESSED_BYTES, "the public half of an SM2 key")
    return bytes([2 + (point.raw[-1] & 1)]) + point.raw[1 : 1 + RAW_BYTES]


@contextmanager
def _operation(init: Callable[..., int], pkey: c_void_p) -> Iterator[c_void_p]:
    """A digest context set up by ``EVP_Digest…Init_ex`` for SM3 and the signer's identity."""
    crypto = _crypto()
    context = crypto.EVP_MD_CTX_new()
    parameters = c_void_p()  # belongs to the context
    try:
        _check(
            init(context, byref(parameters), b"SM3", None, None, pkey, None) == 1
            and crypto.EVP_PKEY_CTX_set1_id(parameters, _SIGNER_ID, len(_SIGNER_ID)) == 1,
            "an operation with an SM2 key",
        )
        yield context
    finally:
        crypto.EVP_MD_CTX_free(context)


def _check(done: bool, what: str) -> None:
    """Raise for what fails only where libcrypto itself does: no input brings it about."""
    if not done:
        _crypto().ERR_clear_error()
        raise Sm2Unavailable(say(f"{_LIBRARY} 的 SM2 运算失败（{what}）", f"{_LIBRARY} failed at {what}"))
