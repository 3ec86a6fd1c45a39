"""Whether a terminal that has served still has the key by which it knows cards."""

from __future__ import annotations

from collections.abc import Iterator

from agent.composition import MEDIUM_KEY
from agent.keys import FileKeyStore, KeyStoreError
from offline_store.database import DATABASE_NAME
from profiles.reasons import Sentence
from tools.doctor.finding import Finding, fail, ok
from tools.doctor.patient import Patient

_REMEDY = Sentence(
    "把这个文件从备份放回，或为同一台设备重新注册：onecard platform enrol new ID --again",
    "put this file back from a copy, or enrol the same box anew: onecard platform enrol new ID --again",
)


def keys(patient: Patient) -> Iterator[Finding]:
    """Its first start makes one; afterwards none is made, since under another it would know no card of its lists."""
    if not (patient.state_dir / DATABASE_NAME).is_file():
        return
    try:
        FileKeyStore(patient.keys_dir).mac(MEDIUM_KEY, b"")
    except KeyStoreError as error:
        yield fail("keys", "no-medium-key", Sentence(error.zh, error.en), _REMEDY)
    else:
        yield ok("keys", "识别卡片的密钥可用", "the key by which cards are known can be used")
