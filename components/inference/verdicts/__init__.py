"""From predictions to a committed verdict: rules, thresholds, challenges, scales."""
