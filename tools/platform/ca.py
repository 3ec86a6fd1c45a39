"""The platform's certificate authority and keys, as files in one directory.

Layout (directories 0700, files 0600): `ca.pem` with `ca-key.pem`; `server.pem` for the broker; `platform.pem` for the
platform's own client; `ack-key.pem`, the ES256 key that signs acknowledgements, with `ack.pem`, its public half;
`root-key.pem` with `root.pem` and `bundle-key.pem` with `bundle.pem`, which sign bundles (docs/bundles.md);
`technician-key.pem` with `technician.pem`, which sign technicians' permits (docs/permits.md); `sealing-key.pem`, which
opens what terminals seal, with `sealing.pem`, which they seal it for; `medium.key`, the HMAC key of medium ids;
`terminals/ID.pem`, the public keys of a terminal's checkpoints, the present one last; `issuers/*.json`, the rows of the
trust list by which the platform verifies evidence; `workers/`, the credentials of further ingest workers;
`certificates/ID/SERIAL.pem`, every certificate that a terminal was given; `sealing/ID.pem`, what is sealed for a
terminal; `sealing-former/KID.pem`, which open what was sealed before; `revoked/SERIAL.pem` with `revoked.crl`, those
that count no more (:mod:`tools.platform.revocation`); `enrol.key`, from which the secrets of enrolment codes are drawn;
`next-ROLE.pem` and `former-ROLE.pem` while a role's key is being changed (:mod:`tools.platform.next_key`). A key is on
the disk before its certificate or public half, which means a whole pair: a key that is missing beside it is kept
elsewhere, and none is made in its place.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from agent.cose import Es256Signer, VerifyKey, keyring
from agent.keys import MEDIUM_KEY_BYTES, FileKeyStore, KeyStoreError, Role
from agent.sync.contract import Address, ContractError
from tools.cli.words import say
from tools.platform.errors import PlatformError
from tools.platform.key_files import load_key, make_private_directory, private_pem, public_pem, write_private
from tools.platform.lost_secrets import refuse_another_medium_key, tell_of_another_enrol_key

PLATFORM_NAME = "platform"
MAX_WORKERS = 64
PUBLISHER = MAX_WORKERS + 1
"""The number of the client that gives out bundles."""
REGISTRAR = MAX_WORKERS + 2
"""And of the one that enrols and certifies terminals."""
ROLES = (Role.ROOT, Role.BUNDLE, Role.SEALING, Role.TECHNICIAN, Role.COMMAND)
"""Beside the acknowledgement's, whose files have names of their own."""
_PEM_BLOCK = re.compile(rb"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----\n?", re.DOTALL)
LOCAL_NAMES = ("localhost", "127.0.0.1")

_CA_LIFE = timedelta(days=20 * 365)
_SERVER_LIFE = timedelta(days=825)
_CLIENT_LIFE = timedelta(days=3 * 365)
_RENEW_BEFORE = timedelta(days=30)
# A terminal whose clock runs a little behind must still accept a certificate that was made a minute ago.
_BACKDATE = timedelta(days=1)


@dataclass(frozen=True)
class KeyPair:
    """A certificate and its private key, both PEM (RFC 5280, PKCS #8)."""

    certificate: Path
    key: Path


class Authority:
    """Issues every certificate of the platform and holds its keys."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.ca = self._pair("ca")
        self.server = self._pair("server")
        self.client = self._pair("platform")
        self.ack_key = directory / "ack-key.pem"
        self.ack_public = directory / "ack.pem"
        self.role_keys = {role: (directory / f"{role}-key.pem", directory / f"{role}.pem") for role in ROLES}
        self.medium_key = directory / "medium.key"
        self.terminals = directory / "terminals"
        self.issuers = directory / "issuers"
        self.workers = directory / "workers"
        self.certificates = directory / "certificates"
        self.enrol_key = directory / "enrol.key"
        self.sealing_keys = directory / "sealing"
        self.former_sealing_keys = directory / "sealing-former"
        self.revoked = directory / "revoked"
        self.revoked_list = directory / "revoked.crl"

    @classmethod
    def at(cls, directory: Path) -> Authority:
        """The authority that is there. Raises `PlatformError` where none was ever made."""
        if not cls(directory).ca.certificate.exists():
            raise PlatformError(
                say(
                    f"{directory.parent} 中没有平台：请检查 --dir，或先运行 onecard platform init。",
                    f"There is no platform in {directory.parent}: check --dir, or run `onecard platform init` first.",
                )
            )
        return cls.init(directory)

    @classmethod
    def init(cls, directory: Path, names: Iterable[str] = ()) -> Authority:
        """Make what is missing in `directory`, keep what is there, and return the authority.

        `names` are host names or addresses under which terminals reach the broker, beside localhost. The server's
        certificate is issued anew when it lacks one of them; it and the platform's own when they end within 30 days.
        """
        make_private_directory(directory)
        authority = cls(directory)
        if not authority.ca.certificate.exists():
            authority._make_ca()
        wanted = _alternative_names((*LOCAL_NAMES, *names))
        server = _load_certificate(authority.server.certificate)
        if server is None or _ends_soon(server) or not wanted <= _names_of(server):
            known = _names_of(server) if server else set()
            _write_pair(authority.server, *authority._certify(PLATFORM_NAME, _SERVER_LIFE, wanted | known))
        client = _load_certificate(authority.client.certificate)
        if client is None or _ends_soon(client):
            _write_pair(authority.client, *authority._certify(PLATFORM_NAME, _CLIENT_LIFE))
        authority._make_keys()
        return authority

    def load_ack_key(self) -> ec.EllipticCurvePrivateKey:
        """Return the P-256 key that signs acknowledgements."""
        return load_key(self.ack_key)

    def worker(self, number: int) -> KeyPair:
        """The credentials of one ingest worker, made where they are missing; number 0 is the platform's own client."""
        if number == 0:
            return self.client
        make_private_directory(self.workers)
        pair = KeyPair(self.workers / f"{number}.pem", self.workers / f"{number}-key.pem")
        held = _load_certificate(pair.certificate)
        if held is None or _ends_soon(held):
            _write_pair(pair, *self._certify(worker_name(number), _CLIENT_LIFE))
        return pair

    def load_sealing_key(self) -> ec.EllipticCurvePrivateKey:
        """Return the P-256 key that opens what terminals sealed."""
        return load_key(self.role_keys[Role.SEALING][0])

    def load_former_sealing_keys(self) -> list[ec.EllipticCurvePrivateKey]:
        """What opens what was sealed before that key was changed."""
        return [load_key(path) for path in sorted(self.former_sealing_keys.glob("*.pem"))]

    def provision(self, terminal: str, directory: Path) -> FileKeyStore:
        """Make `directory` the key store of `terminal`: keys, a new certificate with CN = `terminal`, whom to trust.

        Keys that a terminal made for itself stay. What is written is plain, since it may go to another machine; the
        terminal encrypts it with its first start. Raises `PlatformError`.
        """
        check_name(terminal)
        _refuse_anothers(directory / "tls.pem", terminal)
        certificate, key = self._certify(terminal, _CLIENT_LIFE)
        self._keep(terminal, certificate)
        try:
            store = FileKeyStore.create(directory, portable=True)
            store.install("tls-key.pem", private_pem(key))
            store.install("tls.pem", _certificate_pem(certificate))
            store.install("ca.pem", self.ca.certificate.read_bytes())
            for role, public in self.public_keys():
                store.install(f"platform-{role}.pem", public)
            store.install("medium-1.key", self.medium_key.read_bytes())
            self.enrol(terminal, store.checkpoint_public(), store.sealing_public())
        except KeyStoreError as error:
            raise PlatformError(
                say(f"无法写入终端密钥目录：{error.zh}", f"Cannot write the terminal's keys: {error}.")
            ) from error
        return store

    def client_pair(self, terminal: str) -> tuple[bytes, bytes]:
        """A certificate with CN = `terminal` and its key, both PEM, for a terminal that is only simulated."""
        certificate, key = self._certify(terminal, _CLIENT_LIFE)
        return _certificate_pem(certificate), private_pem(key)

    def checkpoint_keys(self, terminal: str) -> Mapping[bytes, VerifyKey]:
        """Every key that the terminal was enrolled with, by `kid`: a chain of before is signed by the key of before."""
        return keyring(VerifyKey.from_pem(block) for block in self._checkpoint_pems(terminal))

    def current_kid(self, terminal: str) -> bytes | None:
        """The `kid` of the one checkpoint key that speaks for the terminal now: of the box enrolled last."""
        known = self._checkpoint_pems(terminal)
        return VerifyKey.from_pem(known[-1]).kid if known else None

    def enrolled(self) -> list[str]:
        """Every terminal that was ever added, by its id."""
        return sorted(path.stem for path in self.terminals.glob("*.pem"))

    def enrol(
        self, terminal: str, checkpoint: ec.EllipticCurvePublicKey, sealing: ec.EllipticCurvePublicKey | None = None
    ) -> None:
        """Know the key that signs a terminal's checkpoints from now on, and the one key that is sealed for."""
        if sealing is not None:
            make_private_directory(self.sealing_keys)
            write_private(self.sealing_keys / f"{terminal}.pem", public_pem(sealing))
        make_private_directory(self.terminals)
        former = [key for key in self._checkpoint_pems(terminal) if key != public_pem(checkpoint)]
        known = b"".join((*former, public_pem(checkpoint)))
        if known != b"".join(self._checkpoint_pems(terminal)):
            write_private(self.terminals / f"{terminal}.pem", known)

    def certify(self, terminal: str, public: ec.EllipticCurvePublicKey) -> x509.Certificate:
        """A certificate with CN = `terminal` for a key of which the terminal has proved that it holds it."""
        certificate = self._certificate(terminal, public, _CLIENT_LIFE)
        self._keep(terminal, certificate)
        return certificate

    def given(self, terminal: str) -> list[x509.Certificate]:
        """Every certificate that a terminal was given."""
        files = sorted((self.certificates / terminal).glob("*.pem"))
        return [x509.load_pem_x509_certificate(file.read_bytes()) for file in files]

    def secret_of(self, enrol_id: str) -> bytes:
        """The secret of an enrolment code, 16 bytes: it stands nowhere but in the code."""
        return hmac.digest(self.enrol_key.read_bytes(), enrol_id.encode(), "sha256")[:16]

    def public_keys(self) -> list[tuple[Role, bytes]]:
        """Every key that terminals are to trust, PEM."""
        return [
            (Role.ACKNOWLEDGEMENT, self.ack_public.read_bytes()),
            *((role, public.read_bytes()) for role, (_, public) in self.role_keys.items()),
        ]

    def signer_of(self, role: Role) -> Es256Signer:
        """Who signs in a role."""
        return Es256Signer(load_key(self.files_of(role)[0]))

    def files_of(self, role: Role) -> tuple[Path, Path]:
        """A role's private key and its public half."""
        return (self.ack_key, self.ack_public) if role is Role.ACKNOWLEDGEMENT else self.role_keys[role]

    def load_authority(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        """The authority's certificate and key."""
        return x509.load_pem_x509_certificate(self.ca.certificate.read_bytes()), load_key(self.ca.key)

    def load_root(self) -> ec.EllipticCurvePrivateKey:
        """The root key, which signs enrolment codes and keys bundles: the one of which `root.pem` is the public half.

        Raises `PlatformError` where it is kept elsewhere, or another lies there.
        """
        path, public = self.role_keys[Role.ROOT]
        key = load_key(path)
        if VerifyKey.of(key.public_key()).kid != VerifyKey.from_pem(public.read_bytes()).kid:
            raise PlatformError(
                say(
                    f"{path} 不是本平台的根密钥：与 {public} 不配对；请放入与之配对的根密钥。",
                    f"{path} is not this platform's root: it does not belong to {public}; bring the one that does.",
                )
            )
        return key

    def _checkpoint_pems(self, terminal: str) -> list[bytes]:
        """The present key is the last."""
        try:
            return _PEM_BLOCK.findall((self.terminals / f"{terminal}.pem").read_bytes())
        except FileNotFoundError:
            return []

    def _keep(self, terminal: str, certificate: x509.Certificate) -> None:
        directory = self.certificates / terminal
        make_private_directory(directory)
        write_private(directory / f"{certificate.serial_number:x}.pem", _certificate_pem(certificate))

    def _pair(self, name: str) -> KeyPair:
        return KeyPair(self._directory / f"{name}.pem", self._directory / f"{name}-key.pem")

    def _make_ca(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name("Onecard platform CA")
        certificate = (
            _builder(subject, subject, key.public_key(), _CA_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        _write_pair(self.ca, certificate, key)

    def _certify(
        self, common_name: str, life: timedelta, names: set[x509.GeneralName] | None = None
    ) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        """A new key and its certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        return self._certificate(common_name, key.public_key(), life, names), key

    def _certificate(
        self,
        common_name: str,
        public: ec.EllipticCurvePublicKey,
        life: timedelta,
        names: set[x509.GeneralName] | None = None,
    ) -> x509.Certificate:
        """A server's if it has alternative `names`, else a client's."""
        issuer, issuer_key = self.load_authority()
        purpose = ExtendedKeyUsageOID.SERVER_AUTH if names else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = (
            _builder(_name(common_name), issuer.subject, public, life)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        )
        if names:
            builder = builder.add_extension(
                x509.SubjectAlternativeName(sorted(names, key=lambda name: str(name.value))), critical=False
            )
        return builder.sign(issuer_key, hashes.SHA256())

    def _make_keys(self) -> None:
        """The root comes before the other roles': where one of those is there, the root was too, and is not made."""
        root, after_it = (self.role_keys[role][1] for role in (Role.ROOT, Role.BUNDLE))
        if after_it.exists() and not root.exists():
            zh, en = (
                f"缺少 {root}：请从备份取回。",
                f"{root} is missing: bring it back from the copy of that directory.",
            )
            raise PlatformError(say(zh, en))
        for key, public in ((self.ack_key, self.ack_public), *self.role_keys.values()):
            if public.exists():
                continue
            if not key.exists():
                write_private(key, private_pem(ec.generate_private_key(ec.SECP256R1())))
            write_private(public, public_pem(load_key(key).public_key()))
        served = self.medium_key.exists() or any(self.terminals.glob("*.pem"))
        lost = {self.medium_key: refuse_another_medium_key, self.enrol_key: tell_of_another_enrol_key}
        for secret, refuse_or_tell in lost.items():
            if not secret.exists():
                if served:
                    refuse_or_tell(secret)
                write_private(secret, secrets.token_bytes(MEDIUM_KEY_BYTES))


def check_name(terminal: str) -> None:
    """Refuse what no terminal can be called. Raises `PlatformError`."""
    try:
        Address(terminal)
    except ContractError as error:
        raise PlatformError(
            say(
                f"终端编号 {terminal} 不对：只能用 1 至 32 个小写字母、数字和连字符。",
                f"{terminal} is no terminal id: use 1 to 32 of the characters a-z, 0-9 and -.",
            )
        ) from error
    if terminal == PLATFORM_NAME:
        raise PlatformError(
            say("终端编号不能是 platform：这是平台自己的名字。", "No terminal can be called platform: the platform is.")
        )


def worker_name(number: int) -> str:
    """A worker's name at the broker; no terminal can have it, for a terminal id has no dot."""
    return PLATFORM_NAME if number == 0 else f"{PLATFORM_NAME}.{number}"


def _refuse_anothers(certificate: Path, terminal: str) -> None:
    """Keys of another terminal are never written over. Raises `PlatformError`."""
    try:
        held = _load_certificate(certificate)
    except (OSError, ValueError):
        return
    names = (
        [] if held is None else [str(name.value) for name in held.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    )
    if names and names != [terminal]:
        raise PlatformError(
            say(
                f"{certificate.parent} 中是终端 {names[0]} 的密钥，不会覆盖；请换一个目录。",
                f"{certificate.parent} holds the keys of {names[0]}, which stay; choose another directory.",
            )
        )


def _write_pair(pair: KeyPair, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    pair.certificate.unlink(missing_ok=True)
    write_private(pair.key, private_pem(key))
    write_private(pair.certificate, _certificate_pem(certificate))


def _load_certificate(path: Path) -> x509.Certificate | None:
    return x509.load_pem_x509_certificate(path.read_bytes()) if path.exists() else None


def _ends_soon(certificate: x509.Certificate) -> bool:
    return certificate.not_valid_after_utc - datetime.now(UTC) < _RENEW_BEFORE


def _names_of(certificate: x509.Certificate) -> set[x509.GeneralName]:
    return set(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)


def _alternative_names(names: Iterable[str]) -> set[x509.GeneralName]:
    found: set[x509.GeneralName] = set()
    for name in names:
        try:
            found.add(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            found.add(x509.DNSName(name))
    return found


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, life: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATE)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _certificate_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
