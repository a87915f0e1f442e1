"""A conversion by several processes: on a dask cluster, and with workers that die."""

import dask
import pytest

from graytorgb.datasets import convert
from graytorgb.datasets.conversion_run.run import ConversionRun
from graytorgb.datasets.conversion_run.watch import Silence
from graytorgb.datasets.conversions.options import Options
from graytorgb.datasets.targets.journal import MARK

from ..processes import list_cluster_workers
from ..support import needs, needs_package
from .deadly import DeadlyTarget
from .trees import deep, gray, list_images, read_tree, write_png

needs("pillow")
needs_package("dask", "distributed", "imagecodecs", "loky", "psutil", "simplejpeg", "tifffile")
pytestmark = pytest.mark.slow


@pytest.fixture
def src(tmp_path):
    folder = tmp_path / "src"
    for k in range(20):
        write_png(folder / "cats" / f"{k}.png", deep(k, (60, 80)))
        write_png(folder / "dogs" / f"{k}.png", gray(k))
    (folder / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return folder


def test_a_cluster_gives_the_same_bytes(src, tmp_path):
    """One of its two workers is killed in the middle."""
    from distributed import LocalCluster

    options = {"bits": 8, "value_range": "dtype"}
    convert(src, tmp_path / "here", workers=1, **options)
    settings = dask.config.set(
        {
            "distributed.scheduler.allowed-failures": 0,
            "distributed.comm.timeouts.connect": "1s",  # to fetch results from the dead worker
        }
    )
    with settings, LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0",
        silence_logs=50,
    ) as cluster:  # fmt: skip

        class Killer(Silence):
            def advance(self, images):
                workers = list_cluster_workers(cluster)
                if not killed and workers and list_images(tmp_path / "there"):
                    killed.append(workers[0])
                    workers[0].kill()

        killed = []
        done = convert(
            src, tmp_path / "there", scheduler=cluster.scheduler_address, watch=Killer(), **options
        )
    assert killed
    assert (done.converted, len(done.errors)) == (40, 1)
    assert read_tree(tmp_path / "there") == read_tree(tmp_path / "here")


def test_an_image_that_ends_its_worker_is_named(src, tmp_path):
    run = ConversionRun(src, tmp_path / "dst", Options(), 2, None, Silence())
    run.target = DeadlyTarget(tmp_path / "dst")
    done = run.run(is_dry_run=False)
    assert done.converted == 39
    reasons = dict(done.errors)
    assert sorted(reasons) == ["bad.png", "dogs/1.png"]
    assert "a worker process died twice" in reasons["dogs/1.png"]
    assert "dogs/1.png" not in list_images(tmp_path / "dst")
    assert not any(MARK in name for name in read_tree(tmp_path / "dst"))
    assert convert(src, tmp_path / "dst", workers=1).converted == 1
