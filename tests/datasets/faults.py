"""Kill conversions at random moments, and compare what the resumed ones end with.

    python -m tests.datasets.faults --kills 50 --seed 0 folder out.zarr out.npy out.tar

Each run of ``graytorgb convert`` with two workers is killed at a random moment by SIGKILL: its
whole process group, or the parent alone, so that its workers have to end by themselves. The next
run begins at once. A run that isn't killed is compared with an undisturbed one, byte for
byte with the kept file, and a new target is begun.
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import psutil

from graytorgb.datasets.targets.journal import MARK

from ..support import ROOT
from .trees import KEPT, deep, read_tree, write_png

TARGETS = ("folder", "out.zarr", "out.npy", "out.tar")
_IN_SECONDS = 60  # in which a run, or the workers of a killed one, have to end

# The command with small shards, so that a few images make several of them
COMMAND = """
import sys
from graytorgb.cli import main
from graytorgb.datasets.targets import array_form
from graytorgb.datasets.targets import tar as target_tar
array_form._SHARD_IMAGES = target_tar._SHARD_IMAGES = 8
main(sys.argv[1:], prog_name="graytorgb")
"""


class Differs(AssertionError):
    """A resumed conversion isn't what an undisturbed one gives."""


def start(*words, log, workers=2):
    """Start ``graytorgb convert`` in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, "convert", *map(str, words), "--workers", str(workers)],
        stdout=log, stderr=log, start_new_session=True, env=dict(os.environ, PYTHONPATH=str(ROOT)),
    )  # fmt: skip


def make_source(folder, count=64, shape=(90, 120)):
    """Write 12-bit images of two classes, one file that is no image, and one that can't be read."""
    for k in range(count):
        write_png(folder / f"class{k % 2}" / f"{k:03}.png", deep(k, shape))
    (folder / "class0" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (folder / "notes.txt").write_text("no image")


def list_group(group):
    """Return the processes of a process group that live."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


class Killer:
    """Kills conversions to one target, and compares what they end with.

    Parameters
    ----------
    src : Path
    place : Path
        An empty folder for the target, all that lies beside it, and the undisturbed one.
    name : str
        The target's name.
    seed : int
    workers : sequence of int
        The numbers of workers of undisturbed runs, whose trees have to be equal.
    """

    def __init__(self, src, place, name, seed, workers=(1, 2)):
        self.src, self.name, self.place = src, name, place
        self.moments = random.Random(f"{name} {seed}")
        self.counts = Counter()
        self.groups = []
        self.log = (place / "log").open("w+b")
        self.seconds = []
        self.whole = self.run_undisturbed(workers)
        self.room = place / "room"
        self.room.mkdir()

    def run_undisturbed(self, workers):
        """Measure runs that aren't killed, compare their trees, and return one of them."""
        trees = []
        for count in workers:
            room = self.place / f"undisturbed{count}"
            room.mkdir()
            before = time.monotonic()
            code = start(self.src, room / self.name, log=self.log, workers=count).wait()
            self.seconds.append(time.monotonic() - before)
            if code != 1:  # of the file that can't be read
                raise Differs(f"exit code {code}: {self.read_log()}")
            trees.append(read_tree(room))
            self.check_equal(trees[-1], trees[0])
        return trees[0]

    def kill_once(self):
        """Start a run, and kill it at a random moment; return whether it lived so long."""
        process = start(self.src, self.room / self.name, log=self.log)
        moment = self.moments.uniform(0.05, 1.1) * self.seconds[-1]
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            if self.moments.random() < 0.5:
                os.killpg(process.pid, signal.SIGKILL)
                self.counts["groups"] += 1
            else:
                process.kill()
                self.counts["parents alone"] += 1
            process.wait()
            self.groups.append(process.pid)
            self.counts["while it wrote" if list(self.room.rglob("*")) else "before"] += 1
            self.check_unfinished()
            return True
        self.check_whole(process.returncode)
        self.begin_anew()
        return False

    def run_to_the_end(self):
        """Run once more without a kill, and compare."""
        process = start(self.src, self.room / self.name, log=self.log)
        self.check_whole(process.wait(_IN_SECONDS))
        self.counts["resumed to the end"] += 1
        self.wait_for_workers()
        self.check_whole(process.returncode)  # none of them has written since
        self.begin_anew()

    def wait_for_workers(self):
        """Wait until the workers of the killed runs have ended."""
        end = time.monotonic() + _IN_SECONDS
        while left := [process for group in self.groups for process in list_group(group)]:
            if time.monotonic() > end:
                raise Differs(f"processes of killed runs live on: {left}")
            time.sleep(0.1)

    def begin_anew(self):
        """Remove the target."""
        self.wait_for_workers()
        shutil.rmtree(self.room)
        self.room.mkdir()
        self.remove_semaphores()
        self.groups.clear()

    def remove_semaphores(self):
        """Remove the semaphores of killed groups, whose resource tracker was killed with them."""
        for group in self.groups:
            for path in Path("/dev/shm").glob(f"sem.loky-{group}-*"):
                path.unlink(missing_ok=True)

    def check_unfinished(self):
        """Check that no file of a folder has its name before it is whole."""
        for name in self.whole if self.name == "folder" else ():
            path = self.room / name
            if path.name != KEPT and path.exists() and path.read_bytes() != self.whole[name]:
                raise Differs(f"{name} is half-written")

    def check_whole(self, code):
        """Check that the tree is that of the undisturbed run."""
        if code != 1:
            raise Differs(f"exit code {code}: {self.read_log()}")
        self.counts["compared"] += 1
        self.check_equal(read_tree(self.room), self.whole)

    @staticmethod
    def check_equal(tree, whole):
        """Check that two trees have the same files of the same bytes."""
        names = sorted(tree.keys() ^ whole.keys())
        if names:
            raise Differs(f"files that only one of them has: {names}")
        differing = sorted(name for name in whole if tree[name] != whole[name])
        if differing:
            raise Differs(f"files that differ: {differing}")
        parts = {part for name in tree for part in Path(name).parts}
        if left := [part for part in parts if part.startswith(MARK) or part.endswith(".partial")]:
            raise Differs(f"temporary files are left: {left}")

    def read_log(self):
        """Return the end of what the runs printed."""
        self.log.seek(0)
        return self.log.read()[-3000:].decode(errors="replace")


def kill(name, kills, seed=0):
    """Kill runs of a conversion to a target of this name, and return what was counted.

    After about every third kill the next run isn't killed.

    Raises
    ------
    Differs
        If a run ends with something else than an undisturbed one.
    """
    with tempfile.TemporaryDirectory() as folder:
        src, place = Path(folder, "src"), Path(folder, "place")
        make_source(src)
        place.mkdir()
        killer = Killer(src, place, name, seed)
        done = 0
        while done < kills:
            done += killer.kill_once()
            if killer.moments.random() < 0.3:
                killer.run_to_the_end()
        killer.run_to_the_end()
        killer.log.close()
        return killer.counts


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("targets", nargs="*", default=TARGETS, help="folder, or a name.zarr, ...")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for name in arguments.targets:
        before = time.monotonic()
        counts = kill(name, arguments.kills, arguments.seed)
        told = ", ".join(f"{what} {count}" for what, count in sorted(counts.items()))
        print(f"{name}: {told}; {time.monotonic() - before:.0f} s, all identical", flush=True)


if __name__ == "__main__":
    main()
