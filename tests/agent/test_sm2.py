"""SM2 by libcrypto: the standard's numbers, an independent library, and nothing that is not a signature."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import threading
from pathlib import Path
from random import Random as Seeded

import gmalg  # type: ignore[import-untyped]
import pytest

from agent import sm2

ID = b"1234567812345678"

# GB/T 32918.5-2017 appendix A.2: key pair, message and signature, under the default identity.
D = bytes.fromhex("3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8")
X = "09f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020"
MESSAGE = b"message digest"
R = "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3"
S = "b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa"

KEY = sm2.SignKey(D)
PUBLIC = sm2.VerifyKey(KEY.public_encoded)


def in_32(number: int) -> bytes:
    return number.to_bytes(32, "big")


def test_the_example_of_the_standard_verifies_and_its_key_is_derived() -> None:
    assert KEY.public_encoded.hex() == "03" + X
    assert PUBLIC.verify(bytes.fromhex(R + S), MESSAGE)
    sm2.require()


def test_a_thousand_signatures_agree_with_an_independent_library() -> None:
    """300 of ours are verified there and 700 of theirs here: gmalg is pure Python, and slowest at verifying."""
    dice = Seeded(32918)
    raw = in_32(dice.randrange(1, sm2.ORDER - 1))
    ours = sm2.SignKey(raw)
    public = sm2.VerifyKey(ours.public_encoded)
    theirs = gmalg.SM2(raw, ID, ours.public_encoded)
    for _ in range(300):
        data = dice.randbytes(dice.randrange(300))
        signature = ours.sign(data)
        assert theirs.verify(data, signature[:32], signature[32:])
    for _ in range(700):
        data = dice.randbytes(dice.randrange(300))
        r, s = theirs.sign(data)
        assert public.verify(r.rjust(32, b"\0") + s.rjust(32, b"\0"), data)


def test_both_libraries_derive_the_same_public_keys() -> None:
    dice = Seeded(1)
    for _ in range(20):
        raw = in_32(dice.randrange(1, sm2.ORDER - 1))
        point = gmalg.SM2(pc_mode=gmalg.PC_MODE.COMPRESS).generate_pk(raw)
        assert sm2.SignKey(raw).public_encoded == point


def test_another_identity_another_key_or_other_data_does_not_verify() -> None:
    r, s = gmalg.SM2(D, b"ALICE123@YAHOO.COM", KEY.public_encoded).sign(MESSAGE)
    assert not PUBLIC.verify(r.rjust(32, b"\0") + s.rjust(32, b"\0"), MESSAGE)
    other = sm2.SignKey(in_32(7))
    assert not PUBLIC.verify(other.sign(MESSAGE), MESSAGE)
    assert not PUBLIC.verify(KEY.sign(MESSAGE), MESSAGE + b"\0")


def test_the_negated_key_does_not_verify() -> None:
    """The same x with the other y: only the first byte of the compressed point tells them apart."""
    assert not sm2.VerifyKey(bytes.fromhex("02" + X)).verify(bytes.fromhex(R + S), MESSAGE)


@pytest.mark.parametrize(
    "signature",
    [
        in_32(0) + bytes.fromhex(S),
        bytes.fromhex(R) + in_32(0),
        bytes(64),
        in_32(sm2.ORDER) + bytes.fromhex(S),
        bytes.fromhex(R) + in_32(sm2.ORDER),
        bytes.fromhex(R) + in_32(sm2.ORDER - int(R, 16)),  # t = r + s = 0 (GB/T 32918.2 §7.1, B5)
        b"\xff" * 64,
        b"",
        bytes.fromhex(R + S)[:-1],
        bytes.fromhex(R + S) + b"\0",
    ],
    ids=["r=0", "s=0", "both=0", "r=n", "s=n", "r+s=n", "ones", "empty", "short", "long"],
)
def test_numbers_out_of_range_are_no_signature(signature: bytes) -> None:
    assert not PUBLIC.verify(signature, MESSAGE)


def test_no_flipped_bit_of_signature_or_message_verifies() -> None:
    signature = bytes.fromhex(R + S)
    for place in range(8 * len(signature)):
        assert not PUBLIC.verify(flipped(signature, place), MESSAGE)
    for place in range(8 * len(MESSAGE)):
        assert not PUBLIC.verify(signature, flipped(MESSAGE, place))


def flipped(data: bytes, place: int) -> bytes:
    altered = bytearray(data)
    altered[place // 8] ^= 1 << place % 8
    return bytes(altered)


@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        b"\0",  # the point at infinity
        bytes(33),
        b"\x02" + in_32(1)[:-1],
        b"\x04" + bytes.fromhex(X),
        b"\x02" + b"\xff" * 32,  # not below p
        b"\x02" + in_32(5),  # no y has this x: see below
    ],
    ids=["empty", "infinity", "zeros", "short", "uncompressed", "above-p", "off-curve"],
)
def test_what_is_no_point_of_the_curve_is_no_key(encoded: bytes) -> None:
    with pytest.raises(ValueError, match="SM2"):
        sm2.VerifyKey(encoded)


def test_about_half_of_all_numbers_are_no_x_of_the_curve() -> None:
    """By Euler's criterion, computed here: libcrypto must refuse just those without a square root."""
    p = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
    b = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
    for x in range(1, 60):
        encoded = b"\x02" + in_32(x)
        if pow((x**3 - 3 * x + b) % p, (p - 1) // 2, p) == 1:
            assert sm2.VerifyKey(encoded).encoded == encoded
        else:
            with pytest.raises(ValueError, match="SM2"):
                sm2.VerifyKey(encoded)


@pytest.mark.parametrize("raw", [b"", bytes(32), in_32(sm2.ORDER - 1), in_32(sm2.ORDER), b"\xff" * 32, bytes(31)])
def test_a_private_key_is_a_number_from_one_to_n_minus_two(raw: bytes) -> None:
    with pytest.raises(ValueError, match="n-2"):
        sm2.SignKey(raw)


def test_the_least_and_the_greatest_private_key_sign() -> None:
    for number in (1, sm2.ORDER - 2):
        key = sm2.SignKey(in_32(number))
        assert sm2.VerifyKey(key.public_encoded).verify(key.sign(MESSAGE), MESSAGE)


def test_many_threads_share_one_key() -> None:
    wrong: list[bytes] = []

    def work(name: int) -> None:
        for turn in range(40):
            data = b"%d/%d" % (name, turn)
            if not PUBLIC.verify(KEY.sign(data), data) or PUBLIC.verify(KEY.sign(data), data + b"!"):
                wrong.append(data)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


_SPEND = """
import resource
from agent import sm2
signer = sm2.SignKey((5).to_bytes(32, "big"))
good = signer.sign(b"data")
bad = bytes(64)

def spend(times):
    for _ in range(times):
        key = sm2.VerifyKey(signer.public_encoded)
        assert key.verify(good, b"data") and not key.verify(bad, b"data")
        try:
            sm2.VerifyKey(b"\\x02" + b"\\xff" * 32)
        except ValueError:
            pass

spend(500)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
spend(3000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_nothing_that_was_allocated_stays() -> None:
    """A key that leaked would hold more than 1 KiB, a context as much: 3,000 rounds would show 3 MB at least."""
    run = subprocess.run([sys.executable, "-P", "-c", _SPEND], check=True, capture_output=True, text=True, timeout=60)
    assert int(run.stdout) < 1024


def test_failures_leave_no_errors_for_the_ssl_module() -> None:
    """An error left in the thread's queue would make the next TLS operation fail with somebody else's reason."""
    assert not PUBLIC.verify(bytes(64), MESSAGE)
    with pytest.raises(ValueError, match="curve"):
        sm2.VerifyKey(b"\x02" + b"\xff" * 32)
    assert ctypes.CDLL("libcrypto.so.3").ERR_peek_error() == 0


_WITHOUT = """
from agent import sm2
sm2._LIBRARY = {library!r}
try:
    sm2.require()
except sm2.Sm2Unavailable as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("language", "sentence"), [("zh", "请安装"), ("en", "which this machine lacks; install libssl3")]
)
@pytest.mark.parametrize("library", ["libcrypto-of-nowhere.so.3", "libc.so.6"])
def test_a_machine_without_libcrypto_says_so(language: str, sentence: str, library: str) -> None:
    run = subprocess.run(
        [sys.executable, "-P", "-c", _WITHOUT.format(library=library)],
        check=True,
        capture_output=True,
        text=True,
        env={"ONECARD_LANG": language, "PYTHONUTF8": "1"},
        timeout=60,
    )
    assert sentence in run.stdout
    assert "libssl3" in run.stdout


def test_a_libcrypto_without_sm2_says_so(tmp_path: Path) -> None:
    """OpenSSL's own configuration takes the default provider, and SM2 with it, out of a process."""
    config = tmp_path / "openssl.cnf"
    config.write_text("openssl_conf = init\n[init]\nproviders = list\n[list]\nnull = on\n[on]\nactivate = 1\n")
    run = subprocess.run(
        [sys.executable, "-P", "-c", _WITHOUT.format(library="libcrypto.so.3")],
        check=True,
        capture_output=True,
        text=True,
        env={"ONECARD_LANG": "en", "OPENSSL_CONF": str(config)},
        timeout=60,
    )
    assert "no working SM2" in run.stdout
