"""The networks of the paper, one file per box of its figures; start reading at network.py.

    column.py    a ResNet-50 column, with residual units removed at will      (Table 1, Section 3.5)
    decoder.py   the SharpMask-like decoder on top of a column                (Figure 2, Figure 4)
    classic.py   the classic FCN's instead: score maps summed                 (Figure 2, left)
    fusion.py    max, sum, attention-to-scale, coarse-to-fine, sparse         (Figure 3, Section 3.3)
    regions.py   sparse head, its penalty, selection, crop and uncrop         (Section 3.3, Figures 1 and 4)
    network.py   the columns put together                                     (Figures 1 to 4)
    fast.py      fast inference: the selected regions alone                   (Figure 1)
    others/      networks of other papers

They import mxnet, and NumPy for constants. Shape legend, used in every comment:

    N   images in a batch             H, W  height and width of the full-resolution input, in pixels
    C   channels                      Y, X  rows and columns of the grid of square regions
    K   classes                       R     side of a region in pixels of the full-resolution input
    G   regions, Y * X                k     regions computed by the full-resolution column
    @1/8  a map at one eighth of the resolution of its own column's input; ``half@1/8`` names the column
"""
