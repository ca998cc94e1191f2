"""`mlstrat model onnx`: a capsule in, an ONNX file out, and how far the two are apart."""

import sys

import pytest
from forged import sample

from mlstrat.capsule import save
from mlstrat.onnx_export import to_onnx

pytest.importorskip("onnx", reason="the extra models is not installed")


@pytest.fixture
def capsule(tmp_path):
    path = tmp_path / "model.capsule"
    save(sample(), path)
    return path


def test_it_is_written_and_compared(mlstrat, capsule, tmp_path):
    pytest.importorskip("onnxruntime", reason="the extra models is not installed")
    path = tmp_path / "model.onnx"
    result = mlstrat("model", "onnx", capsule, "-o", path)
    assert result.exit_code == 0, result.stderr
    assert path.read_bytes() == to_onnx(sample())
    size = f"{path.stat().st_size:,}"
    assert f"written: {size} bytes; on 500 random rows it differs from the model by " in result.stdout


def test_it_is_written_where_nothing_can_run_it(mlstrat, capsule, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    path = tmp_path / "model.onnx"
    result = mlstrat("model", "onnx", capsule, "-o", path)
    assert result.exit_code == 0, result.stderr
    assert "not compared with the model: Running an ONNX model needs the package onnxruntime" in result.stdout
    assert path.read_bytes() == to_onnx(sample())


def test_a_mistake_is_one_sentence_and_writes_nothing(mlstrat, capsule, tmp_path, monkeypatch):
    path = tmp_path / "model.onnx"
    monkeypatch.setitem(sys.modules, "onnx.helper", None)
    lacking = mlstrat("model", "onnx", capsule, "-o", path)
    assert lacking.exit_code == 5
    assert "The ONNX export needs the package onnx" in lacking.stderr
    capsule.write_bytes(b"no model")
    damaged = mlstrat("model", "onnx", capsule, "-o", path)
    assert damaged.exit_code == 6
    assert "is not a model file of this program" in damaged.stderr
    assert not path.exists()
