"""Draws marks on the metal: defects with their boxes, and harmless look-alikes."""

import math

import cv2
import numpy as np

from hil.plant.bottles.severity import NOISE_GREY_LEVELS, SeverityBand
from hil.plant.bottles.shape import FloatImage, defect_area, position_across

Box = tuple[int, int, int, int]  # x, y, width, height in patch pixels


def _draw_contrast(band: SeverityBand, random: np.random.Generator) -> float:
    return float(random.uniform(*band.contrast_to_noise)) * NOISE_GREY_LEVELS


def _draw_stroke(
    shape: tuple[int, int], points: np.ndarray, width_px: float, tapered: bool
) -> FloatImage:
    """A polyline of a given width as a soft mask, 0..1."""
    scale = 8
    mask = np.zeros(shape, np.uint8)
    thickness = max(1, round(width_px))
    fixed = np.round(points * scale).astype(np.int32).reshape(-1, 1, 2)
    cv2.polylines(mask, [fixed], False, 255, thickness, cv2.LINE_AA, 3)
    soft = cv2.GaussianBlur(mask, (0, 0), 0.6 if not tapered else 1.2)
    return np.asarray(soft / 255.0, dtype=np.float32)


def add_scratch(body: FloatImage, band: SeverityBand, random: np.random.Generator) -> Box:
    """Cut a scratch into the body, in place: a dark groove with a bright burr; returns its box."""
    left, top, right, bottom = defect_area()
    length = random.uniform(60, 170)
    slant = random.uniform(0.25, math.pi - 0.25)
    step = np.array([math.cos(slant), math.sin(slant)])
    steps = np.linspace(-0.5, 0.5, 9)
    bend = random.uniform(-0.12, 0.12) * length
    points = steps[:, None] * step * length + (steps**2)[:, None] * bend * np.array(
        [-step[1], step[0]]
    )
    half = np.abs(points).max(axis=0)
    centre = [
        random.uniform(left + half[0], max(left + half[0] + 1, right - half[0])),
        random.uniform(top + half[1], max(top + half[1] + 1, bottom - half[1])),
    ]
    points = points + np.array(centre)
    width = random.uniform(*band.size_px)
    groove = _draw_stroke(body.shape, points, width, tapered=False)
    burr = _draw_stroke(
        body.shape, points + np.array([width * 0.8, -width * 0.4]), max(1.0, width / 2), False
    )
    contrast = _draw_contrast(band, random)
    body -= groove * contrast
    body += burr * contrast * 0.55
    return _find_box(np.maximum(groove, burr * 0.5))


def add_dent(body: FloatImage, band: SeverityBand, random: np.random.Generator) -> Box:
    """Press a dent into the body, in place: dark on one side, bright on the other; returns its box."""
    left, top, right, bottom = defect_area()
    diameter = random.uniform(*band.size_px)
    radius_x, radius_y = (
        diameter / 2 * random.uniform(0.8, 1.0),
        diameter / 2 * random.uniform(0.9, 1.25),
    )
    x = random.uniform(left + radius_x, right - radius_x)
    y = random.uniform(top + radius_y, bottom - radius_y)
    rows, columns = np.mgrid[0 : body.shape[0], 0 : body.shape[1]].astype(np.float32)
    u, v = (columns - x) / radius_x, (rows - y) / radius_y
    distance = np.sqrt(u * u + v * v)
    bowl = np.exp(-((distance / 0.72) ** 4))
    tilt = random.uniform(0, 2 * math.pi)
    slope = (u * math.cos(tilt) + v * math.sin(tilt)) * 1.6
    contrast = _draw_contrast(band, random)
    body += (slope - 0.35) * bowl * contrast
    ring = np.exp(-(((distance - 0.95) / 0.10) ** 2))
    body += ring * contrast * 0.5
    return (round(x - radius_x), round(y - radius_y), round(2 * radius_x), round(2 * radius_y))


def add_glare(body: FloatImage, random: np.random.Generator) -> None:
    """A broad soft streak of light along the bottle: no defect."""
    place, width = random.uniform(-0.6, 0.6), random.uniform(0.05, 0.12)
    streak = np.exp(-(((position_across() - place) / width) ** 2)) * random.uniform(25, 60)
    fade = np.linspace(random.uniform(0.2, 1), random.uniform(0.2, 1), body.shape[0])
    body += (streak * fade[:, None]).astype(np.float32)


def add_drops(body: FloatImage, random: np.random.Generator) -> None:
    """Water drops: small round lenses with a bright spot and a dark rim: no defect."""
    left, top, right, bottom = defect_area()
    for _ in range(int(random.integers(3, 10))):
        x, y = random.uniform(left, right), random.uniform(top, bottom)
        radius = random.uniform(3.5, 8.0)
        reach = int(radius * 1.5) + 2
        y0, x0 = int(y) - reach, int(x) - reach
        patch = body[y0 : int(y) + reach, x0 : int(x) + reach]
        rows, columns = np.mgrid[0 : patch.shape[0], 0 : patch.shape[1]].astype(np.float32)
        u, v = (columns - (x - x0)) / radius, (rows - (y - y0)) / radius
        distance = np.sqrt(u * u + v * v)
        patch -= 22 * np.exp(-(((distance - 0.95) / 0.16) ** 2))
        patch += 48 * np.exp(-(((u + 0.35) ** 2 + (v + 0.35) ** 2) / 0.06))
        patch += 10 * (distance < 0.85) * (0.4 + v)


def add_seam(body: FloatImage, random: np.random.Generator) -> None:
    """The straight seam of the can along its whole length: no defect."""
    place = random.uniform(-0.65, 0.65)
    line = np.exp(-(((position_across() - place) / 0.012) ** 2)) * random.uniform(10, 22)
    start = int(body.shape[0] * 0.34)
    body[start:] -= line[start:].astype(np.float32)


def _find_box(mask: FloatImage) -> Box:
    x, y, width, height = cv2.boundingRect((mask > 0.35).astype(np.uint8))
    return (int(x), int(y), int(width), int(height))
