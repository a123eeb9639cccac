"""`make faults`: fault injection into a whole station, and an independent checker of the results."""
