"""Settings for all tests."""

import os

from hypothesis import HealthCheck, settings

# Compiled backends make the first example of a test slow, so no example has a deadline.
settings.register_profile(
    "default", max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("ci", settings.get_profile("default"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")
