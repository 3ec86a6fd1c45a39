"""Checks an expanded code with python-cwt, in the environment of requirements/cwt.txt; shares nothing with the project.

Standard input: JSON with ``key`` (the issuer's public key, PEM), ``kid``, ``cwt``, and for a dynamic code
``device_key`` (PEM) and ``showing``, all bytes in hexadecimal. Standard output: the claims and the payload shown.
"""

from __future__ import annotations

import json
import sys

import cwt  # type: ignore[import-not-found]


def main() -> None:
    asked = json.load(sys.stdin)
    issuer = cwt.COSEKey.from_pem(asked["key"], kid=bytes.fromhex(asked["kid"]))
    claims = cwt.decode(bytes.fromhex(asked["cwt"]), issuer)
    answer = {"claims": {str(name): as_text(value) for name, value in claims.items()}}
    if "showing" in asked:
        device = cwt.COSEKey.from_pem(asked["device_key"])
        payload = cwt.COSE.new().decode(
            bytes.fromhex(asked["showing"]["cose_sign1"]),
            device,
            external_aad=bytes.fromhex(asked["showing"]["external_aad"]),
        )
        answer["shown"] = payload.hex()
    json.dump(answer, sys.stdout)


def as_text(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    return {str(name): as_text(each) for name, each in value.items()} if isinstance(value, dict) else value


if __name__ == "__main__":
    main()
