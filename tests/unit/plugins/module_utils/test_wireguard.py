# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the configuration of an interface says, and what is to be done so that the host has it."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.llm.host.plugins.module_utils._wireguard import (
    MARK,
    Interface,
    Live,
    LivePeer,
    Peer,
    Plan,
    fill_in,
    key_file,
    make_plan,
    named,
    parse,
    render,
    sync_text,
)

NEAR = Peer("gpu-02", "KEY-OF-GPU-02", ("10.86.0.2/32",), "192.0.2.2:51820")
FAR = Peer("gpu-03", "KEY-OF-GPU-03", ("10.86.0.3/32",), "gpu-03.example.com:51820", keepalive=25)
LAPTOP = Peer("alice", "KEY-OF-ALICE", ("10.86.0.9/32", "fd86::9/128"))
WANTED = Interface("wg0", ("10.86.0.1/16", "fd86::1/64"), 51820, key_file(""), peers=(NEAR, FAR, LAPTOP))
LIVE = Live(
    "OWN-KEY", 51820, frozenset(WANTED.addresses), 1420,
    {
        NEAR.public_key: LivePeer(frozenset(NEAR.allowed), NEAR.endpoint, handshake=20),
        FAR.public_key: LivePeer(frozenset(FAR.allowed), "198.51.100.3:51820", keepalive=25, handshake=20),
        LAPTOP.public_key: LivePeer(frozenset(LAPTOP.allowed), "203.0.113.9:40000", handshake=20),
    },
)  # fmt: skip


def live(**changed):
    return dataclasses.replace(LIVE, **changed)


def with_peer(key, **changed):
    return live(peers={**LIVE.peers, key: dataclasses.replace(LIVE.peers[key], **changed)})


def plan(wanted=WANTED, **changed):
    state = {"public_key": "OWN-KEY", "enabled": True, "running": True, "live": LIVE, "previous": WANTED, **changed}
    return make_plan(wanted, **state)


def test_the_file_says_what_wg_quick_needs_and_no_name_that_it_would_have_to_know():
    assert render(WANTED) == (
        f"{MARK}\n[Interface]\nAddress = 10.86.0.1/16, fd86::1/64\nListenPort = 51820\n"
        f"PostUp = wg set %i private-key {key_file('')}\n"
        "\n[Peer]\n# gpu-02\nPublicKey = KEY-OF-GPU-02\nAllowedIPs = 10.86.0.2/32\nEndpoint = 192.0.2.2:51820\n"
        "\n[Peer]\n# gpu-03\nPublicKey = KEY-OF-GPU-03\nAllowedIPs = 10.86.0.3/32\n#Endpoint = gpu-03.example.com:51820\nPersistentKeepalive = 25\n"
        "\n[Peer]\n# alice\nPublicKey = KEY-OF-ALICE\nAllowedIPs = 10.86.0.9/32, fd86::9/128\n"
    )


@pytest.mark.parametrize(
    "interface",
    [
        pytest.param(WANTED, id="a-mesh"),
        pytest.param(dataclasses.replace(WANTED, mtu=1380, forward=True), id="a-hub-with-an-mtu"),
        pytest.param(dataclasses.replace(WANTED, peers=()), id="nobody-else"),
    ],
)
def test_what_was_written_is_understood_again(interface):
    assert parse("wg0", render(interface)) == interface


@pytest.mark.parametrize("text", [None, "", "[Interface]\nPrivateKey = secret\n", f"# {MARK}\n"])
def test_what_somebody_else_wrote_is_not_ours(text):
    assert parse("wg0", text) is None


def test_a_hub_sends_on_only_what_comes_out_of_the_tunnel():
    hub = dataclasses.replace(WANTED, addresses=("10.86.0.1/16",), forward=True)
    switch = "/proc/sys/net/ipv4/conf/%i/forwarding"
    assert f"PostUp = grep -q 1 {switch} || echo 1 >{switch} || true\n" in render(hub)
    assert "ipv6" not in render(hub)


@pytest.mark.parametrize(
    ("endpoint", "is_a_name"),
    [("gpu-02:51820", True), ("gpu.example.com:1", True), ("192.0.2.2:51820", False), ("[fd00::2]:51820", False), ("", False)],
)
def test_named(endpoint, is_a_name):
    assert named(endpoint) is is_a_name


def test_another_text_of_rotation_is_another_file():
    assert len({key_file(""), key_file("a"), key_file("b")}) == 3
    assert key_file("a") == key_file("a")


def test_who_could_not_be_asked_keeps_its_entry_and_who_has_none_is_left_out():
    unknown = [dataclasses.replace(NEAR, public_key=""), dataclasses.replace(FAR, name="new", public_key=""), LAPTOP]
    assert fill_in(unknown, WANTED) == ((NEAR, LAPTOP), ["gpu-02"], ["new"])
    assert fill_in(unknown, None) == ((LAPTOP,), [], ["gpu-02", "new"])


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        pytest.param({}, Plan(), id="as-wanted"),
        pytest.param(
            {"differing": ["conf"], "enabled": False, "running": False, "live": None, "previous": None},
            Plan(write=("conf",), enable=True, start=True), id="a-virgin-host",
        ),
        pytest.param({"running": False, "live": None}, Plan(start=True), id="somebody-stopped-it"),
        pytest.param({"enabled": False}, Plan(enable=True), id="it-would-not-start-at-boot"),
        pytest.param({"live": None}, Plan(restart=True, reasons=("the interface is gone",)), id="wireguard-go-has-died"),
        pytest.param({"differing": ["conf"]}, Plan(write=("conf",)), id="only-the-file-was-edited"),
        pytest.param({"live": live(public_key="OLD")}, Plan(sync=True), id="a-new-key-that-a-killed-run-did-not-bring-in"),
        pytest.param({"live": live(port=1)}, Plan(sync=True), id="another-port-goes-without-a-restart"),
        pytest.param({"live": live(peers={})}, Plan(sync=True), id="peers-are-missing"),
        pytest.param({"live": live(peers={**LIVE.peers, "?": LivePeer(frozenset())})}, Plan(sync=True), id="a-peer-too-many"),
        pytest.param({"live": with_peer(NEAR.public_key, allowed=frozenset())}, Plan(sync=True), id="a-peer-may-not-what-it-should"),
        pytest.param({"live": with_peer(FAR.public_key, keepalive=0)}, Plan(sync=True), id="another-keepalive"),
        pytest.param({"live": with_peer(NEAR.public_key, endpoint="192.0.2.7:1")}, Plan(), id="who-talks-to-us-may-be-elsewhere"),
        pytest.param(
            {"live": with_peer(NEAR.public_key, endpoint="192.0.2.7:1", handshake=None)}, Plan(sync=True),
            id="who-is-silent-is-looked-for-where-he-should-be",
        ),
        pytest.param({"live": with_peer(FAR.public_key, endpoint="", handshake=None)}, Plan(), id="a-name-is-looked-up-by-the-timer"),
        pytest.param({"watched": False}, Plan(watch=True), id="the-timer-is-stopped"),
        pytest.param(
            {"live": live(addresses=frozenset({"10.86.0.5/16"}))}, Plan(restart=True, reasons=("its addresses are 10.86.0.5/16",)),
            id="another-address",
        ),
        pytest.param({"others": ["wg7"], "surplus": ["old"]}, Plan(retire=("wg7",), remove=("old",)), id="it-had-another-name"),
        pytest.param(
            {"previous": dataclasses.replace(WANTED, mtu=1300), "live": live(mtu=1300)},
            Plan(restart=True, reasons=("its MTU is 1300",)), id="no-mtu-any-more",
        ),
        pytest.param(
            {"previous": dataclasses.replace(WANTED, forward=True)}, Plan(restart=True, reasons=("it is no hub any more",)),
            id="no-hub-any-more",
        ),
    ],
)  # fmt: skip
def test_make_plan(state, expected):
    assert plan(**state) == expected


def test_another_mtu_starts_it_anew_and_the_same_does_not():
    wanted = dataclasses.replace(WANTED, mtu=1380)
    assert plan(wanted).reasons == ("its MTU is 1420",)
    assert plan(wanted, live=live(mtu=1380)) == Plan()


def test_a_hub_learns_to_forward_while_it_runs():
    assert plan(dataclasses.replace(WANTED, forward=True), forwards=False) == Plan(forward=True)


def test_leaving_takes_all_of_ours():
    assert make_plan(None, others=["wg0"], surplus=["conf", "key"]) == Plan(retire=("wg0",), remove=("conf", "key"))
    assert make_plan(None) == Plan()


def test_syncing_moves_nobody_who_talks_to_us():
    moved = with_peer(NEAR.public_key, endpoint="192.0.2.77:4")
    text = sync_text(WANTED, "SECRET", WANTED, moved)
    assert "Endpoint" not in text
    assert text.startswith("[Interface]\nPrivateKey = SECRET\nListenPort = 51820\n[Peer]\n")
    assert text.count("PersistentKeepalive = off") == 2
    declared = dataclasses.replace(WANTED, peers=(dataclasses.replace(NEAR, endpoint="192.0.2.99:51820"), FAR, LAPTOP))
    assert "Endpoint = 192.0.2.99:51820" in sync_text(declared, "SECRET", WANTED, moved)
    assert "Endpoint = 192.0.2.2:51820" in sync_text(WANTED, "SECRET", WANTED, live(peers={}))
