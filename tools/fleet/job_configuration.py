"""The IoT job behind a group's deployment: pace, when it is aborted, and how long a station may take."""

from typing import Any

from tools.fleet.deployment_file import RolloutSettings

Json = dict[str, Any]
MIN_INCREMENT_FACTOR = 1.1  # of AWS IoT; below it the rate is constant
MIN_THRESHOLD_PERCENT = 0.01  # two digits after the point: any failure at all


def build_job_configuration(rollout: RolloutSettings, canary: bool) -> Json:
    """The iotJobConfiguration of CreateDeployment; among canaries one failure aborts the job."""
    threshold = max(MIN_THRESHOLD_PERCENT, round(rollout.stop_at_failed_share * 100, 2))
    return {
        "jobExecutionsRolloutConfig": _build_rate(rollout),
        "abortConfig": {
            "criteriaList": [
                {
                    "failureType": "ALL",
                    "action": "CANCEL",
                    "thresholdPercentage": MIN_THRESHOLD_PERCENT if canary else threshold,
                    "minNumberOfExecutedThings": 1 if canary else rollout.stop_after_stations,
                }
            ]
        },
        "timeoutConfig": {"inProgressTimeoutInMinutes": rollout.station_timeout_minutes},
    }


def _build_rate(rollout: RolloutSettings) -> Json:
    base = min(rollout.stations_per_minute, rollout.max_per_minute)
    if rollout.growth_factor < MIN_INCREMENT_FACTOR:
        return {"maximumPerMinute": base}
    return {
        "exponentialRate": {
            "baseRatePerMinute": base,
            "incrementFactor": round(rollout.growth_factor, 1),  # one digit after the point
            "rateIncreaseCriteria": {"numberOfSucceededThings": base},
        },
        "maximumPerMinute": rollout.max_per_minute,
    }
