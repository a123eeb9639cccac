"""Joins each part's facts into one record, keeps it, and hands it to the cloud exactly once."""
