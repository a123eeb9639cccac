"""The models that a deployment lets inference run."""

from pathlib import Path
from typing import Any

from hil.nucleus.recipe_files.deployment import load_deployment
from hil.run.run_arguments import REPOSITORY
from sightline.messaging.topics import CAPTURE, INFERENCE
from sightline.storage.products import load_product

PRODUCTS = REPOSITORY / "components" / "products"


def read_deployed_models(deployment: Path) -> list[dict[str, Any]]:
    """Inference's `models`; where the deployment names none, those of capture's product."""
    components = load_deployment(deployment).components
    merges = {name: deployed.configuration_update.merge for name, deployed in components.items()}
    models = merges.get(INFERENCE, {}).get("models")
    if models:
        return [dict(model) for model in models]
    product = merges.get(CAPTURE, {}).get("product", "")
    return [{"name": name} for name in load_product(PRODUCTS / product / "product.json").models]
