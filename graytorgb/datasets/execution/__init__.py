"""Batches of items run in worker processes, on this machine or on a dask cluster."""
