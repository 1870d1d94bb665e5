"""The same network in other engines, from the file that repro.export writes; none of them needs MXNet.

    onnx_format.py  a file, read and looked at before an engine is
    exported.py  what is alike in all
    onnx.py      onnxruntime
    openvino.py  OpenVINO
    providers.py which of its providers compute, on the CPU or a card
    bound.py     a file run with all that goes in and out bound on the device
    profile.py   what each operator takes there
    ceiling.py   what a card does at best, through onnxruntime
    metadata.py  what an exported network is given and gives: the record inside its file
"""
