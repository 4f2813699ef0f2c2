"""How patient tests are with promised times.

A test holds a promise (a cancel counts within 0.5 s) to this factor, since it shares its machine with others; what
it really takes is measured in ``benchmarks/``. A promise that is broken is broken by far more than this.
"""

PATIENCE = 4
