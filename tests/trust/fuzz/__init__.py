"""Damaged and hostile files for every reader of foreign bytes.

    python -m tests.trust.fuzz --count 20000 --reader all --seed 0

A file is made from a good one by a seeded generator, so that its number makes it again. It is
read in a process of its own kind (see `workers`), which may neither hang, nor die, nor take more
than 1 GiB; only the errors that the reader documents may come out, with the name of the file in
them, and after one nothing may have changed.
"""
