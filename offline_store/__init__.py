"""What must survive: the journal and its outbox, in SQLite."""
