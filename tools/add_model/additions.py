"""Plans what adding models and their product changes in the repository; nothing is written here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from sightline.errors import RecipeError
from sightline.storage.model_folder import check_model_folder
from sightline.storage.product_store import PRODUCT_FILE
from sightline.storage.products import Product, load_product
from sightline.vision.onnx_detector import load_contract
from tools.add_model.added_files import AddedFiles, FileChange, is_same_tree
from tools.add_model.component_recipes import (
    build_model_recipe,
    build_product_recipe,
    check_name,
    model_component,
    product_component,
    raise_patch,
)
from tools.add_model.deployment_edit import (
    add_components,
    build_deployment,
    find_missing_settings,
    pin_versions,
)
from tools.add_model.product_draft import choose_tiers, draft_product
from tools.stage.stageable_components import find_source_folder
from tools.stage.suite_version import parse_recipe_version
from tools.suite_rules.recipe_rules import parse_recipe

MODELS, PRODUCTS = Path("components") / "models", Path("components") / "products"
DEPLOYMENTS = Path("recipes") / "deployments"
BASE_DEPLOYMENT = "laptop.yaml"


@dataclass(frozen=True)
class GivenModel:
    """An exported model's folder, its name here, and what it finds."""

    folder: Path
    name: str
    labels: tuple[str, ...]


def load_given_model(folder: Path, name: str | None) -> GivenModel:
    """The model in a folder, once it has answered its golden frames; ModelError."""
    check_model_folder(folder, runtime_needed=True)
    contract = load_contract(folder / "model.onnx")
    return GivenModel(folder, check_name("model", name or contract.name), contract.labels)


def plan_additions(
    root: Path, models: Sequence[GivenModel], product: str, cameras: Sequence[str]
) -> AddedFiles:
    """All that changes; `product` is a file, or the name of one that is there or drafted."""
    added = AddedFiles()
    with TemporaryDirectory() as folder:
        file = _find_product_file(root, product, models, Path(folder))
        text, described = file.read_text(encoding="utf-8"), load_product(file)
    _check_labels(root, described, models)
    _check_product_version(root, described, text)
    versions = {model_component(model.name): _add_model(added, root, model) for model in models}
    versions[product_component(described.name)] = _add_product(added, root, described, text)
    _add_deployments(added, root, described, versions, cameras)
    return added


def _find_product_file(
    root: Path, product: str, models: Sequence[GivenModel], drafts: Path
) -> Path:
    given = Path(product)
    if given.is_file():
        copy = drafts / PRODUCT_FILE  # whatever it is called where it lies
        copy.write_bytes(given.read_bytes())
        return copy
    if given.suffix or len(given.parts) != 1:
        raise RecipeError(f"--product: no such file: {product}")
    known = root / PRODUCTS / check_name("product", product) / PRODUCT_FILE
    if known.is_file():
        return known
    labels = {
        label: choose_tiers(label, model.folder / "card.json")
        for model in models
        for label in model.labels
    }
    draft = drafts / PRODUCT_FILE
    draft.write_text(draft_product(product, [m.name for m in models], labels), encoding="utf-8")
    return draft


def _check_labels(root: Path, product: Product, models: Sequence[GivenModel]) -> None:
    """RecipeError where the product names a model that is not here, or a label that none finds."""
    known: dict[str, tuple[str, ...]] = {model.name: model.labels for model in models}
    for name in product.models:
        if name not in known:
            file = root / MODELS / name / "model.onnx"
            if not file.is_file():
                raise RecipeError(
                    f"{product.name} at /models: found {name!r}; here are {', '.join(known)}, and in "
                    f"{MODELS} is none of this name. Correct the product, or add the model by --name {name}"
                )
            known[name] = load_contract(file).labels
    for name in (model.name for model in models if model.name not in product.models):
        raise RecipeError(
            f"{product.name} at /models: found {', '.join(product.models)}; {name} is not among them. Add it "
            "there, or add the model under one of these names by --name"
        )
    found = {label for name in product.models for label in known[name]}
    strange = sorted({*product.defects, *product.product_labels} - found)
    if strange:
        raise RecipeError(
            f"{product.name}: no model of it finds {', '.join(strange)}; its models find "
            f"{', '.join(sorted(found))}"
        )


def _check_product_version(root: Path, product: Product, text: str) -> None:
    known = root / PRODUCTS / product.name / PRODUCT_FILE
    if not known.is_file() or known.read_text(encoding="utf-8") == text:
        return
    before = load_product(known)
    if before.version == product.version and before != product:
        raise RecipeError(
            f"{product.name} at /version: version {product.version} is in {known.relative_to(root)} with "
            "other content, and stations refuse it; a changed product needs another version"
        )


def _add_model(added: AddedFiles, root: Path, model: GivenModel) -> str:
    description = f"Model: finds {', '.join(model.labels)}"
    target = root / MODELS / model.name
    added.changes.append(FileChange(target, source=model.folder))
    unchanged = target.exists() and is_same_tree(model.folder, target)
    return _add_recipe(
        *(added, root, model_component(model.name), target, unchanged),
        build_model_recipe(model.name, description),
    )


def _add_product(added: AddedFiles, root: Path, product: Product, text: str) -> str:
    target = root / PRODUCTS / product.name
    change = FileChange(target / PRODUCT_FILE, text=text)
    added.changes.append(change)
    description = f"Product: {product.description or product.name}"
    return _add_recipe(
        *(added, root, product_component(product.name), target, change.state == "same"),
        build_product_recipe(product.name, description),
    )


def _add_recipe(
    added: AddedFiles, root: Path, component: str, folder: Path, unchanged: bool, first: str
) -> str:
    """A recipe for a new component, or the one that is there in its next version; the version."""
    path = root / "recipes" / f"{component}.yaml"
    text = first
    if path.is_file():
        text = path.read_text(encoding="utf-8")
        brings = find_source_folder(text)
        if brings != folder.relative_to(root).as_posix():
            raise RecipeError(
                f"{component} brings {brings} already; choose another name than {folder.name}"
            )
        text = text if unchanged else raise_patch(text)
    added.changes.append(FileChange(path, text=text))
    return parse_recipe_version(text)


def _add_deployments(
    added: AddedFiles,
    root: Path,
    product: Product,
    versions: Mapping[str, str],
    cameras: Sequence[str],
) -> None:
    own = root / DEPLOYMENTS / f"{product.name}.yaml"
    wanted = {**_find_versions(root, product), **versions}
    if not own.is_file():
        base = (root / DEPLOYMENTS / BASE_DEPLOYMENT).read_text(encoding="utf-8")
        text = build_deployment(
            *(BASE_DEPLOYMENT, base, product.name, product.models, wanted, cameras)
        )
        added.changes.append(FileChange(own, text=text))
    for file in sorted((root / DEPLOYMENTS).glob("*.yaml")):
        text, name = file.read_text(encoding="utf-8"), file.name
        content = parse_recipe(name, text)
        if content.get("sites"):
            added.notes += _describe_fleet_pins(name, content.get("components") or {}, versions)
            continue
        edited = pin_versions(name, text, versions)
        if file == own:
            edited = add_components(name, edited, wanted)
            added.notes += find_missing_settings(edited, name, product.name, product.models)
        if edited != text:
            added.changes.append(FileChange(file, text=edited))


def _find_versions(root: Path, product: Product) -> dict[str, str]:
    """The versions of the product's other models, which are here already."""
    paths = {
        model_component(name): root / "recipes" / f"{model_component(name)}.yaml"
        for name in product.models
    }
    return {
        component: parse_recipe_version(path.read_text(encoding="utf-8"))
        for component, path in paths.items()
        if path.is_file()
    }


def _describe_fleet_pins(
    name: str, pinned: Mapping[str, Mapping[str, str]], versions: Mapping[str, str]
) -> list[str]:
    return [
        f"{name} at /components/{component}/version: {pinned[component].get('version')} stays pinned; write "
        f"{version} there to roll it out"
        for component, version in versions.items()
        if component in pinned and pinned[component].get("version") != version
    ]
