"""Days: the script of a scene's day, played on the real lane, store, profile, credentials and ledger, in no time."""
