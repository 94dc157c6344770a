"""GeoWizard to ONNX with its card, checked against PyTorch over a whole run of the diffusion.

    python geowizard.py geowizard --version v1 -o models --name geowizard-v1
    python geowizard.py geowizard --version v2 --sd2 stable-diffusion-2 -o models --name geowizard-v2 --fp16

The first folder is lemonaddie/geowizard as published (v1: unet, vae, scheduler, image_encoder, feature_extractor; v2:
unet_v2); v2 takes its other parts from stabilityai/stable-diffusion-2 (vae, scheduler, text_encoder, tokenizer). The networks
are those of diffusers and transformers; only the attention is ours: one operator, and joint where a picture's depth and
normals attend to themselves.
"""

import argparse
import copy
import json
import os
import re
import tempfile
import time

import diffusers
import numpy as np
import torch
import transformers
from diffusers import AutoencoderKL, DDIMScheduler
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer, CLIPVisionConfig, CLIPVisionModelWithProjection

import common
from common import Flow, Parity, Refused

diffusers.utils.logging.set_verbosity_error()
diffusers.utils.logging.disable_progress_bar()
transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()

DOMAINS = ("indoor", "outdoor", "object")  # their numbers in the graph
BUCKETS = "576x768,448x768,768x576,768x448,768x768"
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
SCHEDULER = {  # the card's names; diffusers'; what diffusers takes where the file is silent
    "train_timesteps": ("num_train_timesteps", 1000),
    "beta_start": ("beta_start", 0.0001),
    "beta_end": ("beta_end", 0.02),
    "beta_schedule": ("beta_schedule", "linear"),
    "prediction": ("prediction_type", "epsilon"),
    "set_alpha_to_one": ("set_alpha_to_one", True),
    "steps_offset": ("steps_offset", 0),
    "timestep_spacing": ("timestep_spacing", "leading"),
    "clip_sample": ("clip_sample", True),
}


def cast(x, dtype):
    """To another type. In half precision ONNX Runtime 1.27 can't load a cast to the same one for a CPU, unless it optimises it away."""
    return x if x.dtype == dtype else x.to(dtype)


class UNet2DConditionModel(diffusers.UNet2DConditionModel):
    """diffusers', without a cast of the class's embedding to the type that it has: see cast."""

    def get_class_embed(self, sample, class_labels):
        return self.class_embedding(class_labels)


class MultiHeadAttention(torch.autograd.Function):
    """Attention of [rows,tokens,C] as ONNX Runtime's own operator, whose kernels need not hold all scores at once.

    Written out they are 955 million numbers a picture of 576x768, and ONNX Runtime's softmax counts them in 32 bits.
    """

    @staticmethod
    def forward(ctx, q, k, v, heads, scale):
        q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v))
        return nn.functional.scaled_dot_product_attention(q, k, v, scale=scale).transpose(1, 2).flatten(2)

    @staticmethod
    def symbolic(g, q, k, v, heads, scale):
        return g.op(f"{common.MICROSOFT}::MultiHeadAttention", q, k, v, num_heads_i=heads, scale_f=scale).setType(q.type())


class Attention:
    """Attention to the context or, without one, to itself, as diffusers' networks call it."""

    def keys_of(self, hidden_states):
        """What rows that attend to themselves see."""
        return hidden_states

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, temb=None, **_):
        x = hidden_states
        if x.ndim == 4:  # the vae's
            x = x.flatten(2)
            x = attn.group_norm(x).transpose(1, 2)
        q = attn.to_q(x)
        if encoder_hidden_states is None:
            k, v = self.keys_of(attn.to_k(x)), self.keys_of(attn.to_v(x))
        else:
            k, v = attn.to_k(encoder_hidden_states), attn.to_v(encoder_hidden_states)
        x = attn.to_out[0](MultiHeadAttention.apply(q, k, v, attn.heads, attn.scale))
        if hidden_states.ndim == 4:
            x = x.transpose(1, 2).unflatten(2, hidden_states.shape[2:]) + hidden_states
        return x / attn.rescale_output_factor


class JointAttention(Attention):
    """Self-attention of rows [depth of N pictures, normals of the same]: both rows of a picture see both rows' keys."""

    def keys_of(self, hidden_states):
        depth, normal = hidden_states.chunk(2)
        return torch.cat([depth, normal], 1).repeat(2, 1, 1)


def join(unet):
    """Puts the joint attention into every self-attention; attention to the picture or the text sees what it always does."""
    unet.set_attn_processor({k: JointAttention() if k.endswith("attn1.processor") else Attention() for k in unet.attn_processors})
    return unet


class Encoder(nn.Module):
    def __init__(self, vae):
        super().__init__()
        self.vae = vae

    def forward(self, image):
        moments = self.vae.quant_conv(self.vae.encoder(image.to(self.vae.dtype)))
        return moments.chunk(2, 1)[0].float() * self.vae.config.scaling_factor


class Decoder(nn.Module):
    def __init__(self, vae):
        super().__init__()
        self.vae = vae

    def forward(self, geo):
        z = torch.cat([geo[:, 0], geo[:, 1]]).to(self.vae.dtype) / self.vae.config.scaling_factor
        depth, normal = self.vae.decoder(self.vae.post_quant_conv(z)).float().chunk(2)
        depth = (depth.mean(1, keepdim=True).clamp(-1, 1) + 1) / 2
        length = normal.square().sum(1, keepdim=True).sqrt()
        return depth, -(normal / (length + 1e-5))


class ImageEncoder(nn.Module):
    def __init__(self, clip):
        super().__init__()
        self.clip = clip

    def forward(self, image):
        return self.clip(image.to(self.clip.dtype)).image_embeds[:, None].float()


class Unet(nn.Module):
    """One step's prediction for N pictures, each with its depth and its normals."""

    def __init__(self, unet, texts=None):
        super().__init__()
        self.unet = unet
        task = torch.tensor([[0.0, 1.0], [1.0, 0.0]])  # depth, normal
        self.register_buffer("task", torch.cat([task.sin(), task.cos()], 1))
        domain = torch.eye(len(DOMAINS))
        self.register_buffer("domains", torch.cat([domain.sin(), domain.cos()], 1))
        self.register_buffer("texts", texts)  # v2: [3, tokens, C]

    def forward(self, latent, geo, timestep, domain, context=None):
        dtype = self.unet.dtype
        rows = torch.cat([geo[:, 0], geo[:, 1]])
        sample = cast(torch.cat([latent.repeat(2, 1, 1, 1), rows], 1), dtype)
        # Of each picture a depth's and a normal's class: a row of the domain plus nothing keeps the batch free.
        one = torch.zeros_like(domain, dtype=self.task.dtype)[:, None]
        label = torch.cat([one + self.task[0], one + self.task[1]])
        if self.texts is None:
            label = torch.cat([label, self.domains[domain].repeat(2, 1)], 1)
        else:
            context = self.texts[domain]
        out = self.unet(sample, timestep.repeat(2), encoder_hidden_states=cast(context.repeat(2, 1, 1), dtype),
                        class_labels=cast(label, dtype), return_dict=False)[0]
        return torch.stack(out.float().chunk(2), 1)


class Parts:
    """A folder's networks and settings, all float32."""

    def __init__(self, folder, version, sd2):
        other = folder if version == "v1" else sd2 or folder
        self.version = version
        self.unet = join(load(UNet2DConditionModel, folder, "unet" if version == "v1" else "unet_v2"))
        self.vae = load(AutoencoderKL, other, "vae")
        self.vae.set_attn_processor(Attention())
        self.scheduler = read_json(other, "scheduler", "scheduler_config.json")
        want = {"v1": 10, "v2": 4}[version]
        got = self.unet.config.projection_class_embeddings_input_dim
        if self.unet.config.in_channels != 8 or self.unet.config.class_embed_type != "projection" or got != want:
            raise Refused(f"{folder}: not the unet of GeoWizard {version}: {self.unet.config.in_channels} channels and a class of {got} "
                          f"numbers, not 8 and {want}")
        if len(self.vae.config.block_out_channels) != 4 or self.vae.config.latent_channels != 4:
            raise Refused(f"{other}: not the vae of Stable Diffusion")
        self.clip = self.texts = None
        if version == "v1":
            self.clip = load(CLIPVisionModelWithProjection, folder, "image_encoder")
            width = self.clip.config.projection_dim
            crop = read_json(folder, "feature_extractor", "preprocessor_config.json")
            if not np.allclose(crop.get("image_mean"), CLIP_MEAN) or not np.allclose(crop.get("image_std"), CLIP_STD):
                raise Refused(f"{folder}/feature_extractor: mean and deviation are not CLIP's")
        else:
            self.texts = encode_texts(other)
            width = self.texts.shape[-1]
        if width != self.unet.config.cross_attention_dim:
            raise Refused(f"{folder}: the unet attends to {self.unet.config.cross_attention_dim} numbers, its context has {width}")

    def modules(self):
        m = {"vae_encoder": Encoder(self.vae), "unet": Unet(self.unet, self.texts), "vae_decoder": Decoder(self.vae)}
        if self.clip is not None:
            m["image_encoder"] = ImageEncoder(self.clip)
        return {k: v.eval().requires_grad_(False) for k, v in m.items()}

    def scheduler_card(self):
        s = self.scheduler
        card = {k: s.get(name, default) for k, (name, default) in SCHEDULER.items()}
        if card["beta_schedule"] not in ("scaled_linear", "linear") or card["prediction"] not in ("v_prediction", "epsilon"):
            raise Refused(f"scheduler: {card['beta_schedule']} with {card['prediction']} is not supported")
        if card["timestep_spacing"] != "leading" or s.get("trained_betas") or s.get("thresholding") or s.get("rescale_betas_zero_snr"):
            raise Refused("scheduler: only DDIM with leading timesteps and plain betas is supported")
        if card["clip_sample"] and s.get("clip_sample_range", 1) != 1:
            raise Refused(f"scheduler: samples are clipped to {s['clip_sample_range']}, only 1 is supported")
        return card


def read_json(folder, *path):
    try:
        with open(os.path.join(folder, *path)) as f:
            return json.load(f)
    except OSError as e:
        raise Refused(f"{os.path.join(folder, *path)}: {e.strerror}") from None
    except ValueError as e:
        raise Refused(f"{os.path.join(folder, *path)}: not JSON: {e}") from None


def load(kind, folder, part):
    """One network from its subfolder; every weight must be there and fit."""
    path = os.path.join(folder, part)
    config = read_json(folder, part, "config.json")
    try:
        net, info = kind.from_pretrained(folder, subfolder=part, torch_dtype=torch.float32, local_files_only=True, output_loading_info=True)
    except Exception as e:  # whatever a library makes of a wrong folder
        raise Refused(f"{path}: {' '.join(str(e).split())[:300]}") from None
    # Position numbers are not weights, and old files hold them.
    unexpected = [k for k in info["unexpected_keys"] if not k.endswith("position_ids")]
    problems = {"missing": sorted(info["missing_keys"]), "unknown": sorted(unexpected), "of another shape": [str(k) for k in info["mismatched_keys"]]}
    bad = [f"{len(keys)} weights are {kind} (such as {keys[0]})" for kind, keys in problems.items() if keys]
    if bad:
        raise Refused(f"{path}: {', '.join(bad)}")
    if config.get("_class_name", kind.__name__) != kind.__name__:
        raise Refused(f"{path}: a {config['_class_name']}, not a {kind.__name__}")
    return net.eval().requires_grad_(False)


def encode_texts(folder):
    """v2's conditions: what the text encoder makes of each domain's words."""
    encoder = load(CLIPTextModel, folder, "text_encoder")
    try:
        tokenizer = CLIPTokenizer.from_pretrained(folder, subfolder="tokenizer", local_files_only=True)
    except Exception as e:
        raise Refused(f"{folder}/tokenizer: {' '.join(str(e).split())[:300]}") from None
    tokens = [tokenizer(f"{d} geometry", padding="do_not_pad", truncation=True).input_ids for d in DOMAINS]
    if {len(t) for t in tokens} != {4}:
        raise Refused(f"{folder}/tokenizer: a domain's two words give {[len(t) for t in tokens]} tokens, not 4")
    with torch.no_grad():
        return torch.cat([encoder(torch.tensor([t]))[0] for t in tokens])


# ---- random twins ----

WORDS = ("indoor", "outdoor", "object", "geometry")


def tiny_tokenizer(folder):
    """A byte-pair vocabulary with one token for each word that is needed."""
    vocab, merges = ["<|startoftext|>", "<|endoftext|>"], []
    for word in WORDS:
        left = word[0]
        for i, c in enumerate(word[1:], 1):
            right = c + ("</w>" if i == len(word) - 1 else "")
            merges += [f"{left} {right}"]
            vocab += [left, right]
            left += right
        vocab.append(left)
    vocab = {v: i for i, v in enumerate(dict.fromkeys(vocab))}
    os.makedirs(folder)
    for name, value in (("vocab.json", vocab), ("tokenizer_config.json", {
            "tokenizer_class": "CLIPTokenizer", "bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>",
            "pad_token": "<|endoftext|>", "model_max_length": 77})):
        with open(os.path.join(folder, name), "w") as f:
            json.dump(value, f)
    with open(os.path.join(folder, "merges.txt"), "w") as f:
        f.write("#version: 0.2\n" + "\n".join(dict.fromkeys(merges)) + "\n")
    return len(vocab)


def shapes(version, tiny):
    """Configurations of the networks: tiny ones have every kind of layer of the big ones."""
    cross = {"v1": 768, "v2": 1024}[version]
    unet = {"in_channels": 8, "out_channels": 4, "sample_size": 96, "block_out_channels": (320, 640, 1280, 1280), "layers_per_block": 2,
            "attention_head_dim": (5, 10, 20, 20), "cross_attention_dim": cross, "use_linear_projection": True, "class_embed_type": "projection",
            "projection_class_embeddings_input_dim": {"v1": 10, "v2": 4}[version]}
    vae = {"block_out_channels": (128, 256, 512, 512), "layers_per_block": 2, "latent_channels": 4, "sample_size": 768, "scaling_factor": 0.18215,
           "down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4}
    vision = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16, "patch_size": 14,
              "image_size": 224, "projection_dim": 768, "hidden_act": "quick_gelu"}
    text = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 23, "num_attention_heads": 16, "projection_dim": 512,
            "hidden_act": "gelu", "vocab_size": 49408}
    if tiny:
        unet |= {"block_out_channels": (8, 8, 16, 16), "layers_per_block": 1, "attention_head_dim": (1, 1, 2, 2), "cross_attention_dim": 16,
                 "norm_num_groups": 4, "sample_size": 16}
        vae |= {"block_out_channels": (4, 4, 8, 8), "layers_per_block": 1, "norm_num_groups": 2}
        vision |= {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "patch_size": 28, "projection_dim": 16}
        text |= {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "projection_dim": 16}
    return unet, vae, vision, text


def fill(net, seed):
    net.load_state_dict({k: v if net.state_dict()[k].is_floating_point() else net.state_dict()[k] for k, v in
                         common.random_values({k: v.shape for k, v in net.state_dict().items()}, seed).items()})
    return net.eval().requires_grad_(False)


def spread(layer, y, std, mean=0.0):
    """Scales a last convolution whose output is y so that its mean and spread over a picture become these."""
    y = y.transpose(0, 1).flatten(1)
    scale = std / y.std(1)
    layer.weight.mul_(scale[:, None, None, None])
    layer.bias.copy_(layer.bias * scale - y.mean(1) * scale + torch.as_tensor(mean))


def write_random(folder, version, tiny, prediction, picture, bucket):
    """A folder laid out like the published ones, with random weights whose latents, predictions and maps vary."""
    unet_shape, vae_shape, vision_shape, text_shape = shapes(version, tiny)
    vae = fill(AutoencoderKL(**vae_shape), 11)
    image = image_for(picture, bucket)
    with torch.no_grad():
        moments = vae.quant_conv(vae.encoder(image))
        spread(vae.quant_conv, moments, 1 / vae.config.scaling_factor)
        latent = Encoder(vae)(image)
        # Maps are steady as a trained decoder's: most of a pixel's value is its surroundings'.
        out = vae.decoder(vae.post_quant_conv(latent / vae.config.scaling_factor))
        spread(vae.decoder.conv_out, out, 0.45, [0.1, -0.1, -0.3])
        unet = join(fill(UNet2DConditionModel(**unet_shape), 12))
        width = unet_shape["cross_attention_dim"]
        g = torch.Generator().manual_seed(13)
        noise = torch.randn(1, 2, *latent.shape[1:], generator=g)
        context = torch.randn(1, 1, width, generator=g)
        net = Unet(unet, context.repeat(3, 1, 1) if version == "v2" else None)
        y = net(latent, noise, torch.tensor([501]), torch.tensor([0]), context)
        spread(unet.conv_out, y[0], 0.7)
    vae.save_pretrained(os.path.join(folder, "vae"))
    unet.save_pretrained(os.path.join(folder, "unet" if version == "v1" else "unet_v2"))
    DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type=prediction, set_alpha_to_one=False,
                  steps_offset=1, clip_sample=False).save_pretrained(os.path.join(folder, "scheduler"))
    if version == "v1":
        fill(CLIPVisionModelWithProjection(CLIPVisionConfig(**vision_shape)), 14).save_pretrained(os.path.join(folder, "image_encoder"))
        os.makedirs(os.path.join(folder, "feature_extractor"))
        with open(os.path.join(folder, "feature_extractor", "preprocessor_config.json"), "w") as f:
            json.dump({"image_mean": CLIP_MEAN, "image_std": CLIP_STD, "crop_size": {"height": 224, "width": 224}}, f)
    else:
        words = tiny_tokenizer(os.path.join(folder, "tokenizer"))
        shape = {**text_shape, "vocab_size": words} if tiny else text_shape
        encoder = os.path.join(folder, "text_encoder")
        fill(CLIPTextModel(CLIPTextConfig(**shape)), 15).save_pretrained(encoder)
        weights = os.path.join(encoder, "model.safetensors")  # published files have the names of earlier transformers
        save_file({f"text_model.{k}": v for k, v in load_file(weights).items()}, weights, metadata={"format": "pt"})


# ---- one run, in PyTorch and in ONNX Runtime ----


def image_for(picture, bucket):
    """A picture at a bucket's size in [-1, 1], [1,3,H,W]; upstream keeps the aspect, a bucket squashes it a little."""
    h, w = bucket
    v = np.asarray(picture.resize((w, h), Image.Resampling.BICUBIC), np.float32) / 255 * 2 - 1
    return torch.from_numpy(np.ascontiguousarray(v.transpose(2, 0, 1)[None]))


def clip_image(image):
    """What CLIP is shown: the processed picture at 224x224."""
    v = nn.functional.interpolate((image + 1) / 2, size=(224, 224), mode="bicubic", antialias=True, align_corners=False)
    mean, std = (torch.tensor(c, device=image.device)[:, None, None] for c in (CLIP_MEAN, CLIP_STD))
    return (v - mean) / std


def coefficients(s, steps):
    """DDIM without noise, eta 0: timesteps, and abar at and after each (float64)."""
    n = s["train_timesteps"]
    if s["beta_schedule"] == "scaled_linear":
        betas = np.linspace(s["beta_start"] ** 0.5, s["beta_end"] ** 0.5, n) ** 2
    else:
        betas = np.linspace(s["beta_start"], s["beta_end"], n)
    abar = np.cumprod(1 - betas)
    ratio = n // steps
    t = np.arange(steps)[::-1] * ratio + s["steps_offset"]
    final = 1.0 if s["set_alpha_to_one"] else abar[0]
    return t, abar[t], np.array([abar[i - ratio] if i >= ratio else final for i in t])


def ddim(x, prediction, a, b, s):
    """From abar a to abar b; in float64, as the caller of the graphs is free to."""
    x, prediction = x.astype(np.float64), prediction.astype(np.float64)
    if s["prediction"] == "v_prediction":
        x0, eps = a**0.5 * x - (1 - a) ** 0.5 * prediction, a**0.5 * prediction + (1 - a) ** 0.5 * x
    else:
        x0, eps = (x - (1 - a) ** 0.5 * prediction) / a**0.5, prediction
    if s["clip_sample"]:
        x0 = x0.clip(-1, 1)  # eps stays what it was
    return (b**0.5 * x0 + (1 - b) ** 0.5 * eps).astype(np.float32)


def run_torch(m, scheduler, image, noise, domain, steps):
    """The reference: PyTorch and diffusers' own scheduler. Returns latent, context, every step's prediction, geo, depth, normal."""
    with torch.no_grad():
        n = image.shape[0]
        latent = m["vae_encoder"](image)
        context = m["image_encoder"](clip_image(image)) if "image_encoder" in m else None
        geo = noise[:, None].repeat(1, 2, 1, 1, 1)
        ddim = DDIMScheduler.from_config(scheduler)
        ddim.set_timesteps(steps, device=image.device)
        domains = torch.full((n,), domain, device=image.device)
        predictions = []
        for t in ddim.timesteps:
            v = m["unet"](latent, geo, t.repeat(n), domains, context)
            predictions.append(v)
            geo = ddim.step(v, t, geo).prev_sample
        depth, normal = m["vae_decoder"](geo)
        return {"latent": latent, "context": context, "predictions": torch.stack(predictions), "geo": geo, "depth": depth, "normal": normal}


def run_onnx(sessions, card, image, noise, domain, steps):
    n = image.shape[0]
    latent = sessions["vae_encoder"].run(None, {"image": image.numpy()})[0]
    feed = {"latent": latent, "domain": np.full(n, domain, np.int64)}
    context = None
    if "image_encoder" in sessions:
        context = feed["context"] = sessions["image_encoder"].run(None, {"image": clip_image(image).numpy()})[0]
    geo = noise.numpy()[:, None].repeat(2, 1)
    predictions = []
    for t, a, b in zip(*coefficients(card, steps)):
        v = sessions["unet"].run(None, {**feed, "geo": geo, "timestep": np.full(n, t, np.int64)})[0]
        predictions.append(v)
        geo = ddim(geo, v, a, b, card)
    depth, normal = sessions["vae_decoder"].run(None, {"geo": geo})
    return {"latent": latent, "context": context, "predictions": np.stack(predictions), "geo": geo, "depth": depth, "normal": normal}


INPUTS = {
    "vae_encoder": (["image"], ["latent"]),
    "image_encoder": (["image"], ["context"]),
    "unet": (["latent", "geo", "timestep", "domain", "context"], ["prediction"]),
    "vae_decoder": (["geo"], ["depth", "normal"]),
}
AXES = {"vae_encoder": {"image": (2, 3), "latent": (2, 3)}, "image_encoder": {}, "unet": {"latent": (2, 3), "geo": (3, 4), "prediction": (3, 4)},
        "vae_decoder": {"geo": (3, 4), "depth": (2, 3), "normal": (2, 3)}}


def example(name, width, version):
    """Inputs to trace with: two pictures, as small as the networks take."""
    h, w = 8, 16
    if name == "image_encoder":
        return (torch.rand(2, 3, 224, 224),)
    if name == "vae_encoder":
        return (torch.rand(2, 3, 8 * h, 8 * w),)
    if name == "vae_decoder":
        return (torch.randn(2, 2, 4, h, w),)
    args = (torch.randn(2, 4, h, w), torch.randn(2, 2, 4, h, w), torch.tensor([901, 901]), torch.tensor([0, 1]))
    return args + ((torch.randn(2, 1, width),) if version == "v1" else ())


def export(parts, folder, fp16, short):
    for name, module in parts.modules().items():
        start = time.time()
        if fp16:
            module = copy.deepcopy(module).half()
        inputs, outputs = INPUTS[name]
        if name == "unet" and parts.version == "v2":
            inputs = inputs[:-1]
        dynamic = {}
        for k in inputs + outputs:
            axes = AXES[name].get(k, ())
            own = ("H", "W") if k in ("image", "depth", "normal") else ("h", "w")
            dynamic[k] = {0: "N", **dict(zip(axes, own))}
        path = os.path.join(folder, f"{name}.onnx")
        common.save_onnx(module, example(name, parts.unet.config.cross_attention_dim, parts.version), path, inputs, outputs, dynamic, short)
        del module
        size = sum(os.path.getsize(p) for p in (path, path + ".data") if os.path.exists(p))
        print(f"{name}.onnx: {size / 1e6:.1f} MB in {time.time() - start:.1f} s")


def parse_buckets(text):
    buckets = []
    for b in text.split(","):
        m = re.fullmatch(r"(\d+)x(\d+)", b.strip())
        size = [int(m[1]), int(m[2])] if m else [0, 0]
        if not all(64 <= v <= 4096 and v % 64 == 0 for v in size):
            raise Refused(f"--buckets {b}: HEIGHTxWIDTH in multiples of 64 is wanted")
        if 2 * 256 * size[0] * size[1] >= 2**31:
            raise Refused(f"--buckets {b}: too large: the decoder's kernels count in 32 bits")
        buckets.append(size)
    return buckets


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder", nargs="?", help="GeoWizard in diffusers' layout")
    p.add_argument("--version", choices=["v1", "v2"], required=True)
    p.add_argument("--sd2", metavar="FOLDER", help="v2: Stable Diffusion 2 in diffusers' layout; default: the first folder")
    p.add_argument("-o", "--out", required=True, metavar="DIR", help="the model's folder is made in it")
    p.add_argument("--name", required=True)
    p.add_argument("--fp16", action="store_true", help="half-precision weights and sums; inputs and outputs stay float32")
    p.add_argument("--buckets", help=f"sizes that pictures are squashed to, default {BUCKETS} (tiny: 64x128,128x64,64x64)")
    p.add_argument("--pictures", nargs="+", metavar="FILE", help="for the parity report; default: the repository's test frames")
    p.add_argument("--steps", type=int, default=4, help="of the parity report")
    p.add_argument("--parity-bucket", help="its size; default: the first of --buckets")
    p.add_argument("--random-weights", action="store_true", help="no folder: for tests and timing")
    p.add_argument("--tiny", action="store_true", help="with --random-weights: small networks of the same structure")
    p.add_argument("--prediction", choices=["v_prediction", "epsilon"], default="v_prediction", help="with --random-weights")
    return p.parse_args()


def check(parts, folder, pictures, bucket, steps, bound, about):
    """The parity report over whole runs."""
    parity = Parity(bound)
    modules = parts.modules()
    sessions = {name: common.session(os.path.join(folder, f"{name}.onnx")) for name in modules}
    card = parts.scheduler_card()
    g = torch.Generator().manual_seed(5)
    for file, picture in pictures.items():
        image = image_for(picture, bucket)
        noise = torch.randn(1, 4, bucket[0] // 8, bucket[1] // 8, generator=g)
        want = run_torch(modules, parts.scheduler, image, noise, 0, steps)
        got = run_onnx(sessions, card, image, noise, 0, steps)
        for k, v in want.items():
            if v is not None:
                parity.add(k, file, v, got[k])
    parity.finish(folder, about)
    return parity


def main():
    a = arguments()
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", a.name):
        raise Refused(f"--name {a.name}: lower-case letters, digits and ._- are wanted")
    if bool(a.folder) == a.random_weights or (a.tiny and not a.random_weights):
        raise Refused("a folder is wanted, or --random-weights (and only then --tiny)")
    buckets = parse_buckets(a.buckets or ("64x128,128x64,64x64" if a.tiny else BUCKETS))
    bucket = parse_buckets(a.parity_bucket)[0] if a.parity_bucket else buckets[0]
    files = a.pictures or common.default_pictures()
    if not files:
        raise Refused("no pictures for the parity report: name some with --pictures")
    pictures = {f: common.open_rgb(f) for f in files}
    with tempfile.TemporaryDirectory() as scratch:
        source = a.folder
        if a.random_weights:
            source = scratch
            write_random(scratch, a.version, a.tiny, a.prediction, next(iter(pictures.values())), bucket)
        parts = Parts(source, a.version, a.sd2)
    scheduler = parts.scheduler_card()
    with common.Folder(a.out, a.name) as folder:
        export(parts, folder, a.fp16, a.tiny)
        about = {"version": a.version, "bucket": bucket, "steps": a.steps, "precision": "fp16" if a.fp16 else "fp32", "random_weights": a.random_weights}
        parity = check(parts, folder, pictures, bucket, a.steps, 0.1 if a.fp16 else 2e-3, about)
        files = {"version": a.version, "encoder": "vae_encoder.onnx", "unet": "unet.onnx", "decoder": "vae_decoder.onnx"}
        if a.version == "v1":
            files["image_encoder"] = "image_encoder.onnx"
        note = [f"GeoWizard {a.version}, {about['precision']}"] + (["random weights: for tests only"] if a.random_weights else [])
        common.write_card(folder, {
            "name": a.name, "task": ["depth", "normal"], "runner": "geowizard",
            "geowizard": {**files, "buckets": buckets, "scheduler": Flow(scheduler)},
            "licence": "Apache-2.0" if a.random_weights else
                       "see https://huggingface.co/lemonaddie/geowizard; made from Stable Diffusion, whose CreativeML Open RAIL licence goes on",
            "source": "tools/export" if a.random_weights else "https://huggingface.co/lemonaddie/geowizard",
            "note": "; ".join(note),
            "metrics": {f"{k}_onnx_max_error": float(np.format_float_scientific(parity.worst(k), 1)) for k in ("depth", "normal")},
        }, "geowizard.py")
    print(f"{os.path.join(a.out, a.name)}: written")


if __name__ == "__main__":
    common.run(main)
