"""Consolidates machine readings into one state an interval: the edge Lambda and its host."""
