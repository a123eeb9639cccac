"""Add an exported model to this repository: `python -m tools.add_model DIR --product FILE --write`.

Copies the model into components/models and the product into components/products, writes their recipes,
and a deployment recipes/deployments/PRODUCT.yaml that runs them: `make run DEPLOYMENT=PRODUCT`. Give it the
next export of the model in the same way: the versions rise where something changed.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from sightline.errors import SightlineError
from tools.add_model.added_files import AddedFiles
from tools.add_model.additions import load_given_model, plan_additions

ROOT = Path(__file__).resolve().parents[2]
MAX_CAMERAS = 8


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Exit code 1 if something is refused; nothing is written then."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.name is not None and len(given.models) > 1:
        parser.error("--name: found several models; with --name one is allowed")
    if not 1 <= given.cameras <= MAX_CAMERAS:
        parser.error(f"--cameras: found {given.cameras}; 1 to {MAX_CAMERAS} are allowed")
    cameras = [f"cam{number}" for number in range(1, given.cameras + 1)]
    try:
        models = [load_given_model(folder, given.name) for folder in given.models]
        added = plan_additions(root, models, given.product, cameras)
        if given.write:
            _describe(added, root)
            added.write()
        else:
            _describe(added, root, with_text=True)
    except (SightlineError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(
        f"Written. Next: make run DEPLOYMENT={_find_product(added)} IMAGES=DIR\n"
        if given.write
        else "Dry run: nothing was written. Add --write to write it.\n"
    )
    return 0


def _describe(added: AddedFiles, root: Path, with_text: bool = False) -> None:
    for change in added.changes:
        print(f"{change.state:8}{change.path.relative_to(root)}")
        if with_text and change.state != "same" and change.text is not None:
            print("".join(f"        | {line}\n" for line in change.text.splitlines()), end="")
    for note in added.notes:
        print(f"by hand  {note}")


def _find_product(added: AddedFiles) -> str:
    (folder,) = (c.path.parent.name for c in added.changes if c.path.name == "product.json")
    return folder


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.add_model",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "models",
        nargs="+",
        type=Path,
        metavar="DIR",
        help="folder that training.export has written",
    )
    parser.add_argument(
        "--product",
        required=True,
        metavar="FILE",
        help="the product's file (docs/products.md), or a name: the product of that name in "
        "components/products, else one is drafted in which each label of the model is a defect",
    )
    parser.add_argument("--name", help="the model's name here (default: that of its plan)")
    parser.add_argument(
        "--cameras",
        type=int,
        default=1,
        metavar="N",
        help="number of cameras of a new deployment, 1 to 8 (default: 1, so that a picture is a part)",
    )
    parser.add_argument(
        "--write", action="store_true", help="write the files (default: show what would be written)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
