"""Writes the calibration target as SVG in mm: `python -m tools.calibration_target TARGET.svg`.

Print it at 100 %, glue it on something flat, and check the 50 mm line below it with a ruler.
"""

import argparse
from pathlib import Path

from sightline.calibration_target import COLUMNS, DEFAULT_SQUARE_MM, ROWS, Target, svg_of


def main() -> None:
    """Write the file and say how large the target is."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.calibration_target", description=__doc__.splitlines()[0]
    )
    parser.add_argument("file", type=Path, help="where to write the SVG")
    parser.add_argument(
        "--square-mm",
        type=_target,
        default=Target(),
        metavar="MM",
        dest="target",
        help=f"the size of a square ({DEFAULT_SQUARE_MM:g}); the target has {COLUMNS} x {ROWS}",
    )
    arguments = parser.parse_args()
    arguments.file.write_text(svg_of(arguments.target), encoding="utf-8")
    width, height = arguments.target.size_mm
    print(f"{arguments.file}: {COLUMNS} x {ROWS} squares, {width:g} x {height:g} mm")


def _target(text: str) -> Target:
    try:
        return Target(float(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


if __name__ == "__main__":
    main()
