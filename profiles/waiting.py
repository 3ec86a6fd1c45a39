"""Whoever stands at a counter while something is still to be known: what a lane's state keeps of a credential."""

from __future__ import annotations

from profiles.api import Assurance, Credential, State, Subject


class Waiting(State):
    """Who it is. Of a code the evidence is not kept: it stands in a record, or the code is shown again."""

    id: bytes
    medium: bytes
    subject_namespace: str
    subject_id: bytes
    provisional: bool
    source: str
    assurance: int
    entitlements: tuple[str, ...]

    @classmethod
    def of(cls, credential: Credential, name: bytes) -> Waiting:
        """What is kept of a credential, under a name of its own."""
        return cls(
            id=name,
            medium=credential.medium,
            subject_namespace=credential.subject.namespace,
            subject_id=credential.subject.id,
            provisional=credential.subject.provisional,
            source=credential.source,
            assurance=int(credential.assurance),
            entitlements=tuple(sorted(credential.entitlements)),
        )

    @property
    def credential(self) -> Credential:
        """The credential again."""
        return Credential(
            medium=self.medium,
            subject=Subject(self.subject_namespace, self.subject_id, self.provisional),
            source=self.source,
            assurance=Assurance(self.assurance),
            entitlements=frozenset(self.entitlements),
        )
