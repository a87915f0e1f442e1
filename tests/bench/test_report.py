"""What is written of a run: JSON, CSV, tables, sentences, drawings and a page."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from ..support import needs

needs("opencv", "pillow")

from graytorgb.bench import case as cases  # noqa: E402
from graytorgb.bench import matrix, report, run  # noqa: E402

from .small import SMALL  # noqa: E402

SCHEMA = json.loads(Path(cases.__file__).with_name("schema.json").read_text())


@pytest.fixture(scope="module")
def measured():
    made = report.Report.new()
    shapes, dtypes, layouts = [(1, 20, 30), (4, 20, 30)], ["uint8", "uint16"], ["NHW->NCHW"]
    names = ["repeat", "fill", "pillow", "broadcast"]
    for case in matrix.make_cases(shapes, dtypes, layouts, [1]):
        made.rows.extend(run.measure(case, names, budget=0.02, peaks=False))
    return made


class TestReport:
    def test_json_is_as_its_schema_says_and_comes_back(self, measured, tmp_path):
        path = tmp_path / "bench.json"
        measured.write_json(path)
        document = json.loads(path.read_text())
        jsonschema.validate(document, SCHEMA)
        assert set(SCHEMA["$defs"]["row"]["properties"]) == set(cases.Row._fields)
        assert document["machine"]["packages"]["numpy"] == np.__version__
        assert document["limit_gb_s"] > 0
        again = report.read_json(path)
        assert json.loads(json.dumps(again.document())) == document

    def test_csv_has_a_line_a_row(self, measured, tmp_path):
        path = tmp_path / "bench.csv"
        measured.write_csv(path)
        lines = path.read_text().splitlines()
        assert lines[0].split(",")[:3] == ["backend", "shape", "dtype"]
        assert len(lines) == 1 + len(measured.rows)
        assert ",4x20x30,uint16," in path.read_text()

    def test_rows_are_ranked_and_what_is_not_available_is_last(self, measured):
        for rows in measured.by_case().values():
            times = [row.fresh_s for row in rows if row.fresh_s is not None]
            assert times == sorted(times)
            assert all(row.available for row in rows[: len(times)])

    def row(self, backend, fresh, **options):
        values = {"gb_s": 1.5, "result_bytes": 7_200, "peak_bytes": 29_000_000} | options
        return cases.Row(backend, *SMALL, available=True, why="", fresh_s=fresh, **values)

    def test_the_sentence(self):
        rows = [
            self.row("repeat", 0.29),
            self.row("opencv", 0.1, gb_s=3.14),
            self.row("broadcast", 0.001, gb_s=None, result_bytes=0),
        ]
        assert report.summarize_case(rows) == (
            "opencv: 3.1 GB/s, 2.9x numpy repeat, needs 29 MB; broadcast if you only read"
        )
        assert report.summarize_case(rows[:1]) == "repeat: 1.5 GB/s, needs 29 MB"
        assert report.summarize_case([]) == "nothing was measured"

    def test_the_sentence_for_several_cases(self):
        made = report.Report([], {}, "")
        for n in (1, 2, 3):
            case = SMALL._replace(shape=(n, 20, 30))
            fast = "fill" if n == 2 else "opencv"
            made.rows.append(self.row(fast, 0.1)._replace(shape=case.shape))
            made.rows.append(self.row("repeat", 0.2)._replace(shape=case.shape))
        assert made.summary == "opencv: fastest in 2 of 3 cases (else fill)"

    def test_the_limit_is_the_largest_cases_whatever_the_order(self):
        def row(shape, dtype, limit):
            return cases.Row(
                "fill", shape, dtype, "NHW->NHWC", 1, available=True, why="", limit_gb_s=limit
            )

        large, small = row((64, 20, 30), "float64", 5.0), row((1, 20, 30), "uint8", 30.0)
        refused = row((99, 20, 30), "uint8", None)
        for rows in ([large, small, refused], [refused, small, large]):
            assert report.Report(rows, {}, "").limit_gb_s == 5.0
        assert report.Report([refused], {}, "").limit_gb_s is None

    def test_png(self, measured, tmp_path):
        from PIL import Image

        from graytorgb.bench.plot import write_picture

        write_picture(measured, tmp_path / "plot.png")
        with Image.open(tmp_path / "plot.png") as image:
            assert image.size[0] == 720
            assert len(image.convert("RGB").getcolors(1 << 24)) > 50  # lines, not an empty frame

    def test_a_page_of_its_own(self, measured, tmp_path):
        from graytorgb.bench.html import write_html

        write_html(measured, tmp_path / "report.html")
        page = (tmp_path / "report.html").read_text()
        assert "<script" not in page
        namespaces = page.replace("http://www.w3.org/", "")
        assert "http://" not in namespaces
        assert "https://" not in namespaces
        assert 'src="' not in page
        for row in measured.rows:
            shown = f'<th scope="row">{row.backend}' in page
            assert shown == any(r.fresh_s for r in measured.rows if r.backend == row.backend)
        assert "can&#39;t carry uint16" in page
        assert page.count("✓ fastest copy") == len(measured.by_case())
        assert "currentColor" in page  # the drawings follow the scheme

    def test_the_drawings(self, measured):
        """Bars for one size of the batch, lines over several; the winner has a mark in each."""
        from graytorgb.bench import plot

        one = measured._replace(
            rows=[row for row in measured.rows if row.shape[0] == 4 and row.dtype == "uint8"]
        )
        (bars,) = plot.draw_figure(one).axes
        best = report.find_fastest_copy(one.rows).backend
        labels = [label.get_text() for label in bars.get_yticklabels()]
        assert [label for label in labels if label.startswith("✓ ")] == [f"✓ {best}"]
        assert "broadcast" not in labels  # a view has no rate
        assert len(bars.patches) == 3
        lines, _ = plot.draw_figure(measured).axes
        names = [text.get_text() for text in lines.get_legend().get_texts()]
        assert sum(name.startswith("✓ ") for name in names) == 1
        styles = {(line.get_color(), line.get_marker()) for line in lines.get_lines()}
        assert len(styles) == len(lines.get_lines())
