"""Run a model on pictures: `python -m training.predict MODEL --data DIR|s3://BUCKET/PREFIX`.

Writes the predictions as JSON, and copies of the pictures with the boxes drawn in, to
`predictions/MODEL/` below the data, or to --out. Run the same command again to resume an interrupted run;
pictures that have changed are predicted again.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from sightline.command_output import run_command
from sightline.errors import ModelError, SightlineError
from training.datasets.data_folder import PREDICTIONS_FOLDER
from training.datasets.reading_summary import format_notes
from training.datasets.storage import S3_SCHEME, Storage, open_storage
from training.evaluation.model_archive import find_model_folder
from training.evaluation.predictors import open_predictor
from training.jobs.prediction_run import RESULTS_FILE, predict_storage
from training.jobs.sagemaker_environment import find_job_data, find_job_model, find_job_output

BAR_INTERVAL_S = 2.0


class PredictionProgress:
    """Progress on standard error: pictures done, pictures a second, time left."""

    def __init__(self) -> None:
        self._started = self._shown = time.monotonic()
        self._before: int | None = None

    def update(self, done: int, of: int) -> None:
        """Set how many are done; shows a line every few seconds and at the end."""
        now = time.monotonic()
        if self._before is None:
            self._before = done
            sys.stderr.write(f"  {of} pictures, {done} of them done before\n")
        elif done == of or now - self._shown > BAR_INTERVAL_S:
            self._shown = now
            pace = (done - self._before) / max(1e-9, now - self._started)
            left_s = (of - done) / max(1e-9, pace)
            filled = round(24 * done / of)
            bar = "#" * filled + "." * (24 - filled)
            sys.stderr.write(f"  [{bar}] {done} of {of}, {pace:.1f}/s, {left_s:.0f} s left\n")


def open_results_storage(data: str, out: str, model: str) -> Storage:
    """The storage for the results: --out, or a folder below the data."""
    storage = open_storage(out or f"{data.rstrip('/')}/{PREDICTIONS_FOLDER}/{model}")
    if not storage.address.startswith(S3_SCHEME):
        Path(storage.address).mkdir(parents=True, exist_ok=True)
    return storage


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns 0 if every picture could be read."""
    parser = argparse.ArgumentParser(
        prog="python -m training.predict",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("model", nargs="?", default=find_job_model(), help="model folder, or model.tar.gz")
    add("--data", default=find_job_data(), help="folder or s3://BUCKET/PREFIX of pictures")
    add(
        "--out",
        default=find_job_output(),
        help="folder or s3://BUCKET/PREFIX for the results (default: below DATA)",
    )
    add(
        "--again",
        action="store_true",
        help="predict all pictures, not only those without a prediction",
    )
    args = parser.parse_args(arguments)
    if not args.model or not args.data:
        parser.error("MODEL and --data are required, except in a SageMaker job")
    try:
        predictor = open_predictor(find_model_folder(Path(args.model)))
        out = open_results_storage(args.data, args.out, predictor.name)
        results = predict_storage(
            predictor, open_storage(args.data), out, args.again, PredictionProgress().update
        )
    except SightlineError as error:
        hint = "" if isinstance(error, ModelError) else "; run the same command again to continue"
        sys.stderr.write(f"{error}{hint}\n")
        return 1
    sys.stdout.write(
        f"{out.address}/{RESULTS_FILE}: {len(results['pictures'])} pictures, "
        f"{results['anomalies']} anomalies, {results['failed']} could not be read\n"
    )
    sys.stderr.write(format_notes(results["left_out"]))
    return 1 if results["failed"] else 0


if __name__ == "__main__":
    sys.exit(run_command(main))
