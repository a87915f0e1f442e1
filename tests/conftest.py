"""pytest's settings for every test."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "graytorgb", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("graytorgb")


def pytest_terminal_summary(terminalreporter):
    """Report the figures that tests recorded."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{report.nodeid}: {name} = {value:.3g}")
