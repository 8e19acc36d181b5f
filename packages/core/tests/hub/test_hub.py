"""Hub: folders, repositories, checkpoints and downloads, from a real HTTP server on this machine."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import os
import pathlib
import sys
import threading
import zipfile
from urllib.error import HTTPError, URLError

import pytest

import flambeau
from flambeau import hub

HUBCONF = '''
dependencies = ["json"]
import helper_beside_hubconf as helper
import flambeau

def net(width=2, bias=True):
    """A net."""
    import lazily_imported
    return flambeau.nn.Linear(width, lazily_imported.OUT, bias=bias)

def _private():
    pass

NUMBER = 3
'''


@pytest.fixture
def repository():
    """The files of a repository, by name."""
    return {
        "hubconf.py": HUBCONF,
        "helper_beside_hubconf.py": "",
        "lazily_imported.py": "OUT = 5",
    }


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(hub, "_folder", None)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    before = list(sys.path)
    yield
    assert sys.path == before
    for name in ("helper_beside_hubconf", "lazily_imported"):
        sys.modules.pop(name, None)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.seen.append((self.path, dict(self.headers)))
        status, body, length = server.pages.get(self.path, (404, b"", None))
        self.send_response(status)
        if length != "unknown":
            self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.pages, made.seen = {}, []
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    made.url = f"http://127.0.0.1:{made.server_address[1]}"
    monkeypatch.setattr(hub, "_GITHUB", made.url)
    monkeypatch.setattr(hub, "_GITHUB_API", made.url + "/api")
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def archive(files, top="owner-name-0a1b2c"):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as file:
        for name, text in files.items():
            file.writestr(f"{top}/{name}", text)
    return data.getvalue()


def publish(server, files, ref="main"):
    server.pages["/owner/name/tree/main/"] = 200 if ref == "main" else 404, b"", None
    branches = [{"name": ref, "commit": {"sha": "0a1b2c"}}]
    server.pages["/api/repos/owner/name/branches?per_page=100&page=1"] = (
        200,
        json.dumps(branches).encode(),
        None,
    )
    for kind, page in (("branches", 2), ("tags", 1)):
        server.pages[f"/api/repos/owner/name/{kind}?per_page=100&page={page}"] = 200, b"[]", None
    server.pages[f"/owner/name/zipball/{ref}"] = 200, archive(files), None


# -- folders


def test_local_folder(tmp_path, repository):
    for name, text in repository.items():
        (tmp_path / name).write_text(text)
    net = hub.load(tmp_path, "net", 3, source="local", bias=False)
    assert tuple(net.weight.shape) == (5, 3) and net.bias is None
    with pytest.raises(RuntimeError, match="Cannot find callable nothing"):
        hub.load(tmp_path, "nothing", source="local")
    with pytest.raises(RuntimeError, match="Cannot find callable NUMBER"):
        hub.load(tmp_path, "NUMBER", source="local")
    with pytest.raises(ValueError, match="should be a string"):
        hub.load(tmp_path, 3, source="local")


def test_what_is_missing_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="no hubconf.py"):
        hub.load(tmp_path, "net", source="local")
    (tmp_path / "hubconf.py").write_text(
        "dependencies = ['surely_not_there', 'json', 'nor_this']\ndef f(): pass"
    )
    with pytest.raises(RuntimeError, match="Missing dependencies: surely_not_there, nor_this"):
        hub.load(tmp_path, "f", source="local")
    with pytest.raises(ValueError, match="Unknown source"):
        hub.load(tmp_path, "f", source="cloud")


def test_folder_of_the_hub(tmp_path, monkeypatch):
    assert hub.get_dir() == str(tmp_path / "home" / "hub")
    monkeypatch.delenv("TORCH_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert hub.get_dir() == "/cache/torch/hub"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert hub.get_dir() == os.path.expanduser("~/.cache/torch/hub")
    hub.set_dir("~/x")
    assert hub.get_dir() == os.path.expanduser("~/x")


# -- repositories


def test_repository_is_fetched_once(server, repository, capsys):
    publish(server, repository)
    assert hub.list("owner/name", trust_repo=True) == ["net"]
    assert "Downloading" in capsys.readouterr().out
    fetched = len([p for p, _ in server.seen if "zipball" in p])
    assert hub.help("owner/name:main", "net") == "A net."
    assert "Using cache found in" in capsys.readouterr().err
    assert hub.load("owner/name", "net", verbose=False).weight.shape == (5, 2)
    assert capsys.readouterr().err == ""
    assert len([p for p, _ in server.seen if "zipball" in p]) == fetched == 1
    assert sorted(os.listdir(hub.get_dir())) == ["owner_name_main", "trusted_list"]
    assert pathlib.Path(hub.get_dir(), "trusted_list").read_text() == "owner_name\n"

    publish(server, {**repository, "lazily_imported.py": "OUT = 6"})
    sys.modules.pop("lazily_imported")
    assert hub.load("owner/name", "net", force_reload=True).weight.shape == (6, 2)


def test_master_and_branches_with_a_slash(server, repository):
    publish(server, repository, ref="master")
    assert hub.list("owner/name", trust_repo=True) == ["net"]
    publish(server, repository, ref="a/b")
    assert hub.list("owner/name:a/b") == ["net"]
    assert {"owner_name_master", "owner_name_a_b"} <= set(os.listdir(hub.get_dir()))


def test_branch_of_a_fork_is_refused(server, repository):
    publish(server, repository)
    server.pages["/owner/name/zipball/other"] = server.pages["/owner/name/zipball/main"]
    with pytest.raises(ValueError, match="Cannot find other in"):
        hub.list("owner/name:other", trust_repo=True)
    assert hub.list("owner/name:other", trust_repo=True, skip_validation=True) == ["net"]


def test_token_is_sent_and_left_out_where_it_is_refused(server, repository, monkeypatch):
    publish(server, repository)
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    hub.list("owner/name", trust_repo=True)
    sent = [
        headers.get("Authorization") for path, headers in server.seen if path.startswith("/api")
    ]
    assert sent == ["token secret"]
    assert not [h for p, h in server.seen if not p.startswith("/api") and "Authorization" in h]


def test_trust(server, repository, monkeypatch):
    publish(server, repository)
    asked = []

    def answer(text):
        return lambda question: asked.append(question) or text

    monkeypatch.setattr("builtins.input", answer(""))
    with pytest.raises(Exception, match="Untrusted repository"):
        hub.list("owner/name")
    monkeypatch.setattr("builtins.input", answer("maybe"))
    with pytest.raises(ValueError, match="Unrecognized response"):
        hub.list("owner/name")
    monkeypatch.setattr("builtins.input", answer("Y"))
    assert hub.list("owner/name") == ["net"]
    assert len(asked) == 3
    hub.list("owner/name")
    assert len(asked) == 3
    hub.list("owner/name", trust_repo=False)
    assert len(asked) == 4
    with pytest.raises(ValueError, match="trust_repo"):
        hub.list("owner/name", trust_repo="yes")


def test_hostile_archive_is_refused(server, repository):
    publish(server, {**repository, "../../evil.py": "x"})
    with pytest.raises(RuntimeError, match="outside of its folder"):
        hub.list("owner/name", trust_repo=True)
    assert os.listdir(hub.get_dir()) == ["trusted_list"]


def test_failed_reload_leaves_the_copy(server, repository):
    publish(server, repository)
    hub.list("owner/name", trust_repo=True)
    server.pages["/owner/name/zipball/main"] = 500, b"", None
    with pytest.raises(HTTPError):
        hub.list("owner/name", force_reload=True)
    assert hub.list("owner/name") == ["net"]


def test_without_a_network(server, repository, monkeypatch):
    publish(server, repository)
    hub.list("owner/name", trust_repo=True)
    monkeypatch.setattr(hub, "_GITHUB", "http://127.0.0.1:9")
    assert hub.list("owner/name") == ["net"]
    with pytest.raises(RuntimeError, match="no internet connection"):
        hub.list("owner/other", trust_repo=True)
    with pytest.raises(ValueError, match="owner/name"):
        hub.list("name")


# -- files


def test_download(server, tmp_path, capsys):
    data = os.urandom(300_000)
    server.pages["/file"] = 200, data, None
    hub.download_url_to_file(server.url + "/file", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == data
    assert "100%" in capsys.readouterr().err
    server.pages["/file"] = 200, data, "unknown"
    prefix = hashlib.sha256(data).hexdigest()[:8]
    hub.download_url_to_file(server.url + "/file", str(tmp_path / "b"), prefix, progress=False)
    assert (tmp_path / "b").read_bytes() == data
    assert capsys.readouterr().err == ""


def test_bad_download_leaves_nothing_and_the_old_file(server, tmp_path):
    server.pages["/file"] = 200, b"abc", None
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(RuntimeError, match="invalid hash value"):
        hub.download_url_to_file(server.url + "/file", tmp_path / "a", "00", progress=False)
    server.pages["/file"] = 200, b"abc", 10
    with pytest.raises(RuntimeError, match="3 of 10 bytes"):
        hub.download_url_to_file(server.url + "/file", tmp_path / "a", progress=False)
    with pytest.raises(HTTPError):
        hub.download_url_to_file(server.url + "/none", tmp_path / "a", progress=False)
    with pytest.raises(URLError):
        hub.download_url_to_file("http://127.0.0.1:9/x", tmp_path / "a", progress=False)
    assert os.listdir(tmp_path) == ["a"] and (tmp_path / "a").read_bytes() == b"old"


def checkpoint():
    data = io.BytesIO()
    flambeau.save({"w": flambeau.arange(3.0)}, data)
    return data.getvalue()


def test_state_dict(server, tmp_path, capsys):
    data = checkpoint()
    name = f"net-{hashlib.sha256(data).hexdigest()[:8]}.pth"
    server.pages[f"/{name}"] = 200, data, None
    for _ in range(2):
        state = hub.load_state_dict_from_url(f"{server.url}/{name}", check_hash=True)
        assert state["w"].tolist() == [0, 1, 2]
    assert len(server.seen) == 1
    assert os.listdir(os.path.join(hub.get_dir(), "checkpoints")) == [name]
    server.pages["/net-00000000.pth"] = 200, data, None
    with pytest.raises(RuntimeError, match="invalid hash"):
        hub.load_state_dict_from_url(f"{server.url}/net-00000000.pth", check_hash=True)
    other = hub.load_state_dict_from_url(
        f"{server.url}/net-00000000.pth", str(tmp_path / "m"), "cpu", False, file_name="other.pth"
    )
    assert other["w"].tolist() == [0, 1, 2] and os.listdir(tmp_path / "m") == ["other.pth"]


def test_zipped_state_dict(server):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as file:
        file.writestr("net.pth", checkpoint())
    server.pages["/net.zip"] = 200, data.getvalue(), None
    assert hub.load_state_dict_from_url(f"{server.url}/net.zip")["w"].tolist() == [0, 1, 2]
