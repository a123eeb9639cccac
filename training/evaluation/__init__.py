"""Evaluation of models on labelled pictures: figures, reports and model cards."""
