"""Which backend to choose: time in rounds, memory in fresh processes, and reports of both."""

from .case import Case, Row
from .recommendation import Recommendation, recommend
from .report import Report
from .run import measure, measure_cases

__all__ = ["Case", "Recommendation", "Report", "Row", "measure", "measure_cases", "recommend"]
