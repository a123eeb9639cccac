"""The recipes of models and products: their text, their names and their next version."""

import json
import re

from sightline.errors import RecipeError
from tools.stage.suite_version import fill_recipe_version, parse_recipe_version

FIRST_VERSION = "1.0.0"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
_RECIPE = """---
RecipeFormatVersion: "2020-01-25"
ComponentName: {component}
ComponentVersion: "{version}"
ComponentDescription: {description}
ComponentPublisher: Sightline
ComponentConfiguration:
  DefaultConfiguration:
    stationFolder: /var/lib/sightline
Manifests:
  - Platform:
      os: linux
      runtime: "*"
    Lifecycle:
      install:
        Script: >-
          sh "{{artifacts:decompressedPath}}/{package}/sightline/launch.sh" install &&
          sh "{{artifacts:decompressedPath}}/{package}/sightline/launch.sh" run {module}
          put "{{artifacts:decompressedPath}}/{package}/{path}"
          {more}
        RequiresPrivilege: false
        Timeout: 600
      run:
        Script: exit 0
        RequiresPrivilege: false
    Artifacts:
      - Uri: s3://BUCKET_NAME/COMPONENT_NAME/COMPONENT_VERSION/{package}.zip
        Unarchive: ZIP
"""


def build_model_recipe(name: str, description: str, version: str = FIRST_VERSION) -> str:
    """The recipe of the component that puts a model into a station's store."""
    return _RECIPE.format(
        component=model_component(name),
        version=version,
        description=json.dumps(description, ensure_ascii=False),
        package=f"{name}_model",
        module="sightline.storage.model_store",
        path=name,
        more=f'--name {name} --store "{{configuration:/stationFolder}}/models"',
    )


def build_product_recipe(name: str, description: str, version: str = FIRST_VERSION) -> str:
    """The recipe of the component that puts a product into a station's store."""
    return _RECIPE.format(
        component=product_component(name),
        version=version,
        description=json.dumps(description, ensure_ascii=False),
        package=f"{name}_product",
        module="sightline.storage.product_store",
        path=f"{name}/product.json",
        more='--store "{configuration:/stationFolder}/products"',
    )


def model_component(name: str) -> str:
    """`steel-plate` to `com.sightline.model.SteelPlate`."""
    return f"com.sightline.model.{_join_words(name)}"


def product_component(name: str) -> str:
    """`strip` to `com.sightline.product.Strip`."""
    return f"com.sightline.product.{_join_words(name)}"


def check_name(kind: str, name: str) -> str:
    """The name; RecipeError if it cannot be part of a component's, a file's and an artifact's name."""
    if not NAME.fullmatch(name):
        raise RecipeError(
            f"{kind} name: found {name!r}; letters, digits, '-' and '_' are allowed, at most 32, the first a "
            "letter or digit"
        )
    return name


def raise_patch(recipe: str) -> str:
    """The recipe in its next version: other files under the same version would be refused."""
    major, minor, patch = parse_recipe_version(recipe).split(".")
    return fill_recipe_version(recipe, f"{major}.{minor}.{int(patch) + 1}", {})


def _join_words(name: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in re.split("[-_]", name))
