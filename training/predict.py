"""`python -m training.predict MODEL --data DIR|s3://BUCKET/PREFIX`: answers to pictures without labels.

Copies with boxes drawn in and the answers as JSON are written back to the same place, below `predictions/`
and the model's name, or to --out. A run that was killed goes on where it was; pictures that changed since
are answered anew.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from sightline.errors import ModelError, SightlineError
from training.datasets.storage import S3_SCHEME, Storage, open_storage
from training.evaluation.model_archive import find_model_folder
from training.evaluation.predictors import open_predictor
from training.jobs.prediction_run import PREDICTIONS_FOLDER, RESULTS_FILE, predict_storage
from training.jobs.sagemaker_environment import find_job_data, find_job_model, find_job_output

BAR_INTERVAL_S = 2.0


class PredictionProgress:
    """Pictures done, pace and time left, on standard error."""

    def __init__(self) -> None:
        self._started = self._shown = time.monotonic()
        self._before: int | None = None

    def update(self, done: int, of: int) -> None:
        """So many are done; shown now and then, and at the end."""
        now = time.monotonic()
        if self._before is None:
            self._before = done
            sys.stderr.write(f"  {of} pictures, {done} of them answered before\n")
        elif done == of or now - self._shown > BAR_INTERVAL_S:
            self._shown = now
            pace = (done - self._before) / max(1e-9, now - self._started)
            left_s = (of - done) / max(1e-9, pace)
            filled = round(24 * done / of)
            bar = "#" * filled + "." * (24 - filled)
            sys.stderr.write(
                f"  [{bar}] {done} of {of}, {pace:.1f} a second, {left_s:.0f} s left\n"
            )


def open_results_storage(data: str, out: str, model: str) -> Storage:
    """Where the results go: --out, else below the data."""
    place = open_storage(out or f"{data.rstrip('/')}/{PREDICTIONS_FOLDER}/{model}")
    if not place.address.startswith(S3_SCHEME):
        Path(place.address).mkdir(parents=True, exist_ok=True)
    return place


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line: 0 if every picture was answered."""
    parser = argparse.ArgumentParser(
        prog="python -m training.predict",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("model", nargs="?", default=find_job_model(), help="folder, or model.tar.gz")
    add("--data", default=find_job_data(), help="folder or s3:// of pictures")
    add("--out", default=find_job_output(), help="folder or s3://, instead of the same place")
    add("--again", action="store_true", help="answer all pictures, not only those without answer")
    given = parser.parse_args(arguments)
    if not given.model or not given.data:
        parser.error("MODEL and --data are needed, unless a SageMaker job's environment names them")
    try:
        predictor = open_predictor(find_model_folder(Path(given.model)))
        out = open_results_storage(given.data, given.out, predictor.name)
        results = predict_storage(
            predictor, open_storage(given.data), out, given.again, PredictionProgress().update
        )
    except SightlineError as error:
        hint = "" if isinstance(error, ModelError) else "; the same command goes on from here"
        sys.stderr.write(f"{error}{hint}\n")
        return 1
    sys.stdout.write(
        f"{out.address}/{RESULTS_FILE}: {len(results['pictures'])} pictures, "
        f"{results['anomalies']} anomalies, {results['failed']} could not be read\n"
    )
    return 1 if results["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
