"""datasets.audit on a dask cluster: the same bytes as here."""

import pytest

from graytorgb.datasets import audit

from .test_audit import write_mess
from .test_execution_cluster import cluster  # noqa: F401  # a fixture


@pytest.mark.slow
def test_a_cluster_gives_the_same_audit(cluster, tmp_path):  # noqa: F811
    (tmp_path / "mess").mkdir()
    folder = write_mess(tmp_path / "mess")
    for name, options in {"there": {"scheduler": cluster.scheduler_address}, "here": {}}.items():
        with audit(folder, workers=None if options else 1, **options) as found:
            found.write_json(tmp_path / f"{name}.json")
    assert (tmp_path / "there.json").read_bytes() == (tmp_path / "here.json").read_bytes()
