#!/usr/bin/env python3
"""CPU seconds of micodata beside those of video2dataset 1.3.0's exact path, in one run.

    tools/bench/video2dataset/compare.py bin/micodata testdata/media --python VENV/bin/python [--rounds 3]

VENV has requirements.txt installed. Both work on the same 720p file with the same cut
detector's settings, and take turns; each figure is the median of the rounds, user + system,
children included, nothing subtracted, and a ratio that of the rounds' own. video2dataset cuts at the scenes it detects
(cuts_are_clips), re-encodes (precision: exact: x264 medium, the source's size) and writes
the sound as MP3 beside each clip; micodata also makes a key frame and 8 frames a clip.
All is bound to one CPU, as in bench.py.
"""
import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import bench  # noqa: E402

THRESHOLD, MIN_FRAMES = 11.5, 15
LIMIT = 0.25
EXACT = {
    "subsampling": {
        "CutDetectionSubsampler": {
            "cuts_are_clips": True,
            "args": {"cut_detection_mode": "all", "framerates": None, "threshold": THRESHOLD, "min_scene_len": MIN_FRAMES}},
        "ClippingSubsampler": {"args": {"precision": "exact"}}},
    "reading": {"yt_args": {"yt_metadata_args": None}, "timeout": 60, "sampler": None},
    "storage": {"number_sample_per_shard": 100, "oom_shard_count": 5, "captions_are_subtitles": False},
    # One worker: each more would be another start of Python with nothing to do.
    "distribution": {"processes_count": 1, "thread_count": 1, "subjob_size": 1000, "distributor": "multiprocessing"},
}
EVERY_SCENE = ["--min-clip", "1ms"]
MICODATA = {
    "micodata: every scene, the source's size, x264 medium too": [*EVERY_SCENE, "--clip-height", "source", "--preset", "medium"],
    "micodata: every scene, the source's size": [*EVERY_SCENE, "--clip-height", "source"],
    "micodata: every scene, 360 lines": EVERY_SCENE,
    "micodata's defaults: 360 lines, scenes of 1 s and more": [],
}


class Video2dataset:
    """Runs the exact path on one URL again and again, each time into a new folder."""

    def __init__(self, python, folder):
        self.python, self.folder = python, folder
        self.out, self.log = folder / "video2dataset", folder / "video2dataset.log"
        (folder / "exact.yaml").write_text(json.dumps(EXACT))

    def run(self, url):
        shutil.rmtree(self.out, ignore_errors=True)
        (self.folder / "urls.json").write_text(json.dumps([{"url": str(url)}]))
        with self.log.open("w") as log:
            cpu, code = bench.cpu_of(
                [self.python, HERE / "with_standins.py", "--url_list", self.folder / "urls.json", "--input_format", "json",
                 "--output_folder", self.out, "--output_format", "files", "--encode_formats", "{'video':'mp4','audio':'mp3'}",
                 "--tmp_dir", self.folder, "--config", self.folder / "exact.yaml"], stdout=log, stderr=log)
        if code:
            sys.exit(f"compare: video2dataset exited {code}\n{self.log.read_text()}")
        return cpu


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("binary", type=lambda p: str(pathlib.Path(p).resolve()))
    ap.add_argument("samples", type=pathlib.Path)
    ap.add_argument("--python", required=True, help="of the virtual environment with requirements.txt")
    ap.add_argument("--rounds", type=int, default=3)
    args = ap.parse_args()
    bench.one_cpu()
    source = bench.bench_media(args.samples, bench.cache_folder())
    print(bench.title(source), flush=True)
    with tempfile.TemporaryDirectory() as tmp:
        compare(args, source, pathlib.Path(tmp))


def compare(args, source, tmp):
    theirs, ours = Video2dataset(args.python, tmp), bench.Micodata(args.binary, source, tmp)
    made = {}

    def look(name, folder):
        made[name] = json.loads(subprocess.check_output([args.python, HERE / "clips.py", source, folder]))

    def exact():
        cpu = theirs.run(source)
        look("video2dataset", theirs.out)
        if not made["video2dataset"]["spans"]:
            sys.exit(f"compare: video2dataset made no clips\n{theirs.log.read_text()}")
        return cpu

    def extract(name, flags):
        cpu = ours.extract("--cut-threshold", str(THRESHOLD), "--cut-min-frames", str(MIN_FRAMES), *flags)
        look(name, ours.folder / "ds")
        return cpu

    start, floor, *cpus = bench.in_turn(
        args.rounds, lambda: theirs.run(tmp / "missing.mp4"), exact,
        *(lambda name=name, flags=flags: extract(name, flags) for name, flags in MICODATA.items()))
    report(made, dict(zip(["video2dataset", *MICODATA], [floor, *cpus])), bench.duration(source))
    print(f"\nOf video2dataset's {statistics.median(floor):.1f} CPU s, {statistics.median(start):.1f} are its start and end (a run whose only URL is missing); "
          "torch is stood in for, so not in them.")


def report(made, cpus, seconds):
    theirs = made["video2dataset"]
    print("\n| what | CPU s | CPU s a video second | clips | with video2dataset's span | MB of video | ratio | limit |\n"
          "| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, cpu in cpus.items():
        m, ratio = made[name], statistics.median(a / b for a, b in zip(cpu, cpus["video2dataset"]))
        cpu = statistics.median(cpu)
        same = sum(span in theirs["spans"] for span in m["spans"])
        verdict = "1 | |" if m is theirs else f"{ratio:.2f} | {LIMIT} |{'' if ratio <= LIMIT else ' over'}"
        print(f"| {name} | {cpu:.1f} | {cpu / seconds:.2f} | {len(m['spans'])} | {same} | {m['bytes'] / 1e6:.1f} | {verdict}")
    print()
    for name in ("video2dataset", next(iter(MICODATA))):
        m = made[name]
        print(f"{name.partition(':')[0]}: separate sound off its place by {m['mean']:.1f} ms on average, {m['most']:.1f} at most "
              f"({m['placed']} of {len(m['spans'])} clips could be placed)")


if __name__ == "__main__":
    main()
