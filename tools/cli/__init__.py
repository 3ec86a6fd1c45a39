"""The ``onecard`` command: one file a group of sub-commands, each imported only when it is called."""
