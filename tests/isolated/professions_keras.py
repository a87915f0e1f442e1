"""The recipe for folders in Keras, beside TensorFlow."""

from functools import partial

from click.testing import CliRunner

from examples.professions import folders_in_keras
from graytorgb.datasets import audit

from ..examples.recipe_pages import assert_shown


def test_the_page_shows_what_the_script_prints(monkeypatch):
    monkeypatch.setattr(folders_in_keras, "audit", partial(audit, workers=1))
    result = CliRunner().invoke(folders_in_keras.main, ["--quick"], catch_exceptions=False)
    assert_shown("folders_in_keras", result.output)
