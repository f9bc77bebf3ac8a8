"""Recommendations: factors of things, learned from what people do, and what caused each score.

A product says what its interactions are (`gather`) and words the reasons; ids of things are its own integers."""

from dodeca.commons.recommendations.factors import Causes, Interactions, Model, learn
from dodeca.commons.recommendations.models import LearnedFactors
from dodeca.commons.recommendations.service import current, forget_old, is_due, train

__all__ = ["Causes", "Interactions", "LearnedFactors", "Model", "current", "forget_old", "is_due", "learn", "train"]
