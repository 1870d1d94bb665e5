"""The same network in other engines, from the file that repro.export writes; none of them needs MXNet.

    onnx.py      onnxruntime
    refined.py   SparseRefine's two files there
    providers.py which of its providers compute, on the CPU or a card
    bound.py     a file run with all that goes in and out bound on the device
    profile.py   what each operator takes there
    ceiling.py   what a card does at best, through onnxruntime
    metadata.py  what an exported network is given and gives: the record inside its file
    torch.py     PyTorch
    worker.py    one of them in a process of its own, to be timed in turn with others
"""
