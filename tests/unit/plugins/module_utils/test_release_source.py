# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import socket
import typing as t
from pathlib import Path

import pytest

from ansible_collections.llm.host.plugins.module_utils._release_source import Download, fetch_text
from ansible_collections.llm.host.plugins.module_utils._release_values import ReleaseError
from ansible_collections.llm.host.tests.unit.plugins.module_utils.release_support import Server, running_server, sha256

DATA = bytes(range(256)) * 5000
NAME = "/v1/x.tgz"


@pytest.fixture
def server() -> t.Iterator[Server]:
    with running_server() as running:
        running.files[NAME] = DATA
        yield running


class Fetch:
    """A download into a temporary directory, with the waits that it would have made."""

    def __init__(self, server: Server, part: Path, **changes: t.Any) -> None:
        self.waits: list[float] = []
        self.rooms: list[tuple[int, int]] = []
        options: dict[str, t.Any] = {
            "checksum": sha256(DATA),
            "timeout": 5,
            "room": lambda remaining, total: self.rooms.append((remaining, total)),
            "sleep": self.waits.append,
            **changes,
        }
        self.download = Download(f"{server.url}{NAME}", part, **options)


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "x.tgz.part"


def test_file_is_fetched_and_verified(server: Server, part: Path) -> None:
    fetch = Fetch(server, part)
    assert fetch.download.run() == len(DATA)
    assert part.read_bytes() == DATA
    assert fetch.rooms == [(len(DATA), len(DATA))]
    assert server.asked(NAME) == [""]


def test_part_of_an_earlier_run_is_continued(server: Server, part: Path) -> None:
    part.write_bytes(DATA[:1000])
    fetch = Fetch(server, part)
    fetch.download.run()
    assert part.read_bytes() == DATA
    assert server.asked(NAME) == ["bytes=1000-"]
    assert fetch.rooms == [(len(DATA) - 1000, len(DATA))]


def test_complete_part_of_an_earlier_run_needs_no_request(server: Server, part: Path) -> None:
    part.write_bytes(DATA)
    Fetch(server, part).download.run()
    assert server.requests == []


def test_connection_that_breaks_off_is_continued_by_the_same_run(server: Server, part: Path) -> None:
    server.cut_after = [300_000, 400_000]
    fetch = Fetch(server, part)
    fetch.download.run()
    assert part.read_bytes() == DATA
    assert server.asked(NAME) == ["", "bytes=300000-", "bytes=700000-"]
    assert fetch.waits == [2.0, 2.0]


def test_server_without_ranges_is_asked_from_the_start(server: Server, part: Path) -> None:
    server.ranges = False
    part.write_bytes(DATA[:1000])
    Fetch(server, part).download.run()
    assert part.read_bytes() == DATA


def test_server_without_ranges_that_breaks_off_never_makes_a_file_of_two_halves(server: Server, part: Path) -> None:
    server.ranges = False
    server.cut_after = [500_000]
    Fetch(server, part).download.run()
    assert part.read_bytes() == DATA


def test_server_that_sends_another_range_is_asked_from_the_start(server: Server, part: Path) -> None:
    server.wrong_range = True
    part.write_bytes(DATA[:1000])
    Fetch(server, part).download.run()
    assert part.read_bytes() == DATA
    assert server.asked(NAME) == ["bytes=1000-", ""]


@pytest.mark.parametrize("left", [b"x" * 1000, b"x" * len(DATA), b"x" * (len(DATA) + 5)], ids=len)
def test_part_of_another_file_is_thrown_away_once_and_fetched_again(server: Server, part: Path, left: bytes) -> None:
    part.write_bytes(left)
    Fetch(server, part).download.run()
    assert part.read_bytes() == DATA


def test_wrong_checksum_deletes_the_part_and_names_both(server: Server, part: Path) -> None:
    with pytest.raises(ReleaseError) as caught:
        Fetch(server, part, checksum="1" * 64).download.run()
    assert sha256(DATA) in str(caught.value)
    assert "1" * 64 in str(caught.value)
    assert "goes on serving" in str(caught.value)
    assert not part.exists()
    assert server.asked(NAME) == [""]


def test_redirect_keeps_the_range(server: Server, part: Path) -> None:
    server.redirect = "/elsewhere"
    part.write_bytes(DATA[:10])
    Fetch(server, part).download.run()
    assert part.read_bytes() == DATA
    assert server.asked(NAME)[-1] == "bytes=10-"


def test_server_that_is_down_for_a_moment_is_asked_again_with_growing_waits(server: Server, part: Path) -> None:
    server.statuses = [503, 500, 429]
    fetch = Fetch(server, part)
    fetch.download.run()
    assert fetch.waits == [2.0, 4.0, 8.0]


def test_server_that_stays_down_ends_in_a_sentence_and_the_part_stays(server: Server, part: Path) -> None:
    server.statuses = [500] * 9
    part.write_bytes(DATA[:1000])
    with pytest.raises(ReleaseError, match=r"answers 500 .*5 attempts\); 1000 bytes are kept in .*goes on from there"):
        Fetch(server, part).download.run()
    assert part.stat().st_size == 1000


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        pytest.param(404, "does not exist.*check version, architecture and url", id="not-there"),
        pytest.param(403, "answers 403.*credentials", id="forbidden"),
    ],
)
def test_final_refusal_is_not_repeated(server: Server, part: Path, status: int, sentence: str) -> None:
    server.statuses = [status]
    fetch = Fetch(server, part)
    with pytest.raises(ReleaseError, match=sentence):
        fetch.download.run()
    assert fetch.waits == []


def test_no_server_ends_in_a_sentence(server: Server, part: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{probe.getsockname()[1]}"
    download = Download(f"{address}/x", part, checksum="1" * 64, timeout=1, room=lambda *_: None, sleep=lambda _: None, attempts=2)
    with pytest.raises(ReleaseError, match=r"Cannot download .*refused.*2 attempts"):
        download.run()


def test_no_room_is_said_before_a_byte_is_written(server: Server, part: Path) -> None:
    def room(remaining: int, total: int) -> None:
        raise ReleaseError(f"no room for {remaining} of {total}")

    with pytest.raises(ReleaseError, match=f"no room for {len(DATA)} of {len(DATA)}"):
        Fetch(server, part, room=room).download.run()
    assert not part.exists()


def test_credentials_in_the_url_are_used_and_not_shown(server: Server, part: Path) -> None:
    server.statuses = [404]
    download = Download(
        f"{server.url.replace('://', '://user:secret@')}{NAME}",
        part,
        checksum="1" * 64,
        timeout=5,
        room=lambda *_: None,
    )
    with pytest.raises(ReleaseError) as caught:
        download.run()
    assert "secret" not in str(caught.value)


def test_text_is_fetched_again_when_it_was_cut(server: Server) -> None:
    server.files["/list"] = b"0123456789"
    server.cut_after = [4]
    assert fetch_text(f"{server.url}/list", timeout=5, sleep=lambda _: None) == "0123456789"


def test_text_of_the_size_of_an_archive_is_refused(server: Server) -> None:
    server.files["/list"] = bytes(3 << 20)
    with pytest.raises(ReleaseError, match="longer than a list of checksums can be"):
        fetch_text(f"{server.url}/list", timeout=5)
