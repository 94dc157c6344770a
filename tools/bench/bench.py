#!/usr/bin/env python3
"""CPU seconds of micodata beside the floor that bare ffmpeg sets, in one run.

    tools/bench/bench.py bin/micodata testdata/media --cuts bin/cuts [--hour] [--rounds 5]

Floors and micodata take turns, so that a machine whose speed drifts drifts for
both; figures are medians over the rounds, user + system, children included, and
a ratio is the median of the rounds' own. All of it is bound to one CPU: a floor
is one process on one thread, micodata three at a time, and where two hardware
threads share a core, CPU seconds of two busy ones count more than the same work
on one. Only Python's standard library is needed.
"""
import argparse
import json
import math
import os
import pathlib
import platform
import shutil
import stat
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ONE = ["-threads", "1", "-filter_threads", "1", "-filter_complex_threads", "1"]


def cpu_of(argv, rss=None, **kw):
    """Runs argv and returns (CPU seconds, exit code). rss, a dict, gets the peak
    resident bytes of micodata itself and of the largest process below it, and the
    share of the CPU that was micodata's own."""
    before = os.times()
    p = subprocess.Popen(argv, **kw)
    watcher = None
    if rss is not None:
        stop = threading.Event()
        watcher = threading.Thread(target=watch, args=(p.pid, rss, stop))
        watcher.start()
    code = p.wait()
    if watcher:
        stop.set()
        watcher.join()
    after = os.times()
    total = (after.children_user - before.children_user) + (after.children_system - before.children_system)
    if watcher:
        rss["own share"] = rss.pop("own") / total
    return total, code


def watch(pid, rss, stop):
    while not stop.wait(0.1):
        note(pid, "micodata", rss)
        try:
            children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                children += (task / "children").read_text().split()
        except OSError:
            continue
        for child in set(children):
            note(int(child), "ffmpeg", rss)


def note(pid, who, rss):
    try:
        if who == "micodata":  # utime and stime, without those of children
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            rss["own"] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                rss[who] = max(rss.get(who, 0), int(line.split()[1]) * 1024)
    except OSError:
        pass


def in_turn(rounds, *jobs):
    """The CPU of each job in each of some rounds in which all have their turn."""
    return list(zip(*[[job() for job in jobs] for _ in range(rounds)]))


def ffmpeg(*args):
    cpu, code = cpu_of(["ffmpeg", "-nostdin", "-v", "error", "-y", *ONE, *map(str, args)])
    if code:
        sys.exit(f"bench: ffmpeg {' '.join(args)} failed")
    return cpu


def cache_folder():
    """Where the benchmarks' media are kept from run to run."""
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "micodata" / "bench"
    cache.mkdir(parents=True, exist_ok=True)
    return cache


def one_cpu():
    """Binds this process and its children to one CPU."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def bench_media(samples, folder, times=1):
    """A 720p concatenation of the samples, repeated some times over; made once."""
    out = folder / f"bench720x{times}.mp4"
    if out.exists():
        return out
    tmp = out.with_name("." + out.name)
    if times > 1:
        ffmpeg("-stream_loop", times - 1, "-i", bench_media(samples, folder), "-c", "copy", tmp)
    else:
        fit = "scale=1280:720:force_original_aspect_ratio=decrease,pad=1280:720:-1:-1,setsar=1,fps=25,format=yuv420p"
        sound = "aformat=sample_rates=48000:channel_layouts=stereo"
        graph = (f"[0:v:0]{fit}[a];[1:v:0]{fit}[b];[0:a:0]{sound}[x];[1:a:0]{sound}[y];"
                 "[a][x][b][y]concat=n=2:v=1:a=1[v][s]")
        ffmpeg("-i", samples / "sintel_a.mp4", "-i", samples / "bbb_b.mp4", "-filter_complex", graph,
               "-map", "[v]", "-map", "[s]", "-c:v", "libx264", "-crf", "23", "-threads", "1", "-c:a", "aac", tmp)
    tmp.rename(out)
    return out


def duration(path):
    out = subprocess.check_output(["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", path])
    return float(out)


def title(source):
    """On what, where, when and with which ffmpeg something was measured."""
    cpu = next((line.partition(": ")[2] for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    return (f"{source.name}: {duration(source):.1f} s; {os.cpu_count()} CPUs ({cpu.strip()}); {time.strftime('%Y-%m-%d')}; "
            + subprocess.check_output(["ffmpeg", "-version"], text=True).split(" Copyright")[0])


def counting_ffmpeg(folder):
    """An ffmpeg that writes a line to a file each time it is started."""
    log = folder / "starts"
    for tool in ("ffmpeg", "ffprobe"):
        script = folder / tool
        script.write_text(f'#!/bin/sh\necho {tool} >>"{log}"\nexec {shutil.which(tool)} "$@"\n')
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return folder / "ffmpeg", log


class Micodata:
    """Extracts one source again and again; ingest is not measured."""

    def __init__(self, binary, source, folder):
        self.binary, self.folder = binary, folder
        self.ingested = folder / "ingested"
        subprocess.run([binary, "ingest", source, "-o", self.ingested], check=True, stderr=subprocess.DEVNULL)

    def extract(self, *flags, rss=None, keep=None):
        ds = self.folder / "ds"
        shutil.rmtree(ds, ignore_errors=True)
        shutil.copytree(self.ingested, ds)
        cpu, code = cpu_of([self.binary, "extract", ds, "--workers", "1", *flags], rss, stderr=subprocess.DEVNULL)
        if code:
            sys.exit(f"bench: micodata extract {' '.join(flags)} exited {code}")
        if keep is not None:
            keep["status"] = json.loads(subprocess.check_output([self.binary, "status", ds, "--json"]))
        return cpu


def row(name, ours, floor, limit):
    """Prints medians: of both, and of the ratios of each round, with their range."""
    ratios = sorted(a / b for a, b in zip(ours, floor))
    ratio = statistics.median(ratios)
    print(f"| {name} | {statistics.median(floor):.2f} | {statistics.median(ours):.2f} | {ratio:.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f}) | {limit} |"
          + ("" if ratio <= limit else " over"), flush=True)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("binary", type=lambda p: str(pathlib.Path(p).resolve()))
    ap.add_argument("samples", type=pathlib.Path)
    ap.add_argument("--cuts", required=True, help="the built tools/bench/cuts")
    ap.add_argument("--rounds", type=int, default=5)
    ap.add_argument("--hour", action="store_true", help="also an hour of 720p, for memory")
    args = ap.parse_args()
    one_cpu()
    cache = cache_folder()
    # Four times over, so that what a run does once (asking ffmpeg what it is)
    # weighs what it does on a video of some minutes.
    source = bench_media(args.samples, cache, times=4)
    seconds = duration(source)
    print(title(source))
    with tempfile.TemporaryDirectory() as tmp:
        run(args, source, seconds, cache, pathlib.Path(tmp))


def run(args, source, seconds, cache, tmp):
    m = Micodata(args.binary, source, tmp)
    decode = lambda: ffmpeg("-i", source, "-map", "0:v:0", "-f", "null", "-")

    def segments(height):
        scale = [] if height == 720 else ["-vf", f"scale=-2:{height}"]
        return lambda: ffmpeg("-i", source, *scale, "-c:v", "libx264", "-preset", "veryfast", "-crf", "23", "-threads", "1",
                              "-c:a", "aac", "-f", "segment", "-segment_time", "2", "-force_key_frames", "expr:gte(t,n_forced*2)",
                              "-reset_timestamps", "1", tmp / "seg%05d.mp4")

    kept = {}
    print("\n| work | floor, CPU s | micodata, CPU s | ratio | limit |\n| --- | --- | --- | --- | --- |")
    floor, cuts, frames = in_turn(
        args.rounds, decode,
        lambda: cpu_of([args.cuts, source], stdout=subprocess.DEVNULL)[0],
        lambda: m.extract("--clip-mode", "none", "--cut-threshold", "27"))
    row("cuts alone, exact / single-thread decode", cuts, floor, 1.3)
    row("cuts + audio + 8 frames and the key frame / the same decode", frames, floor, 1.5)
    rss = {}
    floor360, all360, mico = in_turn(
        args.rounds, segments(360), lambda: m.extract("--cut-threshold", "27", rss=rss, keep=kept), m.extract)
    row("all of extract, clips at 360 lines / segment pass at 360", all360, floor360, 1.3)
    row("the same with threshold 11.5, where most scenes are too short to keep / the same pass", mico, floor360, 1.3)
    floor720, all720 = in_turn(args.rounds, segments(720), lambda: m.extract("--cut-threshold", "27", "--clip-height", "source"))
    row("all of extract, clips at 720 lines / segment pass at 720", all720, floor720, 1.2)
    clips = next(s for s in kept["status"] if s["stage"] == "extract")
    print(f"\n{clips['ok']} clips, {clips['skipped']} scenes below the shortest; {1000 * statistics.median(all360) / seconds:.0f} CPU ms a video second at 360 lines, "
          f"{1000 * statistics.median(all720) / seconds:.0f} at 720; micodata's own process, cut scoring and pipes included, {100 * rss['own share']:.0f}% of the CPU at 360; peak resident: micodata {rss['micodata'] / 1e6:.0f} MB, ffmpeg {rss['ffmpeg'] / 1e6:.0f} MB")
    binary, log = counting_ffmpeg(tmp)
    m.extract("--ffmpeg", str(binary))
    starts = [s for s in log.read_text().splitlines() if s]
    print(f"process starts: {len(starts)} in a whole extract of one source, of which {starts.count('ffprobe')} ffprobe (version and probe included)")
    if args.hour:
        hour(args.binary, args.samples, source, cache, tmp)


def hour(binary, samples, source, cache, tmp):
    seconds = duration(bench_media(samples, cache))
    for name, path in ((f"{duration(source):.0f} s", source), ("an hour", bench_media(samples, cache, times=math.ceil(3600 / seconds)))):
        folder = tmp / path.stem
        folder.mkdir()
        rss = {}
        cpu = Micodata(binary, path, folder).extract(rss=rss)
        print(f"{name} of 720p: peak resident micodata {rss['micodata'] / 1e6:.0f} MB, ffmpeg {rss['ffmpeg'] / 1e6:.0f} MB; {cpu:.0f} CPU s")


if __name__ == "__main__":
    main()
