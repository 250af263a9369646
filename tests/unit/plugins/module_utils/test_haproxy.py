# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What HAProxy 2.6 and 3.0 print at their sockets, read."""

from __future__ import annotations

import socketserver
import threading
from pathlib import Path

import pytest

from ansible_collections.llm.host.plugins.module_utils._haproxy import Balancer, BalancerError, Instance, Pool, User

SERVERS = """# pxname,svname,qcur,qmax,scur,slim,stot,status,qtime_max,
instances,gpu-1.default,1,0,2,4,70,UP,0,
instances,gpu-2.default,0,0,0,4,31,{second},0,
unqueued-instances,gpu-1.default,0,0,1,,9,UP,0,
unqueued-instances,gpu-2.default,0,0,0,,8,UP,0,

"""
BACKENDS = """# pxname,svname,qcur,qmax,scur,slim,stot,status,qtime_max,
users,BACKEND,0,0,0,200,0,UP,0,
instances,BACKEND,5,9,7,800,101,UP,12345,
unqueued-instances,BACKEND,0,0,1,800,17,UP,0,

"""
STATES = """1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight
6 instances 1 gpu-1.default 10.0.0.1 2 0 1
6 instances 2 gpu-2.default 10.0.0.2 2 {admin} 1

"""
OLD = "#<PID> <type> <reloads>\n1 master 1\n# workers\n70 worker 0\n# old workers\n60 worker 1\n# programs\n\n"
USERS = (
    "# table: users, type: string, size:20480, used:2\n"
    "0x55: key=a\\ b use=0 exp=3598944 gpc0=1 gpc0_rate(60000)=7 conn_cur=0\n"
    "0x7f: key=few use=1 exp=3599977 shard=0 gpc0=12 gpc0_rate(60000)=1 conn_cur=2\n\n"
)
REFUSALS = (
    "# table: refusals, type: string, size:20480, used:2\n"
    "0x55: key=concurrency\\ few use=0 exp=86399961 gpc0=3\n"
    "0x56: key=rate\\ few use=0 exp=86399961 gpc0=4\n"
    "0x57: key=full\\ gone use=0 exp=86399961 gpc0=1\n\n"
)


class Sockets:
    """HAProxy's two sockets: one answer for each command."""

    def __init__(self, folder: Path) -> None:
        self.paths = {"admin": str(folder / "admin"), "master": str(folder / "master")}
        self.said: list[str] = []
        self.answers = {
            "show servers state": STATES.format(admin=0),
            "show stat -1 4 -1": SERVERS.format(second="UP"),
            "show stat -1 2 -1": BACKENDS,
            "show proc": OLD,
            "@!60 show stat -1 4 -1": SERVERS.format(second="UP"),
            "show table users": USERS,
            "show table refusals": REFUSALS,
        }
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                command = self.rfile.readline().decode().rstrip("\n")
                outer.said.append(command)
                self.wfile.write(outer.answers.get(command, "\n").encode())

        for path in self.paths.values():
            threading.Thread(target=socketserver.UnixStreamServer(path, Handler).serve_forever, daemon=True).start()


@pytest.fixture
def sockets(tmp_path) -> Sockets:
    return Sockets(tmp_path)


@pytest.fixture
def balancer(sockets) -> Balancer:
    return Balancer(**sockets.paths)


def test_what_runs_counts_wherever_it_runs(balancer):
    """In the pool and beside it, in this process and in the one that was reloaded."""
    assert balancer.instances() == [
        Instance("gpu-1.default", "instances", up=True, state="ready", running=6, waiting=1, slots=4, served=70),
        Instance("gpu-2.default", "instances", up=True, state="ready", running=0, waiting=0, slots=4, served=31),
    ]


@pytest.mark.parametrize(
    ("admin", "status", "state", "up"),
    [
        (0, "DOWN", "ready", False),
        (0, "UP 1/3", "ready", True),
        (8, "DRAIN", "drain", True),
        (8, "DOWN", "drain", False),
        (1, "MAINT", "maint", False),
        # Its weight was saved as well.
        (32, "UP", "ready", True),
    ],
)
def test_what_an_administrator_wants_is_known_of_an_instance_that_is_down_as_well(balancer, sockets, admin, status, state, up):
    sockets.answers["show servers state"] = STATES.format(admin=admin)
    sockets.answers["show stat -1 4 -1"] = SERVERS.format(second=status)
    second = balancer.instances()[1]
    assert (second.state, second.up) == (state, up)


def test_who_waits_for_one_instance_waits_in_the_pool(balancer):
    assert balancer.pools(balancer.instances()) == [Pool("instances", waiting=6, longest_wait=12.345)]


def test_users_are_those_who_were_let_in_or_refused(balancer):
    assert balancer.users() == [
        User("a b", requests=0, served=1, refused=0),
        User("few", requests=2, served=12, refused=7),
        User("gone", requests=0, served=0, refused=1),
    ]


def test_a_state_is_set_in_the_pool(balancer, sockets):
    balancer.set_state(balancer.instances()[1], "drain")
    assert sockets.said[-1] == "set server instances/gpu-2.default state drain"


def test_what_haproxy_refuses_is_said(balancer, sockets):
    sockets.answers["set server instances/gpu-1.default state drain"] = "No such server.\n\n"
    with pytest.raises(BalancerError, match=r"does not set gpu-1.default to drain: No such server"):
        balancer.set_state(balancer.instances()[0], "drain")


def test_where_haproxy_does_not_run_it_is_said(tmp_path):
    with pytest.raises(BalancerError, match=r"HAProxy does not answer at .*/admin .*: see systemctl status haproxy"):
        Balancer(admin=str(tmp_path / "admin"), master=str(tmp_path / "master")).instances()
