# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DKMS: what it is asked, and what is said of a build that fails."""

from __future__ import annotations

import pytest

from ansible_collections.llm.host.plugins.module_utils._driver_build import BuildError, Dkms, Source, first_error, parse_status

KERNEL = "6.12.107+deb13-amd64"
SOURCE = Source("nvidia-current-open", "550.163.01")
STATUS = f"""nvidia-current/550.163.01, {KERNEL}, x86_64: installed
nvidia-current/550.163.01, 6.12.90+deb13-amd64, x86_64: built
nvidia-current/550.163.01, 6.1.0-40-amd64, x86_64: installed (Original modules exist)
nvidia-current-open/550.163.01, {KERNEL}, x86_64: installed
"""
LOG = """  CC [M]  /trial/build/nvidia/nv-pci.o
/trial/build/nvidia/nv-pci.c: In function 'nv_resize_pcie_bars':
/trial/build/nvidia/nv-pci.c:247:9: error: too few arguments to function 'pci_resize_resource'
make[2]: *** [Makefile.build:287: /trial/build/nvidia/nv-pci.o] Error 1
"""


@pytest.fixture
def dkms(tmp_path):
    """With a dkms that keeps its commands and fails to build where ``fails`` says so."""

    def run(args, *, environ_update):
        dkms.commands.append(args)
        if args[0] == "dpkg-deb":
            configuration = tmp_path / "trial/package/usr/src/nvidia-current-open-550.163.01/dkms.conf"
            configuration.parent.mkdir(parents=True)
            configuration.write_text('PACKAGE_NAME="nvidia-current-open"\nPACKAGE_VERSION="550.163.01"\n')
        if args[1] == "build" and dkms.fails:
            log = tmp_path / "trial/dkms/nvidia-current-open/550.163.01/build/make.log"
            log.parent.mkdir(parents=True)
            log.write_text(LOG.replace("/trial/build", str(log.parent)))
            return 10, "", "Error! Bad return status for module build\n"
        return 0, STATUS if args[1] == "status" else "", ""

    dkms = Dkms(run, trial=tmp_path / "trial", logs=tmp_path / "log", root=tmp_path)
    dkms.commands, dkms.fails = [], False
    return dkms


def test_kernels_with_modules():
    assert parse_status(STATUS, Source("nvidia-current", "550.163.01")) == {KERNEL, "6.1.0-40-amd64"}
    assert parse_status(STATUS, Source("nvidia", "550.163.01")) == set()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(LOG, "nvidia/nv-pci.c:247:9: error: too few arguments to function 'pci_resize_resource'", id="compiler"),
        pytest.param(
            "x\nfatal error: linux/x.h: No such file or directory\n",
            "fatal error: linux/x.h: No such file or directory",
            id="missing-header",
        ),
        pytest.param(
            "ld: cannot write: No space left on device\nmake: *** [x] Error 1\n", "ld: cannot write: No space left on device", id="disk"
        ),
        pytest.param("Error! Your kernel headers cannot be found\n", "Error! Your kernel headers cannot be found", id="dkms-itself"),
        pytest.param("one\ntwo\n\n", "two", id="last-line"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_first_error(text, expected):
    assert first_error(text, "/trial/build/") == expected


def test_a_build_happens_in_a_tree_of_its_own(dkms, tmp_path):
    (source,) = dkms.unpack(tmp_path / "nvidia-open-kernel-dkms_550.163.01-2_amd64.deb")
    dkms.try_build(source, KERNEL)
    assert source == SOURCE
    assert (tmp_path / "trial/src/nvidia-current-open-550.163.01/dkms.conf").is_file()
    assert dkms.commands[-1][-4:] == ["--dkmstree", str(tmp_path / "trial/dkms"), "--sourcetree", str(tmp_path / "trial/src")]


def test_a_failed_build_names_module_kernel_cause_and_log(dkms, tmp_path):
    dkms.fails = True
    with pytest.raises(BuildError) as caught:
        dkms.try_build(SOURCE, KERNEL)
    log = tmp_path / "log" / f"nvidia-current-open-550.163.01-{KERNEL}.log"
    assert str(caught.value) == (
        f"nvidia-current-open 550.163.01 does not compile for the kernel {KERNEL}: nvidia/nv-pci.c:247:9: error: "
        f"too few arguments to function 'pci_resize_resource' (the whole log: {log})."
    )
    assert "Makefile.build" in log.read_text()


def test_what_was_built_goes_where_scripts_of_packages_look(dkms, tmp_path):
    names = [path.relative_to(tmp_path / "usr/share").as_posix() for path in dkms.handed(SOURCE, "nvidia-open-kernel-dkms")]
    assert names == [
        f"{name}/nvidia-current-open-550.163.01.dkms.tar.gz" for name in ("nvidia-current-open-dkms", "nvidia-open-kernel-dkms")
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param('PACKAGE_NAME="nvidia"\nPACKAGE_VERSION="580.95.05"\n', Source("nvidia", "580.95.05"), id="literal"),
        pytest.param("PACKAGE_NAME=nvidia # x\nPACKAGE_VERSION=$(cat v)\n", Source("nvidia", "1.2"), id="computed-ones-from-the-directory"),
    ],
)
def test_sources_of_a_package(dkms, tmp_path, text, expected):
    place = tmp_path / "usr/src/nvidia-1.2"
    place.mkdir(parents=True)
    (place / "dkms.conf").write_text(text)
    assert dkms.sources_among(
        ["/usr/src", "/usr/src/nvidia-1.2/dkms.conf", "/usr/src/gone-1/dkms.conf", "/usr/src/nvidia-1.2/x/dkms.conf"]
    ) == [expected]
