"""How Hypothesis draws: the same examples on every machine, and a failure is told as it was found.

Shrinking runs a failing example hundreds of times, which took minutes for each red test and told little more than the
first seed did.  To have an example shrunk, name the test and add ``--hypothesis-profile=shrink``.
"""
from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings

settings.register_profile("plain", deadline=None, derandomize=True, database=None, report_multiple_bugs=False,
                          phases=(Phase.explicit, Phase.generate), suppress_health_check=list(HealthCheck))
settings.register_profile("shrink", settings.get_profile("plain"),
                          phases=(Phase.explicit, Phase.generate, Phase.shrink))
settings.load_profile("plain")
