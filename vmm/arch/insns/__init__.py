"""Every instruction, each once: ``ROWS`` is the families one after another, in the manual's order.

Invariant: no two rows that one core can have share an encoding (``decode_tree`` refuses it).  A core's
own table is ``vmm.arch.rows.available(ROWS, ...)``.
"""
from __future__ import annotations

from vmm.arch.insns.arith import arith
from vmm.arch.insns.bitfield import bitfield
from vmm.arch.insns.branch import branch
from vmm.arch.insns.compact import compact
from vmm.arch.insns.coprocessor import coprocessor
from vmm.arch.insns.crc import crc
from vmm.arch.insns.dsp.accumulate import accumulate as dsp_accumulate
from vmm.arch.insns.dsp.lanes import lanes as dsp_lanes
from vmm.arch.insns.eva import eva
from vmm.arch.insns.fp_arith import fp_arith
from vmm.arch.insns.fp_move import fp_move
from vmm.arch.insns.fp_paired import fp_paired
from vmm.arch.insns.logic import logic
from vmm.arch.insns.memory import memory
from vmm.arch.insns.move import move
from vmm.arch.insns.msa.arith import arith as msa_arith
from vmm.arch.insns.msa.bits import bits as msa_bits
from vmm.arch.insns.msa.element import elements as msa_element
from vmm.arch.insns.msa.float import floats as msa_float
from vmm.arch.insns.msa.memory import vector_memory as msa_memory
from vmm.arch.insns.muldiv import muldiv
from vmm.arch.insns.pcrel import pcrel
from vmm.arch.insns.release6 import release6
from vmm.arch.insns.shift import shift
from vmm.arch.insns.system import system
from vmm.arch.insns.trap import trap
from vmm.arch.insns.virtual import vz
from vmm.arch.rows import Insn

FAMILIES = (arith, logic, shift, muldiv, move, bitfield, branch, memory, trap, system, vz, release6, pcrel, compact,
            crc, eva, dsp_lanes, dsp_accumulate, fp_move, fp_arith, fp_paired, coprocessor, msa_arith, msa_bits,
            msa_element, msa_memory, msa_float)

ROWS: tuple[Insn, ...] = tuple(row for family in FAMILIES for row in family)
