"""``--replace`` and ``--again``, which mean the same wherever a terminal that is known already gets new keys.

``--replace``: another box in its place; the former certificates and chains end. ``--again``: new keys of the same box;
the former certificates end, and its chain goes on.
"""

from __future__ import annotations

from pathlib import Path

import click
from cryptography import x509

from agent.cose import VerifyKey
from agent.keys import FileKeyStore, KeyStoreError
from tools.cli.words import say
from tools.platform.ca import Authority
from tools.platform.errors import PlatformError
from tools.platform.revocation import is_revoked

again_option = click.option(
    "--again",
    is_flag=True,
    help=say("同一台设备换新密钥，旧证书随即失效", "New keys for the same box: the old ones end"),
)


def check_known(terminal: str, *, known: bool, replace: bool, again: bool) -> None:
    """A new terminal has a new id, and what follows another says so. Raises `PlatformError`."""
    if again and replace:
        raise click.UsageError(say("--again 与 --replace 只能选一个", "give --again or --replace, not both"))
    if not known and (again or replace):
        raise PlatformError(
            say(
                f"没有终端 {terminal}：去掉 --replace 或 --again。",
                f"There is no terminal {terminal} yet: leave out --replace and --again.",
            )
        )
    if known and not (again or replace):
        raise PlatformError(
            say(
                f"终端 {terminal} 已注册或添加过：换设备请加 --replace，同一台换密钥请加 --again，否则换一个编号。",
                f"Terminal {terminal} was enrolled or added already: add --replace for another box in its place,"
                " --again for new keys of the same box, or choose another id.",
            )
        )


def refuse_keys_in_use(authority: Authority, terminal: str, directory: Path) -> None:
    """Another box gets a directory without keys, or that of a run that was cut. Raises `PlatformError`."""
    if (directory / "tls.pem").exists() and not _is_begun(authority, terminal, directory):
        raise PlatformError(
            say(
                f"{directory} 中已有终端的密钥：换设备请另选目录；同一台换密钥请用 --again，其记录链继续有效。",
                f"{directory} holds a terminal's keys already: choose another directory for another box, or say --again"
                " for new keys of the same box, whose chain goes on.",
            )
        )


def _is_begun(authority: Authority, terminal: str, directory: Path) -> bool:
    """Whether it has a certificate of the terminal that counts, for a box by whose key nobody knows the terminal yet.

    That key becomes the terminal's with the last step: no box that was ever in use has such a directory.
    """
    try:
        certificate = x509.load_pem_x509_certificate((directory / "tls.pem").read_bytes())
        own = VerifyKey.of(FileKeyStore(directory).checkpoint_public()).kid
    except (OSError, ValueError, KeyStoreError):
        return False
    counts = certificate in authority.given(terminal) and not is_revoked(authority, certificate)
    return counts and own not in authority.checkpoint_keys(terminal)
