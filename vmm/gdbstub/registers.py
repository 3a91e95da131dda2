"""Registers: g, G, p, P (GDB manual, appendix E.2).

The g packet holds every register of the description in the order of its regnum, without gaps for absent
numbers.
"""
from __future__ import annotations

from vmm.gdbstub.packets import Packets
from vmm.gdbstub.session import Session
from vmm.gdbstub.target import Register, Target, TargetError

packets = Packets()


def in_order(target: Target, pid: int) -> list[Register]:
    return sorted(target.registers(pid), key=lambda register: register.number)


def _text(register: Register, value: bytes | None) -> str:
    return "xx" * register.size if value is None else value.hex()


def _register(target: Target, pid: int, number: int) -> Register:
    for register in target.registers(pid):
        if register.number == number:
            return register
    raise TargetError(f"no register {number}; the description of process {pid} lists those that exist")


@packets.on("g", needs=Target)
def read_all(session: Session, target: Target) -> str:
    thread = session.current()
    values = target.read_registers(thread)
    return "".join(_text(register, values.get(register.number)) for register in in_order(target, thread.pid))


@packets.on("G{data:bytes}", needs=Target)
def write_all(session: Session, target: Target, data: bytes) -> str:
    thread = session.current()
    layout = in_order(target, thread.pid)
    if len(data) != (size := sum(register.size for register in layout)):
        raise TargetError(f"{len(data)} bytes sent; the registers take {size}")
    values, at = {}, 0
    for register in layout:
        values[register.number] = data[at:at + register.size]
        at += register.size
    target.write_registers(thread, values)
    return "OK"


@packets.on("p{number:hex}", needs=Target)
def read_one(session: Session, target: Target, number: int) -> str:
    thread = session.current()
    return _text(_register(target, thread.pid, number), target.read_register(thread, number))


@packets.on("P{number:hex}={value:bytes}", needs=Target)
def write_one(session: Session, target: Target, number: int, value: bytes) -> str:
    thread = session.current()
    if len(value) != (size := _register(target, thread.pid, number).size):
        raise TargetError(f"{len(value)} bytes sent; register {number} takes {size}")
    target.write_register(thread, number, value)
    return "OK"
