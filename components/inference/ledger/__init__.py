"""The verdict ledger: verdicts and notes on disk, the sequence of parts, replay."""
