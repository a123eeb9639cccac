"""The kinds of evidence stores: the configuration's kind to class."""

from collections.abc import Callable
from pathlib import Path

from publisher.configuration import EvidenceStoreConfiguration
from publisher.evidence.evidence_store import EvidenceStore
from publisher.evidence.folder_store import FolderEvidenceStore
from publisher.evidence.s3_store import S3EvidenceStore

DAY_S = 86_400


def _build_folder_store(
    configuration: EvidenceStoreConfiguration, work_folder: Path, keep_bytes: int
) -> EvidenceStore:
    folder = (work_folder / configuration.folder).resolve()
    return FolderEvidenceStore(folder, keep_bytes, configuration.max_age_days * DAY_S)


def _build_s3_store(
    configuration: EvidenceStoreConfiguration, work_folder: Path, keep_bytes: int
) -> EvidenceStore:
    return S3EvidenceStore(configuration.s3)


EVIDENCE_STORES: dict[str, Callable[[EvidenceStoreConfiguration, Path, int], EvidenceStore]] = {
    "folder": _build_folder_store,
    "s3": _build_s3_store,
}


def open_evidence_store(
    configuration: EvidenceStoreConfiguration, work_folder: Path, keep_bytes: int
) -> EvidenceStore:
    """The store of the configured kind; touches no disk and no network yet."""
    return EVIDENCE_STORES[configuration.kind](configuration, work_folder, keep_bytes)
