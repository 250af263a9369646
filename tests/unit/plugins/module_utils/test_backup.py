# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is backed up and what is not, and that it comes back as it was."""

from __future__ import annotations

import dataclasses
import getpass
import grp
import hashlib
import json
import os
import tarfile

import pytest

from ansible_collections.llm.host.plugins.module_utils._backup import BackupError, Description, Entry, Places, read_description
from ansible_collections.llm.host.plugins.module_utils._backup_make import collect, write_archive
from ansible_collections.llm.host.plugins.module_utils._backup_restore import Identity, Restorer, make_plan
from ansible_collections.llm.host.plugins.module_utils._plan import Record

LIBRARY = "registry.ollama.ai/library"
LARGE = 100_000


class Host:
    """A host with its places below one directory."""

    def __init__(self, root):
        self.root = root
        self.places = Places(home=str(root / "home"), models=str(root / "models"), system=str(root))
        self.records: dict[str, Record] = {}

    def write(self, path, content="x", mode=0o644):
        whole = self.root / path
        whole.parent.mkdir(parents=True, exist_ok=True)
        whole.write_bytes(content if isinstance(content, bytes) else content.encode())
        whole.chmod(mode)
        return whole

    def blob(self, content):
        digest = hashlib.sha256(content).hexdigest()
        self.write(f"models/blobs/sha256-{digest}", content)
        return {"digest": f"sha256:{digest}", "size": len(content)}

    def model(self, name, *layers, built=False):
        """Returns the digest of its manifest."""
        config = self.blob(json.dumps({"of": name}).encode())
        content = json.dumps({"config": config, "layers": [self.blob(layer) for layer in layers]}) + ("\n" if built else "")
        self.write(f"models/manifests/{LIBRARY}/{name}/latest", content)
        return hashlib.sha256(content.encode()).hexdigest()

    def collect(self, pulled=()):
        return collect(self.places, host="gpu-01", made="20261125T100000Z", records=self.records, pulled=pulled)

    def archive(self):
        path = self.root.with_suffix(".tar.gz")
        path.unlink(missing_ok=True)
        contents = self.collect()
        write_archive(str(path), contents, self.places, owner=os.getuid())
        return path

    def plan(self, archive):
        return make_plan(read_description(str(archive)), self.places, self.records)

    def restore(self, archive):
        description = read_description(str(archive))
        me = Identity(getpass.getuser(), grp.getgrgid(os.getgid()).gr_name, self.places.home)
        Restorer(self.places, me, description, lambda command: (1, "", str(command))).apply(self.plan(archive), str(archive))

    def files(self):
        return {str(path.relative_to(self.root)): path.read_bytes() for path in sorted(self.root.rglob("*")) if path.is_file()}


@pytest.fixture(name="host")
def _host(tmp_path):
    """With a pulled model, a build of it, and what only it has."""
    host = Host(tmp_path / "host")
    base, weights = b"b" * LARGE, b"w" * LARGE
    host.model("pulled", base)
    host.model("built", base, b"a system prompt", built=True)
    host.model("imported", weights, built=True)
    host.write("home/.ollama/id_ed25519", "the key", 0o600)
    host.write("etc/systemd/system/ollama.service.d/mine.conf", "[Service]\n")
    return host


@pytest.fixture(name="bare")
def _bare(tmp_path):
    return Host(tmp_path / "bare")


def names(host, **options):
    return {entry.name for entry in host.collect(**options).description.entries}


def test_weights_that_can_be_pulled_are_left_out(host):
    description = host.collect().description
    assert [model["name"] for model in description.left_out] == ["pulled:latest"]
    blobs = {entry.path: entry.size for entry in description.entries if entry.is_blob}
    assert f"blobs/sha256-{hashlib.sha256(b'b' * LARGE).hexdigest()}" not in blobs
    assert f"blobs/sha256-{hashlib.sha256(b'w' * LARGE).hexdigest()}" in blobs
    assert set(description.models) == {"pulled:latest", "built:latest", "imported:latest"}


@pytest.mark.parametrize(
    ("ending", "pulled", "recorded", "expected"),
    [
        pytest.param("", [], False, False, id="as-a-registry-sent-it"),
        pytest.param("\n", [], False, True, id="as-ollama-writes-it"),
        pytest.param("\n", [f"{LIBRARY}/x:latest"], False, False, id="pulled-from-a-mirror-of-another-store"),
        pytest.param("\n", [f"{LIBRARY}/x:latest"], True, True, id="built-here-once-and-declared-otherwise-now"),
        pytest.param("", [], True, True, id="built-here-as-the-record-says"),
    ],
)
def test_a_model_is_built_or_pulled(bare, ending, pulled, recorded, expected):
    digest = bare.model("x", built=bool(ending))
    bare.records = {f"{LIBRARY}/x:latest": Record("f", digest)} if recorded else {}
    assert (f"models/manifests/{LIBRARY}/x/latest" in names(bare, pulled=pulled)) is expected


def test_a_version_that_was_kept_counts_as_what_it_was(bare):
    digest = bare.model("x", built=True)
    manifests = bare.root / f"models/manifests/{LIBRARY}/x"
    (manifests / "latest").rename(manifests / f"latest-{digest[:12]}")
    assert not any("manifests" in name for name in names(bare, pulled=[f"{LIBRARY}/x:latest"]))


def test_what_site_writes_from_the_inventory_is_left_out(host):
    for name in ("10-llm-host.conf", "secret.env"):
        host.write(f"etc/systemd/system/ollama.service.d/{name}", "TOKEN=x\n")
    host.write("etc/ollama/preload.json")
    assert {name for name in names(host) if name.startswith("system/")} == {"system/etc/systemd/system/ollama.service.d/mine.conf"}


def test_a_gateway_keeps_its_authority_and_its_accounts(bare):
    bare.write("etc/llm-gateway/tls/ca.key", "key", 0o600)
    bare.write("etc/letsencrypt/archive/llm-gateway/cert1.pem")
    bare.write("etc/letsencrypt/archive/other/cert1.pem")
    live = bare.root / "etc/letsencrypt/live/llm-gateway"
    live.mkdir(parents=True)
    (live / "cert.pem").symlink_to("../../archive/llm-gateway/cert1.pem")
    found = {entry.name: entry for entry in bare.collect().description.entries}
    assert found["system/etc/letsencrypt/live/llm-gateway/cert.pem"].target == "../../archive/llm-gateway/cert1.pem"
    assert found["system/etc/llm-gateway/tls/ca.key"].mode == 0o600
    assert not any("other" in name for name in found)


def test_a_bare_host_gets_it_all_and_a_second_time_nothing(host, bare):
    archive = host.archive()
    bare.restore(archive)
    kept = {name: content for name, content in host.files().items() if "/pulled/" not in name and content != b"b" * LARGE}
    assert bare.files() == {name: content for name, content in kept.items() if b'"pulled"' not in content}
    assert (bare.root / "home/.ollama/id_ed25519").stat().st_mode & 0o777 == 0o600
    assert not bare.plan(archive).changed


def test_the_archive_is_private_and_says_first_what_is_in_it(host):
    archive = host.archive()
    assert archive.stat().st_mode & 0o777 == 0o600
    with tarfile.open(archive) as members:
        listed = members.getnames()
    assert listed[:2] == ["llm-host-backup.json", "models.lock.yml"]
    assert "manifests" in listed[-1] and read_description(str(archive)).host == "gpu-01"


def test_nothing_new_has_the_same_fingerprint(host):
    first = host.collect().description
    assert dataclasses.replace(host.collect().description, made="later").fingerprint == first.fingerprint
    assert read_description(str(host.archive())).fingerprint == first.fingerprint
    host.write("home/.ollama/id_ed25519", "another key")
    assert host.collect().description.fingerprint != first.fingerprint


def test_what_differs_is_named_and_a_damaged_blob_is_put_right(host, bare):
    archive = host.archive()
    bare.restore(archive)
    weights = bare.root / f"models/blobs/sha256-{hashlib.sha256(b'w' * LARGE).hexdigest()}"
    weights.write_bytes(b"half")
    key = bare.write("home/.ollama/id_ed25519", "a newer key")
    plan = bare.plan(archive)
    assert plan.different == (str(key),)
    assert {entry.name for entry in plan.entries} == {"home/id_ed25519", f"models/blobs/{weights.name}"}


def test_a_record_that_says_otherwise_is_a_difference(host, bare):
    key, ours = f"{LIBRARY}/built:latest", Record("f", "d", lines=("FROM pulled",))
    host.records = {key: ours}
    archive = host.archive()
    assert bare.plan(archive).records == (key,) and not bare.plan(archive).different
    bare.records = {key: Record("other", "d")}
    assert bare.plan(archive).different[-1] == f"the record of how {key} was built"
    bare.records = {key: ours}
    assert bare.plan(archive).records == ()


def test_a_damaged_blob_is_no_backup(host):
    weights = host.root / f"models/blobs/sha256-{hashlib.sha256(b'w' * LARGE).hexdigest()}"
    weights.write_bytes(b"v" * LARGE)
    with pytest.raises(BackupError, match="is damaged, since its content is not what its name says"):
        host.archive()


def test_an_archive_that_breaks_off_leaves_no_model(host, bare):
    archive = host.archive()
    archive.write_bytes(archive.read_bytes()[:-300])
    with pytest.raises(BackupError, match="archive is damaged"):
        bare.restore(archive)
    assert not (bare.root / "models/manifests").exists()


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(Entry("system", "etc/passwd"), id="another-file"),
        pytest.param(Entry("system", "etc/ollama/../passwd"), id="a-way-out"),
        pytest.param(Entry("system", "etc/letsencrypt/x", kind="link", target="/etc/shadow"), id="a-link-out"),
        pytest.param(Entry("home", "authorized_keys"), id="not-the-identity"),
        pytest.param(Entry("root", "x"), id="another-place"),
    ],
)
def test_what_no_backup_has_is_not_taken(entry):
    content = json.loads(json.dumps(Description("gpu-01", entries=(entry,)).as_dict()))
    with pytest.raises(BackupError, match="was altered"):
        Description.from_dict(content)


@pytest.mark.parametrize("content", [{}, {"format": 1}, [], None])
def test_what_is_no_description_is_a_sentence(content):
    with pytest.raises(BackupError, match="is not a backup of this collection"):
        Description.from_dict(content)


def test_a_file_that_is_no_archive_is_a_sentence(tmp_path):
    (tmp_path / "x").write_text("x")
    with pytest.raises(BackupError, match="cannot be read as a backup"):
        read_description(str(tmp_path / "x"))


def test_the_lock_has_every_model():
    assert Description("h", models={"b:1": "d", "a:1": "e"}).lock() == '---\nollama_models_lock:\n  "a:1": sha256:e\n  "b:1": sha256:d\n'
    assert Description("h").lock() == "---\nollama_models_lock: {}\n"
