"""Talks to the PLC: triggers in, verdicts to the gate, outcomes and machine readings out."""
