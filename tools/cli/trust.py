"""``onecard trust``: whom terminals believe. Make and sign trust lists and keys, look at bundles, install them."""

from __future__ import annotations

from pathlib import Path

import click
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from agent import cose
from agent.bundles import signer_list
from agent.bundles.manifest import Kind
from agent.bundles.roles import enrolled_rings, rings_of
from agent.credentials.hcert_keys import SignerInvalid, load_certificates, signer_key
from agent.keys import FileKeyStore, KeyStoreError, Role
from agent.permits.acts import ServiceAct
from agent.words import say
from offline_store.bundles import installed
from tools import bundles
from tools.cli import bundle_files, code_files, dropped_roles
from tools.cli.bundle_commands import install, manifest_of, verify
from tools.cli.bundle_files import FILE, OUT, issue_options, json_option, key_option
from tools.cli.code_files import RowFile
from tools.cli.people import emergency, register
from tools.cli.place import (
    default_state_dir,
    existing,
    optional_state_dir_option,
    state_dir_option,
)
from tools.cli.prices import price_list, tariff
from tools.cli.roster import roster
from tools.cli.school_calendar import school_calendar
from tools.cli.service_acts import permitted
from tools.cli.times import at_option, now_ms
from tools.small_files import read_small

_ENTITLEMENTS = ",".join(bundles.ENTITLEMENTS)


@click.group(
    help=say("信任列表与数据包：制作、查看、检验、安装", "Trust lists and bundles: make, look at, verify, install")
)
def trust() -> None:
    """Hold the trust commands."""


@trust.command(help=say("生成签名密钥：文件与 .pub 公钥", "Make a signing key: FILE, and its public half FILE.pub"))
@click.argument("file", metavar=say("文件", "FILE"), type=OUT)
def keygen(file: Path) -> None:
    """Write a P-256 key; nothing that exists is overwritten."""
    key = ec.generate_private_key(ec.SECP256R1())
    form = serialization.PrivateFormat.PKCS8
    private = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    public = file.with_name(f"{file.name}.pub")
    code_files.write_bytes(file, private)
    code_files.write_bytes(public, _public_pem(key.public_key()))
    click.echo(say(f"私钥在 {file}，公钥在 {public}", f"the private key is in {file}, the public one in {public}"))


_ROLES = say(
    "角色：root 签发信任列表和密钥更替，bundle 签发其他数据包，command 签发指令，acknowledgement 签发回执，"
    "software 签发软件，technician 签发技术人员的许可，sealing 不签名，终端为它密封证据。一把密钥只有一种角色",
    "Roles: root signs trust lists and changes of keys, bundle the other bundles, command commands, acknowledgement"
    " acknowledgements, software software, technician permits of technicians; sealing signs nothing, evidence is sealed"
    " for it. A key has one role",
)


@trust.command(
    help=say(
        f"让终端信任平台的一把公钥，只限一种角色。{_ROLES}",
        f"Let a terminal trust a public key of the platform in one role. {_ROLES}",
    )
)
@click.argument("role", metavar=say("角色", "ROLE"), type=click.Choice([role.value for role in Role]))
@click.argument("file", metavar=say("文件", "FILE"), type=FILE)
@state_dir_option
def anchor(role: str, file: Path, state_dir: Path) -> None:
    """Do by hand what enrolment does."""
    existing(state_dir)
    pem = read_small(file)
    try:
        cose.VerifyKey.from_pem(pem)
    except cose.CoseError as error:
        raise KeyStoreError(
            f"{file} 不是 P-256 公钥（PEM），私钥不能用在这里",
            f"{file} is no P-256 public key in PEM; a private key has no place here",
        ) from error
    store = FileKeyStore.create(state_dir / "keys")
    _refuse_second_role(store, Role(role), cose.VerifyKey.from_pem(pem), file)
    permitted(state_dir, ServiceAct.RE_KEY)
    store.install(f"platform-{role}.pem", pem)
    store.platform_keys(Role(role))
    kept = state_dir / "keys"
    click.echo(say(f"已写入 {kept}，终端下次启动后生效", f"kept in {kept}; counts from the terminal's next start"))


@trust.command(
    name="seal-key",
    help=say("打印终端的密封公钥，读码密钥为它而密封", "Print the public key that reading keys are sealed for"),
)
@state_dir_option
def seal_key(state_dir: Path) -> None:
    """Print the terminal's sealing key as PEM."""
    existing(state_dir)
    click.echo(_public_pem(FileKeyStore.create(state_dir / "keys").sealing_public()).decode(), nl=False)


@trust.command(help=say("制作并签发信任列表", "Make and sign a trust list"))
@click.option("--row", "rows", type=FILE, multiple=True, required=True, help=say("签发者的行", "An issuer's row"))
@click.option(
    "--terminal-key",
    "terminals",
    type=FILE,
    multiple=True,
    help=say("终端的密封公钥（trust seal-key）", "A terminal's sealing key, as `trust seal-key` prints it"),
)
@click.option(
    "--terminal-keys",
    "enrolled",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help=say("已注册终端的密封公钥（平台的 keys/sealing）", "Those of enrolled terminals: the platform's keys/sealing"),
)
@click.option("--entitlements", default=_ENTITLEMENTS, help=say("各权限位的名称", "Names of the bits, from bit 0"))
@key_option
@issue_options
@json_option
def build(
    rows: tuple[Path, ...],
    terminals: tuple[Path, ...],
    enrolled: Path | None,
    entitlements: str,
    key: Path,
    number: int,
    days: int,
    grace_days: int,
    audience: str,
    out: Path,
    at_ms: int | None,
    as_json: bool,
) -> None:
    """Write a full bundle."""
    if enrolled is not None:
        terminals = (*terminals, *sorted(enrolled.glob("*.pem")))
    if not terminals:
        raise click.UsageError(
            say("请给出 --terminal-key 或 --terminal-keys", "give --terminal-key or --terminal-keys")
        )
    content = bundles.trust_content(
        [code_files.read(path, RowFile).row() for path in rows],
        dict(enumerate(entitlements.split(","))),
        [_public(path) for path in terminals],
    )
    made = bundle_files.issue(Kind.TRUST, Kind.TRUST.value, number, days, grace_days, audience, at_ms)
    bundle_files.write(out, bundles.full_bundle(made, content, bundles.signer_of(key)))
    bundle_files.tell_file(out, as_json)


@trust.command(
    help=say(
        f"签发平台密钥的更替：从此以后各角色有哪些密钥有效。{_ROLES}",
        f"Sign which keys of the platform are valid from now on, by role. {_ROLES}",
    )
)
@click.option(
    "--public",
    "keys",
    type=(click.Choice([role.value for role in Role]), FILE),
    multiple=True,
    required=True,
    metavar=say("角色 文件", "ROLE FILE"),
    help=say(
        "角色与公钥，如 bundle new.pub（可多次，旧新重叠）",
        "Role and public key, as bundle new.pub; may be repeated, old and new overlap",
    ),
)
@key_option
@issue_options
@click.option("--yes", is_flag=True, help=say("缺少角色时不询问", "Do not ask where roles have no key"))
@json_option
def keys(
    keys: tuple[tuple[str, Path], ...],
    key: Path,
    number: int,
    days: int,
    grace_days: int,
    audience: str,
    out: Path,
    at_ms: int | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Write a keys bundle."""
    content = bundles.keys_content([(Role(role), _public_pem(_public(path))) for role, path in keys])
    rings, signer = rings_of(content), bundles.signer_of(key)
    dropped_roles.agree(rings, yes=yes)
    made = bundle_files.issue(Kind.KEYS, Kind.KEYS.value, number, days, grace_days, audience, at_ms)
    bundle_files.write(out, bundles.full_bundle(made, content, signer))
    bundle_files.tell_file(out, as_json)


@trust.command(
    help=say("制作并签发健康证明签发者的列表", "Make and sign the list of the signers of health certificates")
)
@click.option(
    "--cert",
    "certificates",
    type=FILE,
    multiple=True,
    required=True,
    help=say("签名者证书，PEM 或 DER（可多次）", "Signers' certificates, PEM or DER (may be repeated)"),
)
@key_option
@issue_options
@json_option
def hcert(
    certificates: tuple[Path, ...],
    key: Path,
    number: int,
    days: int,
    grace_days: int,
    audience: str,
    out: Path,
    at_ms: int | None,
    as_json: bool,
) -> None:
    """Write an hcert bundle; a certificate that terminals could not use is refused here."""
    content = signer_list.content(der for path in certificates for der in _certificates(path))
    made = bundle_files.issue(Kind.HCERT, Kind.HCERT.value, number, days, grace_days, audience, at_ms)
    bundle_files.write(out, bundles.full_bundle(made, content, bundles.signer_of(key)))
    bundle_files.tell_file(out, as_json)


@trust.command(
    help=say(
        "由前后两个完整包制作增量包，任何类别都可以",
        "Make the delta that leads from one full bundle to the next, of any kind",
    )
)
@click.argument("old", metavar=say("旧文件", "OLD"), type=FILE)
@click.argument("new", metavar=say("新文件", "NEW"), type=FILE)
@key_option
@click.option("--out", "-o", type=OUT, required=True, help=say("写入此文件", "Where the bundle goes"))
@json_option
def delta(old: Path, new: Path, key: Path, out: Path, as_json: bool) -> None:
    """Write a delta."""
    bundle_files.make_delta(old, new, key, out, as_json)


@trust.command(help=say("查看数据包文件，或终端上已安装的", "Show a bundle file, or without one what a terminal holds"))
@click.argument("file", metavar=say("[文件]", "[FILE]"), type=FILE, required=False)
@optional_state_dir_option
@at_option
@json_option
def show(file: Path | None, state_dir: Path | None, at_ms: int | None, as_json: bool) -> None:
    """Print manifests; nothing is verified here."""
    if file is not None:
        bundle_files.tell_file(file, as_json)
        return
    state_dir = existing(state_dir or default_state_dir())
    held = installed(state_dir)
    if not held and not as_json:
        click.echo(say(f"{state_dir} 中没有已安装的数据包", f"no bundle is installed in {state_dir}"))
    for row in held:
        manifest = manifest_of(row)
        expiry = bundle_files.facts_of_expiry(manifest.term.expiry(now_ms(at_ms)))
        bundle_files.tell(bundle_files.facts_of(manifest) | expiry, as_json)


def _refuse_second_role(store: FileKeyStore, role: Role, key: cose.VerifyKey, file: Path) -> None:
    """A key has one role: who holds it for one thing must not be able to do another."""
    for other, ring in enrolled_rings(store).items():
        if other is not role and key.kid in ring:
            raise click.ClickException(
                say(
                    f"{file} 已是角色 {other.value} 的密钥，一把密钥只能有一种角色",
                    f"{file} is the key of the role {other.value} already; a key has one role",
                )
            )


def _certificates(path: Path) -> list[bytes]:
    try:
        certificates = load_certificates(read_small(path))
        for certificate in certificates:
            signer_key(certificate)
        return [certificate.public_bytes(serialization.Encoding.DER) for certificate in certificates]
    except SignerInvalid as error:
        raise click.ClickException(say(f"{path}：{error.zh}", f"{path}: {error.en}")) from error


def _public(path: Path) -> ec.EllipticCurvePublicKey:
    try:
        public = serialization.load_pem_public_key(read_small(path))
    except ValueError as error:
        raise KeyStoreError(f"{path} 不是 PEM 公钥", f"{path} is no PEM public key") from error
    if not isinstance(public, ec.EllipticCurvePublicKey) or not isinstance(public.curve, ec.SECP256R1):
        raise KeyStoreError(f"{path} 应为 P-256 曲线上的密钥", f"{path} must be a key on P-256")
    return public


def _public_pem(public: ec.EllipticCurvePublicKey) -> bytes:
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


trust.add_command(verify)
trust.add_command(install)
trust.add_command(emergency)
trust.add_command(register)
trust.add_command(roster)
trust.add_command(price_list)
trust.add_command(tariff)
trust.add_command(school_calendar)
