"""bf16 on devices with bf16 arithmetic, and a warning on others."""

from __future__ import annotations

import pytest
import torch

from pixelrec.numerics.precision import emulation_line, has_bf16, is_bf16, without_tf32

CPU = torch.device("cpu")
mkldnn = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this PyTorch lacks oneDNN")


def able(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    known = dict.fromkeys(("avx2", "avx512_f", "avx512_bf16", "amx_bf16"), False) | dict.fromkeys(words, True)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: known, raising=False)


@mkldnn
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["avx2"], False),
        (["avx2", "avx512_f"], False),
        (["avx2", "avx512_f", "avx512_bf16"], True),
        (["amx_bf16"], True),
        (["neon", "bf16"], True),
        (["neon"], False),
    ],
)
def test_only_fast_depends_on_the_device(
    monkeypatch: pytest.MonkeyPatch, words: list[str], expected: bool
) -> None:
    able(monkeypatch, *words)
    assert has_bf16(CPU) is is_bf16("fast", CPU) is expected
    assert is_bf16("bf16", CPU) and not is_bf16("fp32", CPU)


@mkldnn
def test_old_versions_of_pytorch_are_supported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    for answer in (True, False):
        monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda answer=answer: answer)
        assert has_bf16(CPU) is answer


def test_emulation_on_a_gpu_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def supported(including_emulation: bool = True) -> bool:
        asked.append(including_emulation)
        return False

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    assert not has_bf16(torch.device("cuda")) and asked == [False]
    assert emulation_line("bf16", torch.device("cuda")) is not None
    assert emulation_line("bf16", torch.device("mps")) is None, "nobody knows"


def test_fp32_is_never_tf32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    before = torch.get_float32_matmul_precision()
    with pytest.raises(KeyError), without_tf32():
        assert not torch.backends.cudnn.allow_tf32
        assert torch.get_float32_matmul_precision() == "highest"
        raise KeyError
    assert torch.backends.cudnn.allow_tf32 and torch.get_float32_matmul_precision() == before


def test_without_onednn_nothing_is_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    able(monkeypatch, "avx512_bf16")
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert not has_bf16(CPU)


def test_emulated_bf16_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    able(monkeypatch, "avx2")
    line = emulation_line("bf16", CPU)
    assert line is not None and line.startswith("precision bf16 is emulated here")
    assert "precision fast" in line
    assert all(emulation_line(word, CPU) is None for word in ("fp32", "fast", "auto"))


@mkldnn
def test_native_bf16_is_not_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    able(monkeypatch, "avx512_bf16")
    assert emulation_line("bf16", CPU) is None
