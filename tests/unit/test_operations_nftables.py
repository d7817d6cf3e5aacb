"""The unit that loads the packet filter at boot."""

from __future__ import annotations

from groundcrew.templates import render


def test_a_sandbox_that_cannot_be_set_up_at_once_is_tried_again() -> None:
    path = "/etc/nftables.d/groundcrew.nft"
    text = render("nftables/table.service.j2", table="groundcrew", path=path)
    starts = [line for line in text.splitlines() if line.startswith("ExecStart=")]
    load = f"/usr/sbin/nft -f {path}"
    # The last attempt decides: one that cannot load the table fails the unit.
    assert starts == [f"ExecStart=-{load}", f"ExecStart=-{load}", f"ExecStart={load}"]
    assert "Restart=on-failure" in text
