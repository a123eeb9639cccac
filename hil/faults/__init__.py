"""`make faults`: a whole station with faults from the outside, and a checker that knows nothing of it."""
