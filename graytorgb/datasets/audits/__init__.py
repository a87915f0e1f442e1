"""The parts of an audit: records, findings, ranges, advice and reports."""
