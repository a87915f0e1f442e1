"""Settings of hypothesis and pytest for all tests in this folder."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "graytorgb",
    deadline=None,
    max_examples=60,
    derandomize=True,  # each run tries the same examples
    suppress_health_check=[HealthCheck.too_slow],
)
# ``pytest --hypothesis-profile explore`` tries others each time, and more of them.
settings.register_profile(
    "explore", settings.get_profile("graytorgb"), derandomize=False, max_examples=1000
)
settings.load_profile("graytorgb")


def pytest_collection_modifyitems(items):
    """Run the longest suites first, so that they don't keep one worker busy at the end."""
    items.sort(key=lambda item: item.path.name != "test_isolated.py")


def pytest_terminal_summary(terminalreporter):
    """Print the figures that tests recorded as properties."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{report.nodeid}: {name} = {value:.3g}")
