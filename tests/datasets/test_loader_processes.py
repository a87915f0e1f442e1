"""Tests of the DataLoader that `loader` makes, with worker processes: nothing is lost."""

import contextlib
import itertools
import multiprocessing
import os
import pickle
import random
import re
import signal
import subprocess
import sys

import numpy as np
import psutil
import pytest

import graytorgb as g2r

from ..support import ROOT, needs, needs_package
from .trees import gray, write_png

needs("torchvision", "pillow")

import torch  # noqa: E402
from torch.utils.data import ConcatDataset, DataLoader, DistributedSampler  # noqa: E402
from torchvision.datasets import ImageFolder  # noqa: E402
from torchvision.transforms import v2  # noqa: E402

from graytorgb.datasets import GrayImageFolder, loader  # noqa: E402
from graytorgb.datasets.loading import transfer  # noqa: E402

COUNT = 24

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


@pytest.fixture(scope="module")
def shared_root(tmp_path_factory):
    """Images in two classes, which no test changes."""
    return write_images(tmp_path_factory.mktemp("images"))


def write_images(folder):
    for k in range(COUNT):
        write_png(folder / "ab"[k % 2] / f"{k:02}.png", gray(k))
    return folder


def jitter(image):
    """A transform that draws from the generators of Python and NumPy."""
    noise = random.randrange(9) + np.random.randint(9)  # noqa: NPY002
    return image // 2 + noise


def make(root, workers, *, transform=jitter, **options):
    """A loader of random crops, mirrored, turned and made lighter."""
    transforms = v2.Compose([v2.RandomRotation(90), transform])
    dataset = GrayImageFolder(root, 8, train=True, transform=transforms)
    options = {"shuffle": True, "seed": 11} | options
    return loader(dataset, 5, "imagenet", workers=workers, **options)


def copied(batches):
    return [[part.clone() for part in batch] for batch in batches]


def same(first, second):
    pairs = zip(first, second, strict=True)
    return all(torch.equal(a, b) for one, two in pairs for a, b in zip(one, two, strict=True))


def list_workers(iterator):
    return [psutil.Process(worker.pid) for worker in iterator._workers]


def wait_until_gone(processes):
    """Fail if one of these processes lives on, or is a zombie."""
    _, alive = psutil.wait_procs(processes, timeout=20)
    assert not alive


def test_batches_are_the_same_for_every_number_of_workers(shared_root):
    alone = make(shared_root, 0)
    want = [copied(alone) for _ in range(3)]
    assert not same(want[0], want[1])
    for count in (1, 2):
        made = make(shared_root, count, persistent_workers=True)
        assert type(made) is DataLoader
        seen = []
        for epoch in want:
            assert same(epoch, made)
            seen.append(list_workers(made._iterator))
        assert seen == seen[:1] * 3  # the same processes for all epochs
        assert len(seen[0]) == count
        assert same(want[0], make(shared_root, count))  # new ones for each epoch
        del made
        wait_until_gone(seen[0])


def test_torch_s_seed_decides_for_every_number_of_workers(shared_root):
    epochs = []
    for count in (0, 2):
        torch.manual_seed(1)
        made = make(shared_root, count, seed=None)
        epochs.append(copied(made) + copied(made))
    assert same(*epochs)


@pytest.mark.slow
def test_start_methods_give_the_same_batches(shared_root):
    made = [
        make(shared_root, 1, multiprocessing_context=method) for method in ("spawn", "forkserver")
    ]
    for iterator in list(map(iter, made)):  # they start together
        assert same(make(shared_root, 0), iterator)


def test_kept_batches_stay_as_they_are(shared_root):
    dataset = GrayImageFolder(shared_root, 8)
    want = g2r.prepare(torch.stack([dataset[k][0] for k in range(COUNT)]), "imagenet", "NCHW")
    kept = list(loader(dataset, 3, "imagenet", workers=2))
    assert torch.equal(torch.cat([images for images, _ in kept]), want)
    images, labels = zip(*loader(dataset, 3, channels=1, workers=2), strict=True)
    assert torch.equal(torch.cat(images), g2r.prepare(
        torch.stack([dataset[k][0] for k in range(COUNT)]), "0..1", "NCHW")[:, :1])  # fmt: skip
    assert torch.cat(labels).tolist() == dataset.targets
    rgb = ImageFolder(shared_root, v2.Resize((8, 8)))  # floats are made in the worker
    assert same(loader(rgb, 5, "imagenet", workers=0), loader(rgb, 5, "imagenet", workers=1))


def kill_a_worker(root, place):
    """Write the error of a loader whose worker is killed, and the ids of its workers."""
    many = ConcatDataset([GrayImageFolder(root, 8)] * 1000)  # the kill is noticed before the end
    made = loader(many, 1, "imagenet", workers=2)
    iterator = iter(made)
    next(iterator)
    pids = [worker.pid for worker in list_workers(iterator)]
    try:
        os.kill(pids[0], signal.SIGKILL)
        for _ in iterator:
            pass
    except RuntimeError as error:
        place.write_text(f"{pids[0]} {pids[1]} {error}")  # torch's own, or WorkerLost


def test_a_killed_worker_is_an_error(shared_root, tmp_path):
    """In a process of its own, where torch's handler of the signal can raise at any time."""
    context = multiprocessing.get_context("fork")
    process = context.Process(target=kill_a_worker, args=(shared_root, tmp_path / "error"))
    process.start()
    process.join(60)
    try:
        assert process.exitcode is not None  # it doesn't hang
        first, second, error = (tmp_path / "error").read_text().split(" ", 2)
    finally:
        process.kill()
    assert re.search("worker.*(exited unexpectedly|killed by signal|was killed)", error)
    for pid in (first, second):
        with contextlib.suppress(psutil.NoSuchProcess):
            wait_until_gone([psutil.Process(int(pid))])


@pytest.mark.parametrize("error", [ConnectionResetError, FileNotFoundError, EOFError])
def test_a_batch_whose_worker_is_gone(monkeypatch, error):
    """The files behind its tensors are asked for in vain."""

    def fail(message):
        raise error("the worker is gone")

    monkeypatch.setattr(transfer.ForkingPickler, "loads", fail)
    with pytest.raises(g2r.errors.WorkerLost, match=r"worker was killed.*workers="):
        transfer._receive(b"")


def test_files_that_go_bad_under_way(tmp_path):
    root = write_images(tmp_path)
    dataset = GrayImageFolder(root, 8)
    skipping = GrayImageFolder(root, 8, on_error="skip")
    made, tolerant = (loader(d, 2, "imagenet", workers=2) for d in (dataset, skipping))
    assert sum(len(labels) for _, labels in made) == COUNT
    assert sum(len(labels) for _, labels in tolerant) == COUNT
    deleted, cut = root / "a" / "04.png", root / "b" / "13.png"
    deleted.unlink()
    cut.write_bytes(cut.read_bytes()[:70])
    with pytest.raises(OSError, match=str(deleted)):
        list(made)
    deleted.parent.joinpath("06.png").unlink()  # with 04 a whole batch
    with pytest.warns(UserWarning, match="epoch 1: 3 files skipped") as caught:
        assert sum(len(labels) for _, labels in tolerant) == COUNT - 3
    (told,) = [text for text in (str(each.message) for each in caught) if "skipped" in text]
    assert str(deleted) in told
    assert len(skipping.skipped) == 3
    assert str(cut) in skipping.skipped


CTRL_C = """
import sys, torch
from graytorgb.datasets import GrayImageFolder, loader
folder = GrayImageFolder(sys.argv[1], 8)
sys.stdin.readline()  # the turn of this program, because the loop below keeps the processors busy
made = loader(folder, 1, "imagenet", workers=2, shuffle=True, persistent_workers=True)
while True:
    iterator = iter(made)
    for number, batch in enumerate(iterator):
        if number == 3:
            print("begun", *(w.pid for w in iterator._workers), flush=True)
"""


@pytest.mark.slow
def test_ctrl_c_leaves_no_process(shared_root):
    """A terminal sends it to the whole group of processes; `kill -INT` to one."""
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", CTRL_C, str(shared_root)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
            env=dict(os.environ, PYTHONPATH=str(ROOT)),
        )
        for _ in range(2)
    ]  # fmt: skip
    try:
        for program, send in zip(programs, (os.killpg, os.kill), strict=True):
            program.stdin.write("begin\n")
            program.stdin.flush()
            begun, *pids = program.stdout.readline().split()
            workers = [psutil.Process(int(pid)) for pid in pids]
            assert (begun, len(workers)) == ("begun", 2)
            send(program.pid, signal.SIGINT)
            _, errors = program.communicate(timeout=60)
            assert "KeyboardInterrupt" in errors
            wait_until_gone(workers)
    finally:
        for program in programs:
            program.kill()
            program.wait()


def list_share(rank, root, place, queue):
    """Write what one of two processes gets, as a trainer would."""
    torch.set_num_threads(1)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{place}", rank=rank, world_size=2
    )
    dataset = GrayImageFolder(root, 8, train=True)
    sampler = DistributedSampler(dataset, shuffle=True, seed=0)
    made = loader(dataset, 5, "imagenet", sampler=sampler, seed=0, workers=0)
    mine = [[tuple(int(i) for i in batch) for batch in made.batch_sampler] for _ in range(2)]
    made.sampler.set_epoch(0)
    total = torch.tensor(sum(float(images.sum()) for images, _ in made))
    torch.distributed.all_reduce(total)
    queue.put((rank, mine, total.item()))
    torch.distributed.destroy_process_group()


def test_two_processes_get_every_sample_once(shared_root, tmp_path):
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    processes = [
        context.Process(target=list_share, args=(rank, shared_root, tmp_path / "store", queue))
        for rank in range(2)
    ]
    for process in processes:
        process.start()
    try:
        (_, one, total), (_, two, other) = sorted(queue.get(timeout=60) for _ in processes)
    finally:
        for process in processes:
            process.join(10)
            process.kill()
    assert total == other
    orders = []
    for first, second in zip(one, two, strict=True):
        indices = [index for batch in first + second for index in batch]
        assert sorted(indices) == list(range(COUNT))
        orders.append(indices)
    assert orders[0] != orders[1]  # the epoch is told to the sampler


class TestResuming:
    @pytest.fixture(autouse=True)
    def _needs_torchdata(self):
        needs_package("torchdata")

    @pytest.mark.parametrize("workers", [0, 2])
    @pytest.mark.parametrize("seed", [11, None])
    def test_an_epoch_goes_on_as_if_it_hadn_t_stopped(self, shared_root, workers, seed):
        whole = make(shared_root, workers, resumable=True, seed=seed)
        assert isinstance(whole, DataLoader)
        assert type(whole).__name__ == "StatefulDataLoader"
        first = copied(whole)
        iterator = iter(whole)
        part = copied(itertools.islice(iterator, 2))
        state = pickle.dumps(whole.state_dict())
        rest = copied(iterator)
        after = copied(whole)
        assert not same(first, part + rest)
        torch.manual_seed(77)
        resumed = make(shared_root, workers, resumable=True, seed=seed)
        resumed.load_state_dict(pickle.loads(state))
        assert same(rest, resumed)
        assert same(after, resumed) == (seed is not None)

    def test_at_the_end_of_an_epoch_the_next_one_comes(self, shared_root):
        whole = make(shared_root, 0, resumable=True)
        list(whole)
        state, after = whole.state_dict(), copied(whole)
        resumed = make(shared_root, 0, resumable=True)
        resumed.load_state_dict(state)
        assert same(after, resumed)

    def test_with_skipped_files(self, tmp_path):
        root = write_images(tmp_path)
        for k in (0, 2, 5):
            (root / "ab"[k % 2] / f"{k:02}.png").write_bytes(b"no image")
        dataset = GrayImageFolder(root, 8, on_error="skip")
        whole = loader(dataset, 2, channels=1, workers=0, resumable=True)
        iterator = iter(whole)
        first = next(iterator)[1].tolist()
        state = whole.state_dict()
        with pytest.warns(UserWarning, match="epoch 0: 3 files skipped"):
            rest = [labels.tolist() for _, labels in iterator]
        resumed = loader(dataset, 2, channels=1, workers=0, resumable=True)
        resumed.load_state_dict(state)
        with pytest.warns(UserWarning, match="epoch 0: 1 file skipped"):
            assert [labels.tolist() for _, labels in resumed] == rest
        assert sum(map(len, [first, *rest])) == COUNT - 3


def test_two_iterators_at_once_see_every_sample(shared_root):
    made = loader(GrayImageFolder(shared_root, 8), 5, channels=1, workers=2)
    pairs = list(zip(made, made, strict=True))
    for part in (0, 1):
        seen = torch.cat([labels for _, labels in (pair[part] for pair in pairs)])
        assert seen.tolist() == made.dataset.targets
