"""``python -P -m agent`` is the ``onecard`` command, found by its entry point: the agent does not know ``tools``."""

from importlib.metadata import entry_points

if __name__ == "__main__":
    next(iter(entry_points(group="console_scripts", name="onecard"))).load()()
