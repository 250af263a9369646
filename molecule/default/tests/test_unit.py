# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the units of Ollama may do on their host."""

from __future__ import annotations

import re

from ansible_collections.llm.host.plugins.plugin_utils._sandbox import sandbox

SETTINGS = {"home": "/usr/share/ollama", "models_dir": "/usr/share/ollama/.ollama/models", "hardening": {}}


def exposure(text):
    return float(re.search(r"exposure level for \S+ ([\d.]+)", text).group(1))


def test_the_units_are_exposed_to_little(host):
    for name in host.check_output("systemctl list-units --plain --no-legend 'ollama.service' 'ollama@*.service' | cut -d' ' -f1").split():
        assert exposure(host.check_output(f"systemd-analyze security --no-pager {name}")) <= 1.5, name


def test_so_are_those_of_hosts_with_gpus(host):
    unit = f"[Service]\nExecStart=/bin/true\nUser=daemon\n{sandbox(SETTINGS, gpus=['amd', 'intel', 'nvidia'])}\n"
    host.check_output("printf %%s %s > /run/gpus.service", unit)
    assert exposure(host.check_output("systemd-analyze security --no-pager --offline=true /run/gpus.service")) <= 2.0


PROBE = """
for place in /run/lock /opt "$OLLAMA_MODELS" /tmp; do touch "$place/probe" && rm "$place/probe" && echo "$place"; done
echo; ls /dev /tmp /home; head -c 1 /proc/1/environ; head -n 1 /proc/meminfo
python3 -c 'import socket; server = socket.create_server(("127.0.0.1", 0)); socket.create_connection(server.getsockname()); print("loopback")'
"""
UNIT = """
[Service]
Type=oneshot
ExecStart=/bin/sh /run/probe
StandardOutput=truncate:/run/probe.out
StandardError=null
"""


def test_it_sees_and_changes_its_own_data_and_nothing_else(host):
    """Another program in the place of Ollama, with its drop-in. Everybody may write into /run/lock, and has seen what lies in /tmp."""
    for path, text in (("/run/probe", PROBE), ("/run/systemd/system/probe.service", UNIT), ("/tmp/others", "")):
        host.check_output("printf %%s %s > %s", text, path)
    host.check_output(
        "cd /run/systemd/system && mkdir -p probe.service.d && ln -sf /etc/systemd/system/ollama.service.d/10-llm-host.conf probe.service.d/ && "
        "systemctl daemon-reload && systemctl start probe"
    )
    written, _, seen = host.check_output("cat /run/probe.out").partition("\n\n")
    store = host.check_output("systemctl show -P Environment ollama | tr ' ' '\\n' | sed -n 's/^OLLAMA_MODELS=//p'")
    assert written.split() == [store, "/tmp"]
    assert {"null", "urandom", "MemTotal:", "loopback"} <= set(seen.split())
    assert not {"mem", "kmsg", "fuse", "loop-control", "others"} & set(seen.split())
