"""Recipes for packages that the tests don't install; docs/guide/recipes.md quotes them."""
