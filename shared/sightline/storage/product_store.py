"""The station's product store, laid out as the model store: contents by digest, names that point to them.

    products/<sha256>/product.json
    products/names/<name>     holds the digest of the version in use

`python -m sightline.storage.product_store put FILE --store DIR` is what a product component's install step
runs; `check FILE` says whether a file would be taken. A file that is refused changes nothing.
"""

import argparse
import logging
import sys
from pathlib import Path

from sightline.command_output import run_command
from sightline.errors import ConfigurationError, SightlineError
from sightline.storage.model_folder import compute_digest
from sightline.storage.model_store import is_digest, load_named_digest, store_files
from sightline.storage.products import Product, load_product

log = logging.getLogger(__name__)
PRODUCT_FILE = "product.json"


def store_product(file: Path, store: Path) -> Product:
    """Take a product into the store, in force from the next part on; ConfigurationError if wrong."""
    if file.name != PRODUCT_FILE:
        raise ConfigurationError(f"{file}: a product's file is called {PRODUCT_FILE}")
    product = load_product(file)
    for known in _load_all_products(store):
        same_version = (known.name, known.version) == (product.name, product.version)
        if same_version and known != product:
            raise ConfigurationError(
                f"{file}: version {product.version} of {product.name} is in the store with other "
                "content; a changed product needs another version"
            )
    store_files(file.parent, (PRODUCT_FILE,), product.name, store)
    return product


def _load_all_products(store: Path) -> list[Product]:
    """What can be read of the store; what is damaged is no reason to refuse what is not."""
    found: list[Product] = []
    for file in sorted(store.glob(f"*/{PRODUCT_FILE}")):
        try:
            found.append(_load_stored_product(file))
        except SightlineError as error:
            log.warning("skipped: %s", error)
    return found


def _load_stored_product(file: Path) -> Product:
    """A product of the store; SightlineError says why it cannot be had."""
    if compute_digest(file) != file.parent.name:
        raise ConfigurationError(f"{file} is damaged: it is not what its folder's name says")
    return load_product(file, is_stored=True)


class ProductStoreReader:
    """The store as a component sees it: read again where it changed, the last good kept."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._digests: dict[str, str] = {}
        self._by_digest: dict[str, Product] = {}
        self._current: dict[str, Product] = {}
        self._problems: dict[str, str] = {}

    @property
    def current(self) -> dict[str, Product]:
        """The version in use of each product, by name."""
        return self._current

    @property
    def problems(self) -> dict[str, str]:
        """What is wrong with a product's newest file, by name."""
        return self._problems

    def refresh(self) -> bool:
        """Take what changed, and what was refused if it is whole by now; whether anything did."""
        before = self._digests, dict(self._current), dict(self._problems)
        digests: dict[str, str] = {}
        for file in sorted(self._store.glob("names/*")):
            if file.suffix != ".new" and ".damaged-" not in file.name:
                digests[_printable_name(file.name)] = self._read_name(file)
        for name, digest in digests.items():
            if self._digests.get(name) != digest or name in self._problems:
                self._apply_version(name, digest)
        self._digests = digests
        self._current = {name: p for name, p in self._current.items() if name in digests}
        self._problems = {name: p for name, p in self._problems.items() if name in digests}
        return before != (self._digests, self._current, self._problems)

    def find(self, name: str, version: str) -> Product | None:
        """A version of a product, also one that is no longer in use; None if the store has none."""
        found = self._find_loaded_product(name, version)
        if found is None:
            self.refresh()
            found = self._find_loaded_product(name, version) or self._find_older(name, version)
        return found

    def _find_loaded_product(self, name: str, version: str) -> Product | None:
        for product in self._by_digest.values():
            if (product.name, product.version) == (name, version):
                return product
        return None

    def _find_older(self, name: str, version: str) -> Product | None:
        for file in self._store.glob(f"*/{PRODUCT_FILE}"):
            digest = file.parent.name
            if digest not in self._by_digest:
                self._load_product(digest)
        return self._find_loaded_product(name, version)

    def _read_name(self, file: Path) -> str:
        """The digest that a name holds, or in words why it holds none."""
        try:
            digest = load_named_digest(self._store, file.name)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            return f"the name {_printable_name(file.name)} cannot be read: {reason}"
        if not is_digest(digest):
            return f"the name {_printable_name(file.name)} holds {digest[:80]!a}; a SHA-256 is expected"
        return digest

    def _apply_version(self, name: str, digest: str) -> None:
        problem = self._load_product(digest) if is_digest(digest) else digest
        product = self._by_digest.get(digest)
        if product is not None and product.name != name:
            problem = f"the name {name} points to the product {product.name}"
        if problem or product is None:
            if self._problems.get(name) != problem:
                log.error("product refused", extra={"product": name, "problem": problem})
            self._problems[name] = problem
            return
        self._problems.pop(name, None)
        self._current[name] = product

    def _load_product(self, digest: str) -> str:
        """Why the product of a digest cannot be had; nothing if it can."""
        try:
            self._by_digest[digest] = _load_stored_product(self._store / digest / PRODUCT_FILE)
        except SightlineError as error:
            return str(error)
        return ""


def _printable_name(name: str) -> str:
    """A file's name as it can be told: one that is no UTF-8 has letters that no message carries."""
    return name.encode("utf-8", errors="backslashreplace").decode()


def main() -> int:
    """The command line of the install step."""
    parser = argparse.ArgumentParser(
        description="Check a product's recipe, or put it into the store"
    )
    parser.add_argument("action", choices=["check", "put"])
    parser.add_argument("file", type=Path, help=f"the product's file, {PRODUCT_FILE}")
    parser.add_argument("--store", type=Path, help="the product store's folder (put)")
    arguments = parser.parse_args()
    if arguments.action == "put" and arguments.store is None:
        parser.error("put needs --store")
    try:
        if arguments.action == "put":
            product = store_product(arguments.file, arguments.store)
        else:
            product = load_product(arguments.file)
    except (SightlineError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{product.name} {product.version}\n")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
