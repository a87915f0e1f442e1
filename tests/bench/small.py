"""A case that is quick to measure."""

from graytorgb.bench.case import Case

SMALL = Case((4, 20, 30), "uint8", "NHW->NHWC", 2)
