"""Publish staged components, as `gdk component publish` does, on machines without gdk.

The bucket is `PREFIX-REGION-ACCOUNT`; the artifact goes to `NAME/VERSION/FILE` in it, and the recipe with
its URI becomes a component version. What is already published with the same content, by this tool or by
gdk, is skipped. Other content under an existing version is refused before anything is sent: a nucleus checks
downloads against the digest that the version was created with.

`python -m tools.stage.publish --all` prints the requests; `--send` sends them.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import BotoCoreError, ClientError

from sightline.command_output import run_command
from sightline.errors import RecipeError, RetryableError, SightlineError
from tools.fleet.fleet_client import FleetClient, connect_to_fleet
from tools.fleet.service_calls import create_client
from tools.stage import archive
from tools.stage.layout import SUITE
from tools.stage.published_content import is_same_artifact, is_same_recipe
from tools.stage.stageable_components import ROOT, find_components, list_components
from tools.stage.suite_version import fill_recipe_version, parse_recipe_version

Json = dict[str, Any]
Progress = Callable[[int], None]
DIGEST_KEY = "sightline-digest"  # in the metadata of the artifact's object
_URI_PLACEHOLDER = "s3://BUCKET_NAME/COMPONENT_NAME/COMPONENT_VERSION/"


class PublishError(RetryableError):
    """A component could not be published; names it and the service's answer."""


@dataclass(frozen=True)
class ComponentPublication:
    """One component, ready to publish."""

    arn: str
    name: str
    version: str
    bucket: str
    artifact: Path | None  # the whole suite has none
    recipe: str

    @property
    def account(self) -> str:
        """The account that owns the component, and the only one that may own the bucket."""
        return self.arn.split(":")[4]

    def find_place(self, artifact: Path) -> Json:
        """Where an artifact is stored; a bucket of another account is refused."""
        key = f"{self.name}/{self.version}/{artifact.name}"
        return {"Bucket": self.bucket, "Key": key, "ExpectedBucketOwner": self.account}

    def calculate_metadata(self, artifact: Path) -> dict[str, str]:
        """The object's metadata: the same for the same recipe and artifact."""
        digest = hashlib.sha256(self.recipe.encode())
        with artifact.open("rb") as content:
            while piece := content.read(1 << 20):
                digest.update(piece)
        return {DIGEST_KEY: digest.hexdigest()}

    @property
    def requests(self) -> list[tuple[str, Json]]:
        """The operations and requests, in order; the upload may take several."""
        create = ("CreateComponentVersion", {"inlineRecipe": self.recipe})
        if self.artifact is None:
            return [create]
        put = {**self.find_place(self.artifact), "Body": str(self.artifact)}
        put["Metadata"] = self.calculate_metadata(self.artifact)
        return [("PutObject", put), create]


def find_published_names(named: list[str] | None) -> list[str]:
    """The components to publish, all of them with None: also the whole suite, which comes last."""
    if named is None:
        return [*(part.name for part in list_components()), SUITE]
    aliases = (SUITE.lower(), "suite")
    parts = find_components([name for name in named if name.lower() not in aliases])
    suite = [SUITE] if any(name.lower() in aliases for name in named) else []
    return [*(part.name for part in parts), *suite]


def build_publication(folder: Path, arn: str, bucket: str, version: str) -> ComponentPublication:
    """Build the publication of a staged folder; the version must be a number."""
    recipe = (folder / archive.RECIPE).read_text(encoding="utf-8")
    artifacts: list[Path | None] = list((folder / archive.OUTPUT / "artifacts").rglob("*.zip"))
    if not archive.has_artifact(recipe):
        artifacts = [None]
    if len(artifacts) != 1:
        raise RecipeError(f"{folder}: not staged; run python -m tools.stage {folder.name}")
    own = fill_recipe_version(recipe, version, {})
    placed = own.replace(_URI_PLACEHOLDER, f"s3://{bucket}/{folder.name}/{version}/")
    return ComponentPublication(arn, folder.name, version, bucket, artifacts[0], placed)


def is_published(publication: ComponentPublication, s3: Any, greengrass: Any) -> bool:
    """Whether exactly this is published, by whichever tool; PublishError if it has other content."""
    name = f"{publication.name} {publication.version}"
    arn = f"{publication.arn}:versions:{publication.version}"
    try:
        answer = greengrass.get_component(arn=arn, recipeOutputFormat="YAML")
    except greengrass.exceptions.ResourceNotFoundException:
        return False
    except (ClientError, BotoCoreError) as error:
        raise PublishError(f"get_component of {arn}: {error}") from error
    try:
        same = _has_same_content(publication, answer["recipe"].decode(), s3)
    except (ClientError, BotoCoreError) as error:
        raise PublishError(
            f"{name} is published, but its artifact cannot be read: {error}"
        ) from error
    if not same:
        raise PublishError(
            f"{name} is already published with other content; publish under a new version"
        )
    return True


def _has_same_content(publication: ComponentPublication, published: str, s3: Any) -> bool:
    artifact = publication.artifact
    if artifact is not None:
        found = s3.head_object(**publication.find_place(artifact))
        digest = found["Metadata"].get(DIGEST_KEY)
        if digest is not None:  # this tool's own
            return bool(digest == publication.calculate_metadata(artifact)[DIGEST_KEY])
        if not is_same_artifact(artifact, found, published):
            return False
    return is_same_recipe(published, publication.recipe)


def send_publication(
    publication: ComponentPublication, s3: Any, greengrass: Any, progress: Progress
) -> str:
    """Upload the artifact, then create the component version; returns its ARN.

    `progress` gets the bytes of each piece that has gone out.
    """
    name = f"{publication.name} {parse_recipe_version(publication.recipe)}"
    try:
        if publication.artifact is not None:
            _upload(publication, publication.artifact, s3, progress)
        answer = greengrass.create_component_version(inlineRecipe=publication.recipe)
    except (ClientError, BotoCoreError, S3UploadFailedError) as error:
        raise PublishError(f"{name}: {error}") from error
    return str(answer["arn"])


def _upload(publication: ComponentPublication, artifact: Path, s3: Any, progress: Progress) -> None:
    place = publication.find_place(artifact)
    more = {"ExpectedBucketOwner": publication.account}
    metadata = publication.calculate_metadata(artifact)
    s3.upload_file(
        str(artifact),
        place["Bucket"],
        place["Key"],
        ExtraArgs={**more, "Metadata": metadata},
        Callback=progress,
    )


def create_bucket(s3: Any, bucket: str, region: str) -> None:
    """Create the bucket unless we already own it."""
    elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": region}}
    place = {} if region == "us-east-1" else elsewhere
    try:
        s3.create_bucket(Bucket=bucket, **place)
    except s3.exceptions.BucketAlreadyOwnedByYou:
        return
    except (ClientError, BotoCoreError) as error:
        raise PublishError(f"bucket {bucket}: {error}") from error


def main(arguments: list[str] | None = None) -> int:
    """Print or send the requests; exit code 1 if a component could not be published."""
    given = _arguments().parse_args(arguments)
    try:
        names = find_published_names(None if given.all else given.components)
        cloud = connect_to_fleet(given.region, given.account, None)
        ready = [_load_publication(given.target / name, cloud) for name in names]
        if given.send:
            _send_all(ready, cloud)
        else:
            _print_all(ready)
    except (SightlineError, OSError) as error:
        print(f"publish: {error}", file=sys.stderr)
        return 1
    return 0


def _load_publication(folder: Path, cloud: FleetClient) -> ComponentPublication:
    path = folder / archive.CONFIGURATION
    if not path.is_file():
        raise RecipeError(f"{folder}: not staged; run python -m tools.stage {folder.name}")
    ((name, component),) = json.loads(path.read_text())["component"].items()
    place, version = cloud.location, component["version"]
    arn = f"arn:{place.partition}:greengrass:{place.region}:{place.account}:components:{name}"
    if version == archive.NEXT_PATCH:
        raise RecipeError(f"{path}: {archive.REFUSED_NEXT_PATCH}")
    prefix = component["publish"]["bucket"]
    return build_publication(folder, arn, f"{prefix}-{place.region}-{place.account}", version)


def _send_all(ready: list[ComponentPublication], cloud: FleetClient) -> None:
    region = cloud.location.region
    s3, greengrass = create_client("s3", region, None), create_client("greengrassv2", region, None)
    for bucket in dict.fromkeys(publication.bucket for publication in ready):
        create_bucket(s3, bucket, region)
    there = {p.name for p in ready if is_published(p, s3, greengrass)}
    for number, publication in enumerate(ready, 1):
        label = f"[{number}/{len(ready)}] {publication.name} {publication.version}"
        if publication.name in there:
            print(f"{label} is already published with the same content")
        else:
            print(
                f"{label} -> "
                f"{send_publication(publication, s3, greengrass, _create_meter(label, publication))}"
            )


def _create_meter(label: str, publication: ComponentPublication) -> Progress:
    whole = publication.artifact.stat().st_size if publication.artifact else 0
    done = 0

    def progress(size: int) -> None:
        nonlocal done
        done += size
        if sys.stderr.isatty():
            end = "\n" if done >= whole else ""
            print(f"\r{label} {done / 2**20:.1f}/{whole / 2**20:.1f} MiB", end=end, file=sys.stderr)

    return progress


def _print_all(ready: list[ComponentPublication]) -> None:
    for publication in ready:
        for operation, request in publication.requests:
            print(json.dumps({"operation": operation, "request": request}, ensure_ascii=False))
    print("Dry run: nothing was sent. Add --send to apply.", file=sys.stderr)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.stage.publish",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "components",
        nargs="*",
        help="components, such as capture, model.Cap or com.sightline.Capture",
    )
    parser.add_argument(
        "--all", action="store_true", help="publish every component that has a recipe"
    )
    parser.add_argument("--region", help="AWS region (default: AWS_DEFAULT_REGION)")
    parser.add_argument("--account", help="AWS account (default: that of the credentials)")
    parser.add_argument(
        "--target",
        type=Path,
        default=ROOT / "build",
        help="folder of staged components (default: build/)",
    )
    parser.add_argument("--send", action="store_true", help="apply the changes (default: dry run)")
    return parser


if __name__ == "__main__":
    sys.exit(run_command(main))
