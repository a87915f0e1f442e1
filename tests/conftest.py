"""pytest's settings for every test."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "graytorgb", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("graytorgb")
