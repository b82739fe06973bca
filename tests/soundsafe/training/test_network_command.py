"""`soundsafe train` of a network, on a folder of audio."""

import pytest
import soundfile

from soundsafe.cli import main


@pytest.mark.slow
def test_the_command_trains_on_a_folder_and_refuses_what_it_cannot_do(tmp_path, capsys, seconds):
    (tmp_path / "audio").mkdir()
    for name, audio in (("one", seconds[:2]), ("two", seconds[2:])):
        soundfile.write(tmp_path / "audio" / f"{name}.wav", audio.flatten().numpy(), 44_100)
    config = tmp_path / "tiny.toml"
    config.write_text('rs_payload_bytes = 1\nsteps = 10\nbatch = 1\nevaluate_every = 10\nsize = "small"\n')
    out = tmp_path / "out"
    run = ["train", str(config), "--data", str(tmp_path / "audio"), "--out", str(out)]
    manifest = tmp_path / "audio" / "manifest.csv"
    for text in ("", "file\none.wav\ntwo.wav\n", "file,split\none.wav,train\ntwo.wav,\n"):
        manifest.unlink(missing_ok=True)
        if text:
            manifest.write_text(text)
        with pytest.raises(SystemExit) as end:
            main(run)
        assert end.value.code == 2
        err = capsys.readouterr().err
        assert "would be both trained on and validated on: a manifest.csv must put each clip" in err
        assert err.count("\n") == 1
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "one.wav").write_text("no audio")
    with pytest.raises(SystemExit) as end:
        main(["train", str(config), "--data", str(tmp_path / "texts"), "--out", str(out)])
    assert end.value.code == 2
    err = capsys.readouterr().err
    assert "texts: none of its files can be read as audio: " in err
    assert err.count("\n") == 1
    assert not out.exists()
    manifest.write_text("file,split\none.wav,train\ntwo.wav,val\n")
    with pytest.raises(SystemExit) as end:
        main(run)
    assert end.value.code in (0, None)
    assert (out / "phase_C" / "model.safetensors").exists()
    figures = capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main([*run, "--resume"])
    assert end.value.code in (0, None)
    assert capsys.readouterr() == figures
    with pytest.raises(SystemExit) as end:
        main(run)
    assert end.value.code == 2
    assert "--resume" in capsys.readouterr().err
