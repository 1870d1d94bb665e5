"""Other people's programs that tests compare with."""

from __future__ import annotations

import copy

from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as scripts


def cityscapes_evaluation(predictions, truths):
    """What cityscapesScripts finds in lists of prediction and *_gtFine_labelIds.png files, quietly."""
    settings = copy.copy(scripts.args)
    settings.quiet, settings.JSONOutput, settings.evalInstLevelScore = True, False, False
    return scripts.evaluateImgLists([str(path) for path in predictions], [str(path) for path in truths], settings)


def cityscapes_prediction(folder, truth):
    """The file in `folder` that cityscapesScripts takes for the prediction of this *_gtFine_labelIds.png."""
    settings = copy.copy(scripts.args)
    settings.predictionPath, settings.predictionWalk = str(folder), None
    return scripts.getPrediction(settings, str(truth))
