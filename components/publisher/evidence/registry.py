"""The kinds of evidence stores: the configuration's kind to class."""

from collections.abc import Callable
from pathlib import Path

from publisher.configuration import EvidenceConfiguration
from publisher.evidence.folder import FolderStore
from publisher.evidence.s3 import S3Store
from publisher.evidence.store import EvidenceStore

DAY_S = 86_400


def _folder_store(
    configuration: EvidenceConfiguration, work_folder: Path, keep_bytes: int
) -> EvidenceStore:
    folder = (work_folder / configuration.folder).resolve()
    return FolderStore(folder, keep_bytes, configuration.greatest_age_days * DAY_S)


def _s3_store(
    configuration: EvidenceConfiguration, work_folder: Path, keep_bytes: int
) -> EvidenceStore:
    return S3Store(configuration.s3)


STORES: dict[str, Callable[[EvidenceConfiguration, Path, int], EvidenceStore]] = {
    "folder": _folder_store,
    "s3": _s3_store,
}


def open_store(
    configuration: EvidenceConfiguration, work_folder: Path, keep_bytes: int
) -> EvidenceStore:
    """The store of the configured kind; touches no disk and no network yet."""
    return STORES[configuration.kind](configuration, work_folder, keep_bytes)
