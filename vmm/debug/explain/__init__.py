"""Why an address is translated as it is: segments, TLB entries compare by compare, rights, and what lies behind.

``look`` runs the architecture's own translation on a copy of a CPU and watches it; the other modules say in words what
was seen.  Invariant: nothing here decides what an access does, and nothing here changes the machine.
"""
from vmm.debug.explain.explain import explain as explain
from vmm.debug.explain.look import ACCESSES as ACCESSES
