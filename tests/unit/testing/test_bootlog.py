"""The comparison of boot logs tells what has no reason, and reasons that nothing needs."""
from __future__ import annotations

import pytest

from tests.support.bootlog import Floats, Only, Row, Varies, unexplained

LOG = "[    0.000000] Linux\r\n[    0.100000] CPU 200 MHz\n[    1.0] disk\n[    2.0] net\n[    3.0] done\n"
CPU = Varies(r"\d+ MHz", "the clock")


@pytest.mark.parametrize(("ours", "rows", "told"), [
    (LOG, (), []),
    (LOG.replace("[    1.0]", "[   12.345678]"), (), []),
    (LOG.replace("200", "300"), (), ["ours: CPU 300 MHz", "theirs: CPU 200 MHz"]),
    (LOG.replace("200", "300"), (CPU,), []),
    (LOG.replace("Linux", "Oops"), (Only("ours", "Oops", ""),), ["theirs: Linux"]),
    (LOG + "disk\n", (), ["ours: disk"]),
    (LOG + "more\n", (Only("ours", "more", "it is better"),), []),
    (LOG + "more\n", (Only("theirs", "more", ""),), ["ours: more", f"no line needs {Only('theirs', 'more', '')}"]),
    (LOG.replace("disk", "-").replace("net", "disk").replace("-", "net"), (), ["order: net | disk"]),
    (LOG.replace("disk", "-").replace("net", "disk").replace("-", "net"), (Floats("disk", "a thread"),), []),
    (LOG, (Floats("never", ""),), [f"no line needs {Floats('never', '')}"]),
])
def test_what_is_told(ours: str, rows: tuple[Row, ...], told: list[str]) -> None:
    assert unexplained(ours, LOG, rows) == told
