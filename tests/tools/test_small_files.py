"""A slip of the hand names a device that never ends, or the wrong file: a sentence names it, and nothing is read on."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from agent.keys import KeyStoreError
from agent.words import tell
from tools.cli.faults import sentence_of
from tools.cli.main import cli
from tools.small_files import MAX_FILE_BYTES, read_small

ENDLESS = Path("/dev/zero")
ISSUE = ("--version", "1", "--out", "x.bundle")
STATUS = ("status-list", "build", "--issuer", "1", "--entries", "8")


def refusal(*arguments: str) -> str:
    """What a command says that fails with exit code 1 at the terminal."""
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 1
    return done.output if isinstance(done.exception, SystemExit) else sentence_of(done.exception)  # type: ignore[arg-type]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ONECARD_LANG", "en")
    assert CliRunner().invoke(cli, ["trust", "keygen", "root.pem"]).exit_code == 0
    (tmp_path / "wrong").write_bytes(b"not a key, and no bundle either")
    return tmp_path


def test_no_more_than_the_bound_is_read(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(MAX_FILE_BYTES))
    assert len(read_small(tmp_path / "large")) == MAX_FILE_BYTES
    for path in (ENDLESS, tmp_path / "none"):
        with pytest.raises(KeyStoreError) as caught:
            read_small(path)
        assert str(path) in tell(caught.value)


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    "arguments",
    [
        ("trust", "keys", "--public", "root", "/dev/zero", "--key", "root.pem", *ISSUE),
        ("trust", "keys", "--public", "root", "root.pem.pub", "--key", "/dev/zero", *ISSUE),
        ("trust", "hcert", "--cert", "/dev/zero", "--key", "root.pem", *ISSUE),
        ("trust", "emergency", "--deny", "/dev/zero", "--key", "root.pem", *ISSUE),
        ("trust", "register", "--rows", "/dev/zero", "--key", "root.pem", *ISSUE),
        (
            "status-list",
            "build",
            "--issuer",
            "1",
            "--entries",
            "8",
            "--revoked",
            "/dev/zero",
            "--key",
            "root.pem",
            *ISSUE,
        ),
    ],
)
def test_an_endless_device_is_refused_by_every_command_that_reads_a_file(arguments: tuple[str, ...]) -> None:
    assert refusal(*arguments)


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("trust", "keys", "--public", "root", "wrong", "--key", "root.pem", *ISSUE), "wrong is no PEM public key"),
        (("trust", "show", "wrong"), "wrong: this is no bundle file"),
        (("trust", "delta", "wrong", "wrong", "--key", "root.pem", "--out", "x"), "wrong: this is no bundle file"),
        (("status-list", "show", "wrong"), "wrong: this is no bundle file"),
    ],
)
def test_a_wrong_file_is_named(arguments: tuple[str, ...], said: str) -> None:
    assert said in refusal(*arguments)
