"""Write the calibration target as an SVG file: `python -m tools.print_calibration_target TARGET.svg`.

Print it at 100 %, glue it onto a flat plate, and check the 50 mm line below it with a ruler.
"""

import argparse
from pathlib import Path

from sightline.imaging.calibration_target import (
    COLUMNS,
    DEFAULT_SQUARE_MM,
    ROWS,
    CalibrationTarget,
    build_target_svg,
)


def main() -> None:
    """Write the file and print the target's size."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.print_calibration_target", description=__doc__.splitlines()[0]
    )
    parser.add_argument("file", type=Path, help="SVG file to write")
    parser.add_argument(
        "--square-mm",
        type=_parse_target,
        default=CalibrationTarget(),
        metavar="MM",
        dest="target",
        help=f"side of one of the {COLUMNS} x {ROWS} squares in mm (default: {DEFAULT_SQUARE_MM:g})",
    )
    arguments = parser.parse_args()
    arguments.file.write_text(build_target_svg(arguments.target), encoding="utf-8")
    width, height = arguments.target.size_mm
    print(f"{arguments.file}: {COLUMNS} x {ROWS} squares, {width:g} x {height:g} mm")


def _parse_target(text: str) -> CalibrationTarget:
    try:
        return CalibrationTarget(float(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


if __name__ == "__main__":
    main()
