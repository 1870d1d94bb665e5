"""The same network in other engines, from the file that repro.export writes; none of them needs MXNet.

    onnx.py     onnxruntime
    metadata.py what an exported network is given and gives: the record inside its file
    torch.py    PyTorch
    worker.py   one of them in a process of its own, to be timed in turn with others
"""
