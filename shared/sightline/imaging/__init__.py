"""The frame ring, pixel formats and calibration."""
