"""The words a meaning may use: what ``m`` offers.

``m`` is whatever gives the words a meaning: numbers (the reference engine) or LLVM text (the native engine).  A meaning
says what an instruction computes, never how an engine runs it: no Python ``if`` on a machine value, no engine, no delay
slot.  Python ``if`` on ``m.big_endian`` is allowed: it is fixed when an engine is made.

A *Word* is 64 bits.  Registers of a 32-bit core hold sign-extended 32-bit values.  A *field* is what the encoding cut out
of the instruction; it becomes a Word by ``m.signed`` or ``m.unsigned``, or names a register.

========================================  ==========================================================================
``m.gpr[f]``                              read or write a general register; register 0 stays zero
``m.hi``, ``m.lo``                        the accumulator, read or written as attributes
``m.pc``                                  the address of this instruction, a Word
``+ - * & | ^ ~``                         on 64-bit Words (``*``: low 64 bits); the right operand may be an int
``a << n``                                by a constant
``a.shl(b) a.shr(b) a.sar(b)``            by ``b`` (Word or int) modulo 64: left, logical right, arithmetic right
``a == b  a != b``                        Conditions; the right operand may be an int
``a.below(b)  a.less(b)``                 unsigned and signed order; Conditions combine with ``& | ~``
``m.const(n)``                            an int as a Word
``m.signed(x, w)  m.unsigned(x, w)``      field or low ``w`` bits of a Word, extended to 64 bits
``m.word(x)``                             ``m.signed(x, 32)``, the manual's "word"
``m.flag(c)``                             a Condition as a Word, 0 or 1
``m.select(c, a, b)``                     choice between Words (or ints)
``m.leading_zeros(x)``                    of 64 bits; 64 for zero
``m.high_signed(a, b)``                   upper 64 bits of the 128-bit product; ``m.high_unsigned``
``m.divide_signed(a, b)``                 ``(quotient, remainder)`` toward zero; ``b`` must not be zero; the one
                                          overflow wraps; ``m.divide_unsigned``
``m.require(c, "Ov")``                    raise the exception unless ``c``; names are those of ``ExcCode``
``m.trap("Sys")``                         raise it
``m.branch(c, off)``                      if ``c``, go on at pc + 4 + 4*signed(off) after the delay slot
``m.branch_likely(c, off)``               the same; if not ``c`` the delay slot is skipped
``m.jump_region(target)``                 jump within the 256 MiB region of pc + 4 after the delay slot
``m.jump(word)``                          jump to a Word after the delay slot
``m.compact_branch(c, off)``              if ``c``, go on at pc + 4 + 4*signed(off) at once: there is no delay slot
``m.compact_jump(word)``                  go on at a Word at once
``m.link(f)``                             gpr[f] := pc + 8; ``f`` a field or an int
``m.load(address, size)``                 zero-extended Word of 1, 2, 4 or 8 bytes, naturally aligned, else AdEL
``m.store(address, size, word)``          the same for stores, AdES
``m.load_unit(address, size)``            of the aligned unit that the address lies in; a fault shows the address itself
``m.store_unit(address, size, w, k)``     the same: store only the bits that are set in the Word ``k``
``m.load_linked(address, size)``          ``m.store_conditional(address, size, word)`` gives the flag as a Word
``m.lane(address, size)``                 a Word: how many bytes of the aligned ``size``-byte unit lie before this
                                          address, counted from its most significant byte
                                          (big-endian: address & size-1; little-endian: its mirror image)
``m.table(numbers, index)``                 one of a tuple of 256 ints, by a Word
``m.code_stays()``                        in ``quiet`` alone: a Condition that the page of this instruction is translated as
                                          before it
``m.call(function, *words)``              ``function(m, *words)``, compiled once and called: for what is too long or
                                          too rare to be inlined
========================================  ==========================================================================

Vector registers are *Lanes* of 8 to 64 bits (128 for a whole register); lane 0 is the least significant::

    w = m.vector(bits); w[ws]; w[wd] = lanes    read and write a register as lanes of this width
    m.splat(bits, word)                         the low bits of a Word in every lane
    m.lanes(bits, numbers)                      constants; ``x.like(n)``: one number in every lane of that width
    + - * & | ^ ~ -x  shl shr sar               lane by lane, modulo the width; the right operand may be an int
    x == y  x != y  below  less                 LaneConditions: combine with & | ~
    c.choose(x, y)  c.ones()  c.any()           lanes by a condition; all ones or zero; a Condition
    add_saturated, subtract_saturated           signed; with ``_unsigned``: unsigned
    divide_signed, divide_unsigned              ``(quotients, remainders)``; no lane of the divisor may be zero
    count_ones, leading_zeros, x.cast(bits)
    x.shuffle(y, order), x.pick(y, lanes)       lanes of x, then of y, by constant numbers or by lanes
    m.element(bits, ws, n)                      one lane as a zero-extended Word; ``m.set_element(bits, wd, n, word)``
    m.float_lanes(operation, option, bits, wd, ws, wt)
                                                the operation of ``vmm.arch.softfloat.lanes`` on all lanes at once, if the
                                                engine can; a Condition: it was done
    m.load_vector(wd, address, size)            16 bytes of any alignment, lanes of ``size`` bytes each in the machine's
                                                order; ``m.store_vector``

Numbers are Words that hold an encoding, zero-extended; ``vmm.arch.fp`` lists the operations by name::

    m.fp32[f], m.fp64[f]                        a register of coprocessor 1; while FR = 0 an odd single is the upper half of
                                                the even register before it
    m.fp(name, *words)                          the result, under FCSR's modes; Cause and Flags; FPE if that is enabled
    m.fp_holds(name, relations, a, b)           the same for ``quiet`` and ``signal``: a Condition, true if one of the
                                                relations (the bits ``UNORDERED``, ``EQUAL``, ``LESS``) holds
    m.fp_raw(name, *words)                      the result alone; what it raises is ORed into ``m.state.fp_flags``
    m.fp_settle()                               before FCSR is read or written: an engine may owe Cause and Flags

Functions reached by ``m.call`` (privileged operations, exception entry, translation) may also use control flow::

    for _ in m.when(condition):             the body is executed if the condition holds
    for _ in m.otherwise():                 right after a ``when``: if it did not
    for _ in m.repeat(lambda: condition):   while the condition holds
    v = m.var(word); v.value; v.value = w   a variable that such bodies may change

and state by name: ``m.state.NAME`` (a 64-bit slot of the CPU's state), ``m.root``, ``m.guest``, ``m.cp0`` (the files of
CP0 registers: of the root context, of the guest context, of the one that runs): see ``vmm.arch.privileged``.
"""
