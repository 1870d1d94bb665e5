"""An image to labels in three steps, alike around every engine:

    x = prepare(image, engine.input)                     # prepare.py
    maps = engine(x)                                     # {"scores", "z2", "s", "mask"}, those that the network has
    labels = labels_of(maps["scores"], size, stride)     # labelmap.py

prepare.maps_of takes the first two where threads share an engine.
"""
