"""From a reading to a credential, or to a refusal with its reason. Bytes in, verdict out; no I/O."""
