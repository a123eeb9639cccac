"""The models that a deployment lets inference run."""

from pathlib import Path
from typing import Any

from hil.nucleus.recipe_files.deployment import load_deployment
from sightline.errors import RecipeError
from sightline.messaging.topics import INFERENCE


def read_deployed_models(deployment: Path) -> list[dict[str, Any]]:
    """Inference's `models`; RecipeError if the deployment names none."""
    deployed = load_deployment(deployment).components.get(INFERENCE)
    models = [] if deployed is None else deployed.configuration_update.merge.get("models") or []
    if not models:
        raise RecipeError(
            f"{deployment} at /components/{INFERENCE}/configurationUpdate/merge/models: none; name the models"
        )
    return [dict(model) for model in models]
