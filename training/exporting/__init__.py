"""Precisions and golden frames of exported models."""
