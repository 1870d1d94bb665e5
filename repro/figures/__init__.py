"""Pictures of what networks compute, from their outputs, and of how well, from records. Nothing here needs MXNet.

    outputs.py   what a network gave for one image
    borders.py   errors beside the borders of crops
    panels.py    pictures made of panels: the pipeline, the boundary problem, weights
    classes.py   bars of per-class IoU
"""
