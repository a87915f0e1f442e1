"""Records and audits that are made up, to test what is done with them."""

from hashlib import sha256

import numpy as np

from graytorgb.datasets.audit_findings import list_findings
from graytorgb.datasets.audit_record import start_record
from graytorgb.datasets.audit_result import Audit
from graytorgb.datasets.audit_spool import Spool, make_row
from graytorgb.datasets.audit_totals import Totals
from graytorgb.datasets.items import Item
from graytorgb.inspection.counting import Counts

LOSSLESS = {"levels_before": 5, "levels_after": 5, "white": 0.0, "bits_after": 8}
LOADERS = ("pillow", "opencv", "torchvision", "torchcodec", "tensorflow", "keras")


def count(array):
    """Return the exact histogram of an array, as `find_values` gives it."""
    values = array.astype(np.int64)
    return Counts(int(values.min()), np.bincount((values - values.min()).ravel()).astype(np.uint64))


def make_record(path, array, **fields):
    """Return a record of a gray array whose file states nothing but its depth, with its counts."""
    is_float = array.dtype.kind == "f"
    bits = None if is_float else 8 * array.dtype.itemsize
    finite = array[np.isfinite(array)]
    lo, hi = (finite.min().item(), finite.max().item()) if finite.size else (None, None)
    step = None if is_float else int(np.gcd.reduce(array.astype(np.int64).ravel())) or 1
    record = start_record(path, array.nbytes)
    record |= {
        "digest": sha256(array.tobytes()).hexdigest()[:32], "format": "PNG",
        "mode": f"gray, {bits} bits",
        "color_type": "gray", "shape": list(array.shape), "layout": "HW", "dtype": array.dtype.name,
        "frames": 1, "bits": bits, "effective_bits": None if is_float else max(1, hi.bit_length()),
        "step": step, "levels": len(np.unique(finite)), "min": lo, "max": hi,
        "not_finite": array.size - finite.size, "color": "gray", "alpha": "none",
        "value_range": None if is_float else [0, 2**bits - 1], "range_source": "its depth",
        "depth_only": not is_float, "inverted": False, "orientation": 1, "icc": False,
        "constant": lo == hi, "wasted_bytes": 0,
        "losses": dict.fromkeys(LOADERS, LOSSLESS),
    } | fields  # fmt: skip
    record["findings"] = list_findings(record)
    is_counted = array.dtype.kind in "bui" and array.dtype.itemsize <= 2 and array.size
    return record, count(array) if is_counted else None


def make_broken(path, error="truncated"):
    record = start_record(path, 100)
    record["error"] = error
    record["findings"] = list_findings(record)
    return record, None


def make_audit(*made, skipped=(), order=None, batches=1, items=None, **options):
    """Return an audit of records with their counts; `order` is the order in which they come.

    `items` are what reads the images again; without them nothing can.
    """
    spool, totals = Spool(), Totals()
    order = range(len(made)) if order is None else order
    for batch in np.array_split(np.array(order, int), batches):
        part = Totals()
        for position in batch.tolist():
            record, counts = made[position]
            part.add(record, counts)
            item = Item(record["path"], "/nowhere") if items is None else items[position]
            spool.add([make_row(position, item, record)], [])
        totals.merge(part)
    spool.add([], skipped)
    spool.finish()
    return Audit("scans", ["scans"], spool, totals, **{"quick": False} | options)
