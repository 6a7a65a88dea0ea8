"""The proof: every output and every gradient of tinyconv beside those of tf.keras.

    python -m parity --quick        # the table, in a minute or two
    python -m parity -k pooling     # the rows of one family

A case (`parity/cases/`) describes one computation in the words both libraries share. A side
(`parity/sides/`) carries it out: one with tinyconv, one with tf.keras, whose gradients come
from `tf.GradientTape`. `compare.py` measures how far the two results are apart, and
`tolerances.py` says how far they may be. `plants/` breaks tinyconv on purpose, to prove that
the rows would notice.
"""
