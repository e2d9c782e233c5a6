"""What can go wrong before, beside and after a scenario.

ScenarioError
└── UsageError       a name, a parameter or a value that does not exist
"""

from __future__ import annotations

from labsfu.errors import LabsfuError


class ScenarioError(LabsfuError):
    """Everything the scenarios raise on purpose."""


class UsageError(ScenarioError):
    """What was asked for does not exist."""
