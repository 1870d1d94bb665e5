"""Nothing that is read is run, and no network is used unless a download was asked for."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest
import yaml
from test_imports import ROOT, SOURCES, imports_of, name, none, offenders, tree

from repro.config import parsing

OURS = [path for folder in ("symbols", "repro", "experiments") for path in SOURCES[folder]]
UNPICKLING = {"pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "jsonpickle", "dbm"}
NETWORK = {"socket", "ssl", "http", "urllib", "urllib3", "requests", "ftplib", "smtplib", "poplib", "imaplib",
           "nntplib", "telnetlib", "socketserver", "xmlrpc", "asyncio", "aiohttp", "httpx", "paramiko", "websocket"}
LISTENS = {"repro/training/cluster.py"}  # HOSTS=: the processes of one training, on the machines that the user names
DOWNLOADS = {"repro/models/imagenet.py"}  # PRETRAINED=resnet50_v1, the one thing that is ever downloaded
RUNS = {"eval", "exec", "compile", "__import__"}
SHELLS = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "pty.spawn"}


def called(node: ast.Call) -> str:
    """What is called, as it is written: ``np.load``; "" for what has no name."""
    parts, function = [], node.func
    while isinstance(function, ast.Attribute):
        parts.append(function.attr)
        function = function.value
    return ".".join(reversed([*parts, function.id])) if isinstance(function, ast.Name) else f".{'.'.join(parts[::-1])}"


def _given(node: ast.Call, keyword: str):
    """A keyword's value: a constant, "something" for another expression, None if it is not given."""
    for one in node.keywords:
        if one.arg == keyword:
            return one.value.value if isinstance(one.value, ast.Constant) else getattr(one.value, "id", "something")
    return None


def unsafe(source: ast.Module):
    """What a source does that could run what it reads: (line, what)."""
    found = []
    for node in ast.walk(source):
        if not isinstance(node, ast.Call):
            continue
        call = called(node)
        last, shell = call.rpartition(".")[2], _given(node, "shell")
        bad = (call in RUNS or call in SHELLS or shell not in (None, False)
               or call in ("yaml.unsafe_load", "yaml.full_load", "yaml.load_all", "yaml.unsafe_load_all")
               or call == "yaml.load" and _given(node, "Loader") not in ("_NoDuplicates", "SafeLoader")
               or last == "load" and _given(node, "allow_pickle") not in (None, False)
               or last in ("load_states", "save_states", "read_pickle", "to_pickle", "load_module")
               or call == "importlib.import_module" and not isinstance(node.args[0], (ast.Constant, ast.JoinedStr)))
        found += [(node.lineno, call)] if bad else []
    return found


UNSAFE = ("eval('1')", "exec(x)", "__import__(x)", "compile(x, '', 'exec')", "yaml.load(x)",
          "yaml.load(x, Loader=yaml.Loader)", "yaml.unsafe_load(x)", "np.load(x, allow_pickle=True)",
          "np.load(x, allow_pickle=y)", "subprocess.run(x, shell=True)", "os.system(x)",
          "a().b.load_states(x)", "importlib.import_module(x)")
SAFE = ("re.compile(x)", "yaml.load(x, Loader=_NoDuplicates)", "yaml.safe_load(x)", "np.load(x)",
        "subprocess.run([x])", "importlib.import_module(f'a.{x}')", "json.load(x)",
        "subprocess.Popen(x, shell=False)")


def test_unsafe_calls_are_seen():
    assert not [text for text in UNSAFE if not unsafe(ast.parse(text))]
    assert not [text for text in SAFE if unsafe(ast.parse(text))]


def test_nothing_that_is_read_is_run():
    assert {name(path) for path in OURS} >= {
        "repro/config/parsing.py", "experiments/lib/worker.py", "symbols/network.py"} and len(OURS) > 100
    none([(name(path), *found) for path in OURS for found in unsafe(tree(path))])
    none(offenders(OURS, lambda path, module: module.split(".")[0] not in UNPICKLING))


def test_no_network_is_used_but_where_it_was_asked_for():
    """Sockets in LISTENS, downloads in DOWNLOADS; a model zoo downloads where it is asked for values."""
    listening, downloading = set(), set()
    for path in OURS:
        place, modules = name(path), imports_of(path)
        network = {module.split(".")[0] for module in modules} & NETWORK
        if network:
            assert network == {"socket"}, place
            listening.add(place)
        if any(one.endswith(("model_store.get_model_file", ".download")) for one in modules):
            downloading.add(place)
        zoo = any(one.startswith(("gluoncv", "mxnet.gluon.model_zoo")) for one in modules)
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call):
                assert called(node).rpartition(".")[2] not in (
                    "urlopen", "urlretrieve", "download", "from_pretrained"), (place, node.lineno)
                given = (_given(node, keyword) for keyword in ("pretrained", "pretrained_base")) if zoo else ()
                assert all(one in (None, False) for one in given), (place, node.lineno)
    assert (listening, downloading) == (LISTENS, DOWNLOADS)


def test_the_yaml_reader_makes_plain_values_alone(tmp_path):
    assert issubclass(parsing._NoDuplicates, yaml.SafeLoader)
    known = set(parsing._NoDuplicates.yaml_constructors)
    assert known == set(yaml.SafeLoader.yaml_constructors) and not any("python" in str(tag) for tag in known)
    (tmp_path / "a.yaml").write_text(f"!!python/object/apply:os.mkdir ['{tmp_path}/made']")
    with pytest.raises(parsing.UserError, match="not valid YAML"):
        parsing.read_yaml(tmp_path / "a.yaml")
    assert not (tmp_path / "made").exists()


OFFLINE = """
import socket, sys
def refused(*_, **__):
    raise AssertionError("a network was asked for")
class Refused(socket.socket):
    connect = connect_ex = bind = sendto = refused
socket.socket, socket.create_connection, socket.getaddrinfo = Refused, refused, refused
from experiments import predict
from experiments.lib import tables
assert predict.main(["--output", sys.argv[1]]) == 0
assert tables.render("5").startswith("#")
"""


def test_prediction_and_tables_need_no_network(tmp_path):
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", OFFLINE, str(tmp_path / "out")], cwd=ROOT,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout[-500:]
    assert (tmp_path / "out" / "scene_labelIds.png").is_file()
