"""From a part that was captured to its verdict: which one is judged next, and how."""
