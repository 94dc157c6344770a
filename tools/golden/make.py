"""Makes extract/scenecut/testdata/golden.json.gz: what PySceneDetect 0.6.2 says of every case in cases.json.

The reference runs as video2dataset 1.3.0 runs it (subsamplers/cut_detection_subsampler.py): auto_downscale off,
downscale = width // 64, ContentDetector with its default weights. Below width 64 video2dataset fails (downscale 0);
factor 1 is recorded there.

OpenCV 4.9 leaves the last three rows unwritten in a video that is not 8-bit 4:2:0 and whose height is not its coded height
(seen with 10-bit H.264 and HEVC of height 270 and 180): at small factors such scores are of stale memory and change from
run to run. The cases avoid those heights, and every case is scored twice here. See README.md for how to run this.
"""

import argparse
import gzip
import json
import pathlib
import subprocess
import tempfile

import scenedetect

ROOT = pathlib.Path(__file__).resolve().parents[2]
TESTDATA = ROOT / "extract" / "scenecut" / "testdata"
MEDIA = ROOT / "testdata" / "media"
THRESHOLDS = (11.5, 27.0)
MIN_SCENE_LEN = 15
MIN_WIDTH = 64


class RecordingDetector(scenedetect.ContentDetector):
    """The reference detector, keeping the score and the cuts it makes."""

    def __init__(self, threshold):
        super().__init__(threshold=threshold, min_scene_len=MIN_SCENE_LEN)
        self.scores = []
        self.cuts = []

    def process_frame(self, frame_num, frame_img):
        cuts = super().process_frame(frame_num, frame_img)
        if frame_num != len(self.scores):
            raise ValueError(f"frame {frame_num} came after {len(self.scores)} frames")
        self.scores.append(float(self._frame_score))
        self.cuts.extend(int(cut) for cut in cuts)
        return cuts


def make_input(case, scenes, folder):
    """Returns the path of the case's video, encoding it first unless it is a sample file."""
    if "media" in case:
        return MEDIA / case["media"]

    def fill(text):
        for key, value in (("{scenes}", scenes), ("{size}", case.get("size", "")), ("{fmt}", case.get("fmt", "")), ("{media}", str(MEDIA))):
            text = text.replace(key, value)
        return text

    path = folder / f"{case['name']}.{case['ext']}"
    start = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-filter_threads", "1", "-filter_complex_threads", "1"]
    end = ["-an", "-sn", "-map_metadata", "-1", "-threads", "1", "-fflags", "+bitexact", "-flags:v", "+bitexact"]
    # A case's own flags come last so that they add to +bitexact.
    subprocess.run(start + [fill(a) for a in end_after_inputs(case["args"], end)] + [str(path)], check=True)
    return path


def end_after_inputs(args, extra):
    """Inserts extra after the last input and its filter, that is directly after -i X."""
    last = max(i for i, a in enumerate(args) if a == "-i") + 2
    return args[:last] + extra + args[last:]


def probe(path):
    out = subprocess.run(
        ["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "stream=width,height,pix_fmt", "-of", "json", str(path)],
        check=True, capture_output=True).stdout
    return json.loads(out)["streams"][0]


def decoded_md5(path):
    out = subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "error", "-threads", "1", "-noautorotate", "-i", str(path), "-map", "0:v:0",
         "-fps_mode", "passthrough", "-c:v", "rawvideo", "-f", "hash", "-hash", "md5", "-"],
        check=True, capture_output=True, text=True).stdout
    return out.strip().removeprefix("MD5=")


def reference(path, width):
    video = scenedetect.open_video(str(path))
    if video.frame_size[0] != width:
        raise ValueError(f"{path}: OpenCV sees width {video.frame_size[0]}, ffprobe {width}")
    manager = scenedetect.SceneManager()
    detectors = [RecordingDetector(t) for t in THRESHOLDS]
    for detector in detectors:
        manager.add_detector(detector)
    manager.auto_downscale = False
    manager.downscale = max(1, width // MIN_WIDTH)
    manager.detect_scenes(video=video)
    return {"scores": detectors[0].scores, "cuts": {str(d._threshold): d.cuts for d in detectors}}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="print this one case instead of writing the file")
    args = parser.parse_args()
    listed = json.loads((TESTDATA / "cases.json").read_text())
    golden = {}
    with tempfile.TemporaryDirectory() as folder:
        for case in listed["cases"]:
            if args.only not in (None, case["name"]):
                continue
            path = make_input(case, listed["scenes"], pathlib.Path(folder))
            stream = probe(path)
            result = reference(path, stream["width"])
            if reference(path, stream["width"]) != result:
                raise ValueError(f"{case['name']}: the reference disagrees with itself")
            golden[case["name"]] = {**stream, "decoded_md5": decoded_md5(path), **result}
            cuts = {k: len(v) for k, v in golden[case["name"]]["cuts"].items()}
            print(f"{case['name']}: {stream['width']}x{stream['height']} {stream['pix_fmt']} "
                  f"{len(golden[case['name']]['scores'])} frames, cuts {cuts}")
    if args.only:
        print(json.dumps(golden))
        return
    with open(TESTDATA / "golden.json.gz", "wb") as raw, gzip.GzipFile("", "wb", mtime=0, fileobj=raw) as out:
        out.write(json.dumps(golden, indent=0).encode())


if __name__ == "__main__":
    main()
