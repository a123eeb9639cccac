"""Publish staged components, as `gdk component publish` does, on machines without gdk.

The bucket is `PREFIX-REGION-ACCOUNT`; the artifact goes to `NAME/VERSION/FILE` in it, and the recipe with
its URI becomes a component version. NEXT_PATCH is the greatest version in the account with its patch
raised by one, or the version of the sources where there is none. A component that is already published is
skipped. Other content under an existing version is refused before anything is sent: a nucleus checks
downloads against the digest that the version was created with.

`python -m tools.stage.publish --all` prints the requests; `--send` sends them.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Sequence
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
    artifact: Path
    recipe: str

    @property
    def key(self) -> str:
        """The artifact's key in the bucket."""
        return f"{self.name}/{self.version}/{self.artifact.name}"

    @property
    def metadata(self) -> dict[str, str]:
        """The object's metadata: the same for the same recipe and artifact."""
        digest = hashlib.sha256(self.recipe.encode())
        with self.artifact.open("rb") as content:
            while piece := content.read(1 << 20):
                digest.update(piece)
        return {DIGEST_KEY: digest.hexdigest()}

    @property
    def requests(self) -> list[tuple[str, Json]]:
        """The operations and requests, in order; the upload may take several."""
        put: Json = {"Bucket": self.bucket, "Key": self.key, "Body": str(self.artifact)}
        put["Metadata"] = self.metadata
        create = {"inlineRecipe": self.recipe}
        return [("PutObject", put), ("CreateComponentVersion", create)]


def build_publication(folder: Path, arn: str, bucket: str, version: str) -> ComponentPublication:
    """Build the publication of a staged folder; the version must be a number."""
    artifacts = list((folder / archive.OUTPUT / "artifacts").rglob("*.zip"))
    if len(artifacts) != 1:
        raise RecipeError(f"{folder}: not staged; run python -m tools.stage {folder.name}")
    recipe = (folder / archive.RECIPE).read_text(encoding="utf-8")
    own = fill_recipe_version(recipe, version, {})
    placed = own.replace(_URI_PLACEHOLDER, f"s3://{bucket}/{folder.name}/{version}/")
    return ComponentPublication(arn, folder.name, version, bucket, artifacts[0], placed)


def list_versions(greengrass: Any, arn: str) -> list[str]:
    """A component's versions in the account."""
    try:
        pages = greengrass.get_paginator("list_component_versions").paginate(arn=arn)
        return [entry["componentVersion"] for page in pages for entry in page["componentVersions"]]
    except greengrass.exceptions.ResourceNotFoundException:
        return []
    except (ClientError, BotoCoreError) as error:
        raise PublishError(f"list_component_versions of {arn}: {error}") from error


def next_patch(found: Sequence[str], otherwise: str) -> str:
    """The version after the highest one found."""
    if not found:
        return otherwise
    major, minor, patch = max(_parse_numbers(version) for version in found)
    return f"{major}.{minor}.{patch + 1}"


def is_published(publication: ComponentPublication, s3: Any, greengrass: Any) -> bool:
    """Whether exactly this is published; PublishError if the version has other content."""
    if publication.version not in list_versions(greengrass, publication.arn):
        return False
    name = f"{publication.name} {publication.version}"
    try:
        found = s3.head_object(Bucket=publication.bucket, Key=publication.key)
    except (ClientError, BotoCoreError) as error:
        raise PublishError(
            f"{name} is published, but its artifact cannot be read: {error}"
        ) from error
    if found["Metadata"].get(DIGEST_KEY) != publication.metadata[DIGEST_KEY]:
        raise PublishError(
            f"{name} is already published with other content; publish under a new version"
        )
    return True


def send_publication(
    publication: ComponentPublication, s3: Any, greengrass: Any, progress: Progress
) -> str:
    """Upload the artifact, then create the component version; returns its ARN.

    `progress` gets the bytes of each piece that has gone out.
    """
    name = f"{publication.name} {parse_recipe_version(publication.recipe)}"
    try:
        s3.upload_file(
            str(publication.artifact),
            publication.bucket,
            publication.key,
            ExtraArgs={"Metadata": publication.metadata},
            Callback=progress,
        )
        answer = greengrass.create_component_version(inlineRecipe=publication.recipe)
    except (ClientError, BotoCoreError, S3UploadFailedError) as error:
        raise PublishError(f"{name}: {error}") from error
    return str(answer["arn"])


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


def _parse_numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("-")[0].split("."))


def main(arguments: list[str] | None = None) -> int:
    """Print or send the requests; exit code 1 if a component could not be published."""
    given = _arguments().parse_args(arguments)
    try:
        parts = list_components() if given.all else find_components(given.components)
        cloud = connect_to_fleet(given.region, given.account, None)
        ready = [_load_publication(given.target / part.name, cloud) for part in parts]
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
        sources = parse_recipe_version((folder / archive.RECIPE).read_text(encoding="utf-8"))
        client = create_client("greengrassv2", place.region, None)
        version = next_patch(list_versions(client, arn), sources)
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
            print(f"{label} is already published")
        else:
            print(
                f"{label} -> "
                f"{send_publication(publication, s3, greengrass, _create_meter(label, publication))}"
            )


def _create_meter(label: str, publication: ComponentPublication) -> Progress:
    whole, done = publication.artifact.stat().st_size, 0

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
