"""A program that dies at every moment at which the disk may differ, and looks at what it finds after each death.

``python -m tests.faults.commit_points SCENE DIRECTORY EVERY SEED``, started with ``broken_disk.c`` before it. The scene
runs once to count its steps; then, before each step that is to be tried, a forked child ends by SIGKILL, the parent
looks at what lies there, and another child goes on to the end. ``EVERY`` 1 tries each step, 10 a tenth of them.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
from pathlib import Path

from tests.faults.broken_disk import BrokenDisk
from tests.faults.scenes import SCENES, Scene


def run_in_a_child(scene: Scene, directory: Path, disk: BrokenDisk, die_at: int) -> tuple[int, list[int]]:
    """Exit code, negative for a signal, and what the scene said to be durable."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        disk.arm(die_at)
        try:
            scene.run(directory, lambda number: os.write(writing, b"%d\n" % number))
        except BaseException as error:  # noqa: BLE001 - a fork must not return into its parent's frames
            sys.excepthook(type(error), error, error.__traceback__)
            os._exit(1)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as lines:
        said = [int(line) for line in lines]
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said


def main(name: str, directory: Path, every: int, seed: int) -> None:
    scene, disk = SCENES[name], BrokenDisk.of_this_process()
    template, state = directory / "template", directory / "root" / "state"
    template.mkdir()
    scene.prepare(template)

    def try_with(die_at: int) -> int:
        disk.arm()
        shutil.rmtree(state, ignore_errors=True)
        shutil.copytree(template, state)
        code, said = run_in_a_child(scene, state, disk, die_at)
        steps = disk.steps
        disk.arm()
        assert code == (-signal.SIGKILL if die_at and steps >= die_at else 0), f"step {die_at}: exit code {code}"
        if code:
            scene.after_death(state, said)
            code, more = run_in_a_child(scene, state, disk, 0)
            assert code == 0, f"after step {die_at} it could not go on"
            said += more
        scene.after_the_end(state, said)
        return steps

    steps = try_with(0)
    dice = random.Random(seed)
    chosen = [step for step in range(1, steps + 1) if step in (1, steps) or dice.randrange(every) == 0]
    for step in chosen:
        try_with(step)
    (directory / "result.json").write_text(json.dumps({"steps": steps, "deaths": len(chosen)}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
