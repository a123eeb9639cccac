"""The kinds of evidence stores: configuration type to class."""

from collections.abc import Callable
from pathlib import Path

from publisher.configuration import EvidenceConfiguration, FolderEvidenceConfiguration
from publisher.evidence.folder import FolderStore
from publisher.evidence.store import EvidenceStore


def _folder_store(
    configuration: FolderEvidenceConfiguration, work_folder: Path, keep_bytes: int
) -> EvidenceStore:
    return FolderStore((work_folder / configuration.folder).resolve(), keep_bytes)


OpenStore = Callable[[FolderEvidenceConfiguration, Path, int], EvidenceStore]
STORES: dict[type[FolderEvidenceConfiguration], OpenStore] = {
    FolderEvidenceConfiguration: _folder_store
}


def open_store(
    configuration: EvidenceConfiguration, work_folder: Path, keep_bytes: int
) -> EvidenceStore:
    """The store of the configured kind; touches no disk and no network yet."""
    return STORES[type(configuration)](configuration, work_folder, keep_bytes)
