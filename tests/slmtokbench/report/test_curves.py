from espnet_st.slmtokbench.report.curves import read_curves
from espnet_st.slmtokbench.report.plots import plot_curves

LINE = (
    "[host] 2024-01-01 00:00:00,000 (trainer:360) INFO: {0}epoch results: "
    "[train] iter_time=0.1, loss={1}, optim0_lr0=1.000e-04, train_time=1.2, "
    "time=5.11 seconds, total_count=8, gpu_max_cached_mem_GB=0.000, "
    "[valid] loss={2}, time=1.01 seconds, total_count=2\n"
)


def test_reads_epochs_of_all_logs(tmp_path):
    (tmp_path / "train.1.log").write_text(LINE.format(1, 3.5, "nan"))
    (tmp_path / "train.log").write_text(LINE.format(2, "2.5e-01", 0.5))
    curves = read_curves(tmp_path)
    assert curves["train"]["loss"] == [(1, 3.5), (2, 0.25)]
    assert curves["valid"]["loss"][1] == (2, 0.5)
    assert plot_curves(curves, ["loss", "absent"], "t", tmp_path / "c.png") == ["loss"]


def test_nothing_logged_draws_nothing(tmp_path):
    assert read_curves(tmp_path) == {}
    assert plot_curves({}, ["loss"], "t", tmp_path / "c.png") == []
    assert not (tmp_path / "c.png").exists()


def test_reads_the_teachers_curve(tmp_path):
    rows = '[{"step": 100, "seconds": 9, "train_loss": 4.0, "valid_per": 98}]'
    (tmp_path / "curve.json").write_text(rows)
    curves = read_curves(tmp_path)
    assert curves == {"train": {"loss": [(100, 4.0)]}, "valid": {"per": [(100, 98)]}}
