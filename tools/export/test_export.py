"""Tiny exports of every kind agree with PyTorch, what is wrong is refused, and the goldens are what the ONNX files give.

    make test-export
"""

import contextlib
import io
import json
import os
import pickle
import subprocess
import sys
import types

import numpy as np
import onnx
import pytest
import torch
import yaml
from diffusers import DDIMScheduler
from PIL import Image
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

import checkpoint
import common
import dpt
import ensemble
import geowizard
import goldens

TESTDATA = os.path.join(common.HERE, "..", "..", "pseudolabel", "testdata")
DIFFUSION = os.path.join(common.HERE, "..", "..", "pseudolabel", "geowizard", "testdata")
PICTURE = next(f for f in common.default_pictures() if "sintel" in f)


def tool(script, *args):
    """Exit code and the lines of stderr of a tool, run in this process: importing PyTorch takes longer than most tests."""
    main = {"dpt.py": dpt.main, "geowizard.py": geowizard.main}[script]
    argv, sys.argv = sys.argv, [script, *map(str, args)]
    err = io.StringIO()
    try:
        with contextlib.redirect_stderr(err), contextlib.redirect_stdout(io.StringIO()):
            common.run(main)
        code = 0
    except SystemExit as e:
        code = e.code
    finally:
        sys.argv = argv
    return code, err.getvalue().strip().splitlines()


def made(script, *args):
    code, err = tool(script, *args)
    assert code == 0, err[-5:]


def card_of(folder):
    with open(os.path.join(folder, "model.yaml")) as f:
        card = yaml.safe_load(f)
    for file in card["files"]:
        assert common.sha256(os.path.join(folder, file["path"])) == file["sha256"]
    assert {f["path"] for f in card["files"]} == {n for n in os.listdir(folder) if ".onnx" in n}
    return card


def parity_of(folder):
    with open(os.path.join(folder, "parity.json")) as f:
        return json.load(f)["rows"]


def checkpoint_of(path, family="omnidata", task="depth", tiny=True, seed=1, prefix="", **change):
    """A state dict under the original code's names, as a file."""
    size = (64, 64)
    net = dpt.random_network(dpt.config(dpt.FAMILIES[family]["hybrid"], tiny), family, task, size, [common.open_rgb(PICTURE)], seed)
    state = {prefix + k: v for k, v in dpt.as_original(net).items()} | change
    torch.save({"state_dict": state, "epoch": 1} if prefix else state, path)
    return net


# ---- DPT ----


@pytest.mark.parametrize("family", dpt.FAMILIES)
@pytest.mark.parametrize("half", [False, True])
def test_dpt_twins(tmp_path, family, half):
    made("dpt.py", "--random-weights", "--tiny", "--family", family, "-o", tmp_path, "--name", "m", *["--fp16"] * half)
    folder = tmp_path / "m"
    assert json.loads((folder / "parity.json").read_text())["bound_of_range"] == (0.1 if half else 1e-3)
    for r in parity_of(folder):
        assert r["relative"] < (0.02 if half else 2e-5), r
        assert r["std"] > 0.1 and r["most"] - r["least"] > 0.5, r  # neither constant nor dead
    card = card_of(folder)
    assert card["name"] == "m" and card["runner"] == "dpt"
    for net in card["networks"]:
        task, = net["outputs"]
        s = common.session(str(folder / net["file"]))
        assert [(i.name, i.type, i.shape) for i in s.get_inputs()] == [("image", "tensor(float)", ["N", 3, 64, 64])]
        assert [(o.name, o.type) for o in s.get_outputs()] == [(task, "tensor(float)")]
        x = np.random.default_rng(0).random((3, 3, 64, 64), np.float32)
        y = s.run(None, {"image": x})[0]
        assert y.shape == (3, 3 if task == "normal" else 1, 64, 64)
        alone = np.concatenate([s.run(None, {"image": x[i:i + 1]})[0] for i in range(3)])
        assert np.abs(y - alone).max() < (0.05 if half else 1e-4) * np.ptp(y)
    near = {"omnidata": ("near_small", "affine_invariant_depth"), "midas-hybrid": ("near_large", "inverse_depth"), "midas-large": ("near_large", "inverse_depth")}
    depth = card["networks"][0]["outputs"]["depth"]
    assert (depth["convention"], depth["kind"]) == near[family]
    assert ("clamp" in depth) == (family == "omnidata")


def test_full_size_names():
    """At full size, too, the names are a one-to-one turn of the original's: none lost, none invented."""
    for hybrid, count in ((True, 341), (False, 406)):
        with torch.device("meta"):
            own = dpt.network(dpt.config(hybrid, False), 1).state_dict()
        names = {dpt.original_name(k)[0] for k in own}
        assert all(n.startswith(("pretrained.", "scratch.")) for n in names)
        assert len(names) == len(own) - 2 * 2 * (12 if hybrid else 24)  # three of weight and of bias became one


@pytest.mark.parametrize("prefix", ["", "model."])
@pytest.mark.parametrize("family,task", [("omnidata", "depth"), ("omnidata", "normal"), ("midas-hybrid", "depth"), ("midas-large", "depth")])
def test_round_trip(tmp_path, prefix, family, task):
    """What is saved under the original's names comes back as the same network, ImageNet's head or not."""
    unused = {prefix + "pretrained.model.head.weight": torch.ones(10, 16), prefix + "pretrained.model.head.bias": torch.ones(10)}
    net = checkpoint_of(tmp_path / "c.ckpt", family, task, prefix=prefix, **unused)
    back = dpt.network(net.config, 3 if task == "normal" else 1)
    dpt.load(back, checkpoint.read(str(tmp_path / "c.ckpt")), "c.ckpt")
    assert all(torch.equal(v, back.state_dict()[k]) for k, v in net.state_dict().items())


def test_exported_checkpoint(tmp_path):
    net = checkpoint_of(tmp_path / "d.ckpt", seed=3, prefix="model.")
    made("dpt.py", "--family", "omnidata", "--tiny", "--depth", tmp_path / "d.ckpt", "-o", tmp_path, "--name", "m", "--size", "64x96")
    x = dpt.prepare(common.open_rgb(PICTURE), "depth", dpt.OMNIDATA, (64, 96))
    with torch.no_grad():
        want = dpt.Network(net, (64, 96))(x).numpy()
    got = common.session(str(tmp_path / "m" / "depth.onnx")).run(None, {"image": x.numpy()})[0]
    assert np.abs(got - want).max() < 1e-4 and want.std() > 0.1
    assert card_of(tmp_path / "m")["task"] == ["depth"]


def test_folding_is_exact():
    net = dpt.Network(dpt.random_network(dpt.config(True, True), "omnidata", "depth", (64, 96), [common.open_rgb(PICTURE)]), (64, 96)).double().eval()
    x = torch.rand(2, 3, 64, 96, dtype=torch.float64)
    with torch.no_grad():
        a, b = net.map(x), dpt.folded(net).map(x)
    assert (a - b).abs().max() < 1e-12 and a.std() > 0.1


class Callback:  # stands for what a training's checkpoint holds besides tensors
    def __reduce__(self):
        return print, ("code from a checkpoint was run",)


def test_other_things_in_checkpoints(tmp_path, capfd):
    """Lightning's callbacks neither hinder nor run."""
    net = dpt.random_network(dpt.config(True, True), "omnidata", "depth", (64, 64), [common.open_rgb(PICTURE)])
    state = {"model." + k: v for k, v in dpt.as_original(net).items()}
    torch.save({"state_dict": state, "callbacks": {Callback: [Callback()]}, "hyper_parameters": Callback()}, tmp_path / "c.ckpt")
    got = checkpoint.read(str(tmp_path / "c.ckpt"))
    assert all(torch.equal(v, got[k[6:]]) for k, v in state.items())
    assert "code from" not in capfd.readouterr().out


def refused(out, code, err, words):
    assert code == 2, err
    assert len(err) == 1 and words in err[0], err
    assert not [n for n in os.listdir(out) if n.strip(".").startswith("m")], os.listdir(out)


@pytest.mark.parametrize("case,words", [
    ("missing", "keys are missing"),
    ("unknown", "keys are unknown"),
    ("shape", "not what this network has"),
    ("nan", "is not finite"),
    ("swapped", "has 1 channels (depth), normals have 3"),
    ("text", "not a PyTorch checkpoint"),
    ("cut", "not a PyTorch checkpoint"),
    ("list", "without a state dict"),
    ("absent", "No such file"),
    ("family", "have the same keys and opposite depths"),
    ("large", "a hybrid network, not one of --family midas-large"),
    ("unet", "keys are missing"),
    ("prefix", "don't all begin with"),
    ("pickle", "not a PyTorch checkpoint"),
])
def test_wrong_checkpoints(tmp_path, case, words):
    c = tmp_path / "c.ckpt"
    args = ["--family", "omnidata", "--depth", c]
    net = checkpoint_of(c)
    state = dpt.as_original(net)
    if case == "missing":
        del state["scratch.layer3_rn.weight"]
    elif case == "unknown":
        state["scratch.layer9.weight"] = torch.ones(2)
    elif case == "shape":
        state["pretrained.model.blocks.1.attn.qkv.weight"] = torch.ones(47, 16)
    elif case == "nan":
        state["scratch.layer1_rn.weight"][0] = torch.nan
    elif case == "swapped":
        args = ["--family", "omnidata", "--normal", c]
    elif case == "family":
        args = ["--depth", c]
    elif case == "large":
        args = ["--family", "midas-large", "--depth", c]
    elif case == "unet":
        state = {"down_block1.weight": torch.ones(3)}
    elif case == "list":
        state = [1, 2]
    elif case == "prefix":
        state = {"state_dict": {"net.a": torch.ones(1)}}
    torch.save(state, c)
    if case == "text":
        c.write_text("<html>404</html>")
    elif case == "cut":
        c.write_bytes(c.read_bytes()[:5000])
    elif case == "absent":
        c.unlink()
    elif case == "pickle":
        c.write_bytes(pickle.dumps({"a": 1}))
    if case == "list":
        words = "not a checkpoint with a state dict"
    refused(tmp_path, *tool("dpt.py", "--tiny", "-o", tmp_path, "--name", "m", *args), words)


@pytest.mark.parametrize("args,words", [
    (["--random-weights", "--size", "100x64"], "multiples of 32"),
    ([], "--depth or --normal is wanted"),
    (["--random-weights", "--depth", "x"], "goes without"),
])
def test_wrong_arguments(tmp_path, args, words):
    refused(tmp_path, *tool("dpt.py", "--tiny", "-o", tmp_path, "--name", "m", *args), words)


def test_as_a_process(tmp_path):
    """One line and exit code 2, with no library's warnings around them."""
    (tmp_path / "c.ckpt").write_text("<html>404</html>")
    r = subprocess.run([sys.executable, os.path.join(common.HERE, "dpt.py"), "--family", "omnidata", "--depth", tmp_path / "c.ckpt", "-o", tmp_path, "--name", "m"],
                       capture_output=True, text=True)
    refused(tmp_path, r.returncode, r.stderr.strip().splitlines(), "not a PyTorch checkpoint")


def test_position_embedding():
    """Resized once at export as the original code does it in every call; at its own size nothing changes."""
    own = dpt.random_network(dpt.config(True, True), "omnidata", "depth", (64, 64), [common.open_rgb(PICTURE)])
    p = own.dpt.embeddings.position_embeddings.clone()
    assert torch.equal(dpt.Network(own, (64, 64)).dpt.dpt.embeddings.position_embeddings, p)
    wide = dpt.Network(own, (96, 160)).dpt.dpt.embeddings.position_embeddings
    grid = F.interpolate(p[0, 1:].reshape(1, 4, 4, -1).permute(0, 3, 1, 2), size=(6, 10), mode="bilinear").flatten(2)[0].T
    assert torch.equal(wide[0, 1:], grid) and torch.equal(wide[0, 0], p[0, 0])


def test_opencv_cubic():
    """OpenCV's INTER_CUBIC is what the card calls cubic-opencv: a = -0.75, half-pixel centres, no antialias, edges repeated."""

    def weights(n, m):
        w = np.zeros((m, n))
        for i in range(m):
            x = (i + 0.5) * n / m - 0.5
            f = int(np.floor(x))
            for k in range(f - 1, f + 3):
                d, a = abs(x - k), -0.75
                v = (a + 2) * d**3 - (a + 3) * d**2 + 1 if d <= 1 else a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else 0
                w[i, min(max(k, 0), n - 1)] += v
        return w

    picture = common.open_rgb(PICTURE)
    v = np.asarray(picture, float)
    want = np.einsum("ah,hwc,bw->abc", weights(v.shape[0], 64), v, weights(v.shape[1], 64))
    assert np.abs(common.squash(picture, (64, 64), common.CUBIC) - want).max() < 1e-3


# ---- GeoWizard ----


@pytest.fixture(scope="module", params=["v1", "v2"])
def source(request, tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("source"))
    geowizard.write_random(folder, request.param, True, "v_prediction", common.open_rgb(PICTURE), (64, 128))
    return request.param, folder


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("prediction,half", [("v_prediction", False), ("epsilon", False), ("v_prediction", True)])
def test_geowizard_twins(tmp_path, version, prediction, half):
    made("geowizard.py", "--random-weights", "--tiny", "--version", version, "--prediction", prediction, "-o", tmp_path, "--name", "m", *["--fp16"] * half)
    folder = tmp_path / "m"
    for r in parity_of(folder):
        assert r["relative"] < (0.05 if half else 1e-4) and r["std"] > 0.05, r
    card = card_of(folder)
    g = card["geowizard"]
    assert (g["version"], g["scheduler"]["prediction"], g["buckets"][0]) == (version, prediction, [64, 128])
    assert ("image_encoder" in g) == (version == "v1")
    for n in ("encoder", "unet", "decoder"):
        for v in [*(s := common.session(str(folder / g[n]))).get_inputs(), *s.get_outputs()]:
            assert v.shape[0] == "N" and v.type == ("tensor(int64)" if v.name in ("timestep", "domain") else "tensor(float)")
    assert sum(f.stat().st_size for f in folder.iterdir()) < 1_500_000
    for n in ("encoder", "unet", "decoder"):
        model = onnx.shape_inference.infer_shapes(onnx.load(str(folder / g[n])))
        assert not [x for x in model.graph.node if x.op_type == "Softmax"]  # no attention's scores are a tensor of the graph
        types = {v.name: v.type.tensor_type.elem_type for v in model.graph.value_info}
        half_to_half = [x for x in model.graph.node if x.op_type == "Cast" and x.attribute[0].i == types.get(x.input[0]) == onnx.TensorProto.FLOAT16]
        assert not half_to_half  # see geowizard.cast


def test_attention():
    """Where nothing is joined, ours is diffusers' own; joined, it is what upstream's definition says, written out."""
    picture = common.open_rgb(PICTURE)
    unet_shape, vae_shape, *_ = geowizard.shapes("v1", True)
    vae = geowizard.fill(geowizard.AutoencoderKL(**vae_shape), 1)
    image = geowizard.image_for(picture, (64, 128))
    g = torch.Generator().manual_seed(2)
    latent = torch.randn(2, 4, 8, 16, generator=g)
    with torch.no_grad():
        want = vae.encoder(image), vae.decoder(latent)
        vae.set_attn_processor(geowizard.Attention())
        got = vae.encoder(image), vae.decoder(latent)
    for a, b in zip(want, got):
        assert (a - b).abs().max() < 1e-4 * a.std() and a.std() > 0.1
    unet = geowizard.fill(geowizard.UNet2DConditionModel(**unet_shape), 3)
    blocks = unet.mid_block.attentions[0].transformer_blocks[0]
    x, context = torch.randn(4, 6, 16, generator=g), torch.randn(4, 1, 16, generator=g)
    with torch.no_grad():
        own = blocks.attn2(x, context)
        geowizard.join(unet)
        assert (own - blocks.attn2(x, context)).abs().max() < 1e-5 * own.std()
        a = blocks.attn1
        q, k, v = a.to_q(x), a.to_k(x), a.to_v(x)
        want = torch.empty_like(x)
        for row in range(4):
            rows = [row % 2, row % 2 + 2]  # the picture's depth and its normals
            for head in range(2):
                c = slice(8 * head, 8 * head + 8)
                keys, values = (torch.cat([t[i, :, c] for i in rows]) for t in (k, v))
                want[row, :, c] = (q[row, :, c] @ keys.T / 8**0.5).softmax(-1) @ values
        want = a.to_out[0](want)
        assert (a(x) - want).abs().max() < 1e-5 * want.std()


def test_geowizard_inputs_matter(source, tmp_path):
    """Every input of the unet is felt, a batch's pictures do not mix, other sizes run; depth and normals see each other."""
    version, folder = source
    parts = geowizard.Parts(folder, version, None)
    geowizard.export(parts, str(tmp_path), False, True)
    s = common.session(str(tmp_path / "unet.onnx"))
    rng = np.random.default_rng(1)
    n, h, w = 3, 16, 8
    feed = {"latent": rng.normal(size=(n, 4, h, w)), "geo": rng.normal(size=(n, 2, 4, h, w)), "timestep": np.array([901, 401, 1]), "domain": np.array([0, 1, 2])}
    if version == "v1":
        feed["context"] = rng.normal(size=(n, 1, 16))
    feed = {k: v.astype(np.int64 if v.dtype.kind == "i" else np.float32) for k, v in feed.items()}
    y = s.run(None, feed)[0]
    assert y.shape == (n, 2, 4, h, w)
    with torch.no_grad():
        want = parts.modules()["unet"](*(torch.from_numpy(feed[k]) for k in ("latent", "geo", "timestep", "domain")),
                                       *([torch.from_numpy(feed["context"])] if version == "v1" else [])).numpy()
    assert np.abs(y - want).max() < 1e-4
    for i in range(n):
        assert np.abs(s.run(None, {k: v[i:i + 1] for k, v in feed.items()})[0] - y[i:i + 1]).max() < 1e-4
    for k in feed:
        other = dict(feed)
        other[k] = feed[k][::-1].copy()
        assert np.abs(s.run(None, other)[0][0] - y[0]).max() > 1e-3, k
    other = dict(feed, geo=feed["geo"].copy())
    other["geo"][:, 1] += 1  # the normals' latents only
    assert np.abs(s.run(None, other)[0][:, 0] - y[:, 0]).max() > 1e-3  # are seen by depth


def test_external_data(tmp_path, monkeypatch):
    """Weights beside the graph, as a full-size unet's: one file, on the card, and the same numbers."""
    monkeypatch.setattr(common, "EXTERNAL_ABOVE", 100_000)
    made("geowizard.py", "--random-weights", "--tiny", "--version", "v2", "-o", tmp_path, "--name", "m")
    assert {f["path"] for f in card_of(tmp_path / "m")["files"]} == {"unet.onnx", "unet.onnx.data", "vae_encoder.onnx", "vae_decoder.onnx"}
    assert (tmp_path / "m" / "unet.onnx.data").stat().st_size > 100_000
    assert all(r["relative"] < 1e-4 for r in parity_of(tmp_path / "m"))


def test_wrong_folders(source, tmp_path):
    version, folder = source

    def words(expect, *args):
        refused(tmp_path, *tool("geowizard.py", "-o", tmp_path, "--name", "m", *args), expect)

    other = {"v1": "v2", "v2": "v1"}[version]
    words("No such file", tmp_path, "--version", version)
    words("No such file", folder, "--version", other)
    unet = "unet" if version == "v1" else "unet_v2"
    file = os.path.join(folder, unet, "diffusion_pytorch_model.safetensors")
    good = load_file(file)
    try:
        save_file({k: v for k, v in good.items() if k != "conv_out.bias"}, file, metadata={"format": "pt"})
        words("weights are missing (such as conv_out.bias)", folder, "--version", version)
        save_file({**good, "conv_out.more": torch.ones(1)}, file, metadata={"format": "pt"})
        words("weights are unknown (such as conv_out.more)", folder, "--version", version)
        save_file({**good, "conv_out.bias": torch.ones(5)}, file, metadata={"format": "pt"})
        words("conv_out.bias", folder, "--version", version)
        with open(file, "wb") as f:
            f.write(b"not a checkpoint")
        words(unet, folder, "--version", version)
    finally:
        save_file(good, file, metadata={"format": "pt"})
    words("multiples of 64", folder, "--version", version, "--buckets", "100x64")
    words("32 bits", folder, "--version", version, "--buckets", "64x64,2048x2048")
    path = os.path.join(folder, unet, "config.json")
    with open(path) as f:
        text = f.read()
    try:
        with open(path, "w") as f:
            f.write(text.replace('"in_channels": 8', '"in_channels": 4'))
        words(unet, folder, "--version", version)
    finally:
        with open(path, "w") as f:
            f.write(text)


def test_old_names_of_attention(source, tmp_path):
    """Stable Diffusion's published vae has the attention's names of an earlier diffusers."""
    version, folder = source
    file = os.path.join(folder, "vae", "diffusion_pytorch_model.safetensors")
    good = load_file(file)
    new = geowizard.load(geowizard.AutoencoderKL, folder, "vae").state_dict()
    old = {k.replace("to_q", "query").replace("to_k", "key").replace("to_v", "value").replace("to_out.0", "proj_attn"): v for k, v in good.items()}
    assert old.keys() != good.keys()
    try:
        save_file(old, file, metadata={"format": "pt"})
        got = geowizard.load(geowizard.AutoencoderKL, folder, "vae").state_dict()
    finally:
        save_file(good, file, metadata={"format": "pt"})
    assert all(torch.equal(v, got[k]) for k, v in new.items())


@pytest.mark.parametrize("prediction", ["v_prediction", "epsilon"])
@pytest.mark.parametrize("change", [{}, {"clip_sample": True}, {"set_alpha_to_one": True, "steps_offset": 0}, {"beta_schedule": "linear"}])
@pytest.mark.parametrize("steps", [4, 10, 50])
def test_ddim(prediction, change, steps):
    """Our arithmetic is diffusers' DDIMScheduler."""
    config = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "prediction_type": prediction, "set_alpha_to_one": False,
              "steps_offset": 1, "clip_sample": False, **change}
    ours = {k: config.get(name, default) for k, (name, default) in geowizard.SCHEDULER.items()}
    theirs = DDIMScheduler(**config)
    theirs.set_timesteps(steps)
    times, a, b = geowizard.coefficients(ours, steps)
    assert list(times) == theirs.timesteps.tolist()
    g = torch.Generator().manual_seed(1)
    x = torch.randn(1, 4, 8, 8, generator=g)
    y = x.numpy()
    for i, t in enumerate(theirs.timesteps):
        v = torch.randn(x.shape, generator=g)
        x = theirs.step(v, t, x).prev_sample
        y = geowizard.ddim(y, v.numpy(), a[i], b[i], ours)
        assert np.abs(y - x.numpy()).max() < 2e-4 * max(1, np.abs(y).max())


def test_schedule_on_cards():
    """A card has every key: diffusers' own default where the file is silent; what micodata does not compute is refused."""
    def card(**file):
        return geowizard.Parts.scheduler_card(types.SimpleNamespace(scheduler=file))

    own = DDIMScheduler().config
    assert card() == {k: own[name] for k, (name, _) in geowizard.SCHEDULER.items()}
    assert card(clip_sample=False, clip_sample_range=3.0)["clip_sample"] is False
    for file in ({"clip_sample_range": 3.0}, {"beta_schedule": "squaredcos_cap_v2"}, {"prediction_type": "sample"}, {"timestep_spacing": "trailing"},
                 {"thresholding": True}, {"trained_betas": [0.1]}, {"rescale_betas_zero_snr": True}):
        with pytest.raises(common.Refused, match="scheduler"):
            card(**file)


def test_check_values_of_abar():
    _, abar, _ = geowizard.coefficients({"train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
                                         "set_alpha_to_one": False, "steps_offset": 0}, 1000)
    for t, v in {0: 0.999150000, 1: 0.998296028, 101: 0.892980537, 501: 0.274999067, 999: 0.004660099}.items():
        assert abs(abar[999 - t] - v) < 1e-9


# ---- the committed twins and goldens ----


def golden(folder, name):
    return np.load(os.path.join(folder, "golden", name + ".npy"))


@pytest.mark.parametrize("name", ["dpt-tiny", "dpt-tiny-midas"])
def test_dpt_goldens(name):
    """ONNX Runtime and numpy give what PyTorch gave, from the pictures on."""
    folder = os.path.join(TESTDATA, name)
    card = card_of(folder)
    for net in card["networks"]:
        task, = net["outputs"]
        out, image = net["outputs"][task], net["input"]
        s = common.session(os.path.join(folder, net["file"]))
        for file in common.default_pictures():
            stem = os.path.basename(file).split(".")[0]
            picture = common.open_rgb(file)
            pixels = common.squash(picture, image["resize"]["size"], image["resize"]["filter"])
            if name == "dpt-tiny":
                assert (np.asarray(Image.open(os.path.join(folder, "golden", f"{stem}.squashed.png"))) == pixels).all()
            else:
                assert np.abs(golden(folder, f"{stem}.squashed") - pixels).max() < 1e-3
            y = s.run(None, {"image": common.as_input(pixels, image["mean"], image["std"]).numpy()})[0][0]
            if "clamp" in out:
                y = y.clip(*out["clamp"])
            y = goldens.to_frame(torch.from_numpy(y), picture)
            if task == "normal":
                low, high = out["range"]
                y = goldens.unit((y - low) / (high - low) * 2 - 1).permute(1, 2, 0)
            else:
                y = y[0]
            want = golden(folder, f"{stem}.{task}")
            assert want.shape[:2] == picture.size[::-1] and np.abs(y.numpy() - want).max() < 2e-4 * max(1, np.ptp(want)) and want.std() > 0.1
    assert name != "dpt-tiny" or golden(folder, "sintel.demo.depth").shape == (64, 64)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_geowizard_goldens(version, tmp_path):
    folder = os.path.join(DIFFUSION, f"tiny-{version}")
    g = card_of(folder)["geowizard"]
    with open(os.path.join(folder, "golden", "golden.json")) as f:
        facts = json.load(f)
    files = {"vae_encoder": g["encoder"], "unet": g["unet"], "vae_decoder": g["decoder"]} | ({"image_encoder": g["image_encoder"]} if version == "v1" else {})
    sessions = {k: common.session(os.path.join(folder, v)) for k, v in files.items()}
    image = geowizard.image_for(common.open_rgb(PICTURE), facts["bucket"])
    noise = torch.from_numpy(np.stack([golden(folder, f"noise{i}") for i in range(facts["members"])]))
    got = geowizard.run_onnx(sessions, g["scheduler"], image.repeat(len(noise), 1, 1, 1), noise, geowizard.DOMAINS.index(facts["domain"]), facts["steps"])
    assert np.abs(got["latent"][0] - golden(folder, "latent")).max() < 1e-4
    assert np.abs(got["predictions"][:, 0] - golden(folder, "predictions")).max() < 1e-4
    assert np.abs(got["geo"][0] - golden(folder, "geo")).max() < 1e-4
    depths = golden(folder, "depths")
    assert np.abs(got["depth"][:, 0] - depths).max() < 1e-4 and depths.std() > 0.05
    assert np.abs(got["normal"].transpose(0, 2, 3, 1) - golden(folder, "normals")).max() < 2e-3
    picture = common.open_rgb(PICTURE)
    depth = goldens.to_frame(ensemble.stretch(torch.from_numpy(got["depth"][0])), picture)[0]
    normal = goldens.facing(-goldens.to_frame(torch.from_numpy(got["normal"][0]), picture))
    assert np.allclose(goldens.save_maps(tmp_path, "frame", depth, normal), facts["frame_depth"], atol=1e-5)
    for file, off in (("frame.depth.png", 10), ("frame.normal.png", 1)):  # levels of 65535 and of 255
        a, b = (np.asarray(Image.open(os.path.join(d, file))).astype(int) for d in (tmp_path, os.path.join(folder, "golden")))
        assert a.shape == b.shape and np.mean(np.abs(a - b) > off) < 1e-3, file
    for steps, rows in facts["ddim"].items():
        t, a, b = geowizard.coefficients(g["scheduler"], int(steps))
        assert [r["t"] for r in rows] == list(t) and np.allclose([r["abar"] for r in rows], a) and np.allclose([r["abar_next"] for r in rows], b)
    d = torch.from_numpy(depths)
    for kind in ("minmax", "bfgs"):
        depth, doubt = ensemble.combine(d, np.array(facts["ensemble"][f"scale_shift_{kind}"]))
        assert np.abs(depth.numpy() - golden(folder, f"ensemble.{kind}.depth")).max() < 1e-6
        assert np.abs(doubt.numpy() - golden(folder, f"ensemble.{kind}.uncertainty")).max() < 1e-6
    best, number = ensemble.best_normals(torch.from_numpy(golden(folder, "normals")).permute(0, 3, 1, 2))
    assert number == facts["ensemble"]["best_normal"] and np.abs(best.permute(1, 2, 0).numpy() - golden(folder, "ensemble.normal")).max() < 1e-6


def test_nothing_private_in_files():
    for folder in (os.path.join(TESTDATA, "dpt-tiny"), os.path.join(TESTDATA, "dpt-tiny-midas"), os.path.join(DIFFUSION, "tiny-v1"), os.path.join(DIFFUSION, "tiny-v2")):
        for n in os.listdir(folder):
            if n.endswith(".onnx"):
                m = onnx.load(os.path.join(folder, n))
                assert not m.metadata_props and not any(x.doc_string or x.metadata_props for x in m.graph.node)
                assert b"/home/" not in m.SerializeToString() and b"site-packages" not in m.SerializeToString()
