"""Trains the small network on the rendered store. Stop it when you like; --resume goes on from the last checkpoint.

    python train.py --data DIR/train --val DIR/val --out DIR --minutes 60 [--resume]

The schedule runs by minutes of training, not by steps, so that it fits the time there is.
"""

import argparse
import copy
import json
import math
import os
import time

import torch
import torch.nn.functional as F

from data import Feeder, Store
from evaluate import score_net, summary
from net import FAR, Net, unit_normal

TERMS = ("log", "rel", "slope", "far", "normal")
SIZES = ((96, 160), (128, 192), (160, 256))  # small pictures first: three times as many in the same time


def mean_in(v, mask):
    return (v * mask).sum((1, 2, 3)) / mask.sum((1, 2, 3)).clamp_min(1)


def aligned_rel(z, target, mask):
    """AbsRel after the best scale and shift, the measure itself; the fit is in the graph."""
    p, t = torch.exp(z.clamp(-6, 2.5)), torch.exp(target)
    mp, mt = mean_in(p, mask).view(-1, 1, 1, 1), mean_in(t, mask).view(-1, 1, 1, 1)
    cov, var = mean_in((p - mp) * (t - mt), mask), mean_in((p - mp) ** 2, mask)
    a = (cov / (var + 1e-3)).clamp(0, 5).view(-1, 1, 1, 1)
    return mean_in((a * (p - mp) + mt - t).abs() / t.clamp_min(0.1), mask)


def slopes(z, target, mask):
    """Differences of neighbours at three distances: sharp borders, smooth faces."""
    e, total = (z - target) * mask, 0.0
    for s in (1, 2, 8):
        dx, mx = (e[..., s:] - e[..., :-s]).abs(), mask[..., s:] * mask[..., :-s]
        dy, my = (e[..., s:, :] - e[..., :-s, :]).abs(), mask[..., s:, :] * mask[..., :-s, :]
        total = total + mean_in(dx, mx) + mean_in(dy, my)
    return total


def loss_of(z, raw, target, normal, weights):
    near, far = weights[:, :1], weights[:, 1:2]
    shift = mean_in(target - z.detach(), near).view(-1, 1, 1, 1)
    n = unit_normal(raw)
    chord = (2 - 2 * (n * normal).sum(1, keepdim=True)).clamp_min(0).add(1e-4).sqrt()  # near the angle, unlike 1 - cos
    terms = torch.stack(
        [  # log depth, the measure itself, slopes, far, normals
            0.5 * mean_in((z - target).abs(), near) + 0.5 * mean_in((z + shift - target).abs(), near),
            aligned_rel(z, target, near),
            0.4 * slopes(z, target, near),
            0.4 * mean_in(F.relu(FAR - z), far),
            1.5 * mean_in(chord, weights[:, 2:]),
        ]
    )
    # pictures with hardly anything measurable in view would shout
    weight = (near.mean((1, 2, 3)) > 0.05).float()
    return (terms * weight).sum(1) / weight.sum().clamp_min(1)


class Together:
    """Averages the workers' gradients through shared memory, one meeting a step.

    A process of one thread each, instead of one process with many threads: threads meet after every layer, and on a
    machine that others use too each meeting waits for the slowest (measured under load: 11 pictures a second against
    over 50 of one thread alone).
    """

    def __init__(self, workers, size, context):
        self.workers, self.barrier = workers, context.Barrier(workers)
        self.room = torch.zeros(2, workers, size).share_memory_()

    def mean(self, rank, step, flat):
        if self.workers == 1:
            return flat
        room = self.room[step % 2]  # two rooms in turn: nobody writes where another may still read
        room[rank] = flat
        self.barrier.wait(600)
        return room.sum(0) / self.workers


def work(rank, a, together):
    torch.set_num_threads(1)
    torch.manual_seed(a.seed)
    net = Net().to(memory_format=torch.channels_last)
    ema = copy.deepcopy(net).eval()
    params = list(net.parameters())
    opt = torch.optim.AdamW(params, a.lr, betas=(0.9, 0.99), weight_decay=0.02, fused=True)
    path, step, seen, spent = os.path.join(a.out, "checkpoint.pt"), 0, 0, 0.0
    if a.resume and os.path.exists(path):
        c = torch.load(path, weights_only=True)
        net.load_state_dict(c["net"]), ema.load_state_dict(c["ema"]), opt.load_state_dict(c["opt"])
        step, seen, spent = c["step"], c["seen"], c["spent"]
    run, measure = net, loss_of
    if a.compile:  # one fused pass instead of a hundred small ones: 15% for the network, five times for the loss
        run, measure = torch.compile(net, dynamic=False), torch.compile(loss_of, dynamic=False)
    cuts = [float(v) for v in a.parts.split(",")]
    size = lambda f: SIZES[sum(f >= c for c in cuts)]
    feed = Feeder(a.data, a.batch // a.workers, size(spent / 60 / a.minutes), a.seed + step + 1_000_003 * rank)
    val = Store(a.val)
    last = told = saved = checked = time.time()
    sums, count, seen0 = torch.zeros(5), 0, seen

    def save():
        c = dict(
            net=net.state_dict(),
            ema=ema.state_dict(),
            opt=opt.state_dict(),
            step=step,
            seen=seen,
            spent=spent,
            seed=a.seed,
            minutes=spent / 60,
            batch=a.batch,
            lr=a.lr,
        )
        torch.save(c, path + ".tmp")
        os.replace(path + ".tmp", path)

    def check():
        print("val", json.dumps(dict(minute=round(spent / 60, 1), seen=seen, **summary(score_net(ema, val, 200)))), flush=True)

    for x, *truth in feed:
        f = spent / 60 / a.minutes  # the first worker's clock, the same for all
        if f >= 1:
            break
        feed.size = size(f)
        for group in opt.param_groups:
            group["lr"] = a.lr * min(1.0, (step + 1) / 300) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * f)))
        with torch.autocast("cpu", torch.bfloat16):  # 2.5 times fp32 on processors with bf16 arithmetic
            z, raw = run(x)
        terms = measure(z, raw, *truth)
        opt.zero_grad(set_to_none=True)
        terms.sum().backward()
        now = time.time()
        spent, last = spent + now - last, now
        clock = torch.tensor([spent * together.workers if rank == 0 else 0.0])
        flat = together.mean(rank, step, torch.cat([p.grad.flatten() for p in params] + [clock]))
        spent = float(flat[-1])
        step, seen = step + 1, seen + a.batch
        norm = flat[:-1].norm()
        if not torch.isfinite(norm):
            print("a step without finite gradients was left out", flush=True)
            continue
        flat *= min(1.0, 2.0 / float(norm))
        for p, g in zip(params, flat[:-1].split([p.numel() for p in params])):
            p.grad.copy_(g.view_as(p))
        opt.step()
        if rank != 0:
            continue
        count += 1
        decay = min(0.9985, (1 + step) / (10 + step))
        with torch.no_grad():
            for e, v in zip(ema.state_dict().values(), net.state_dict().values()):
                e.lerp_(v, 1 - decay) if e.is_floating_point() else e.copy_(v)
        sums = sums + terms.detach()
        if now - told > 30:
            print(
                json.dumps(
                    dict(
                        minute=round(spent / 60, 1),
                        step=step,
                        seen=seen,
                        lr=round(group["lr"], 6),
                        size=x.shape[2:],
                        rate=round((seen - seen0) / (now - told), 1),
                        **{k: round(v, 4) for k, v in zip(TERMS, (sums / count).tolist())},
                    )
                ),
                flush=True,
            )
            told, sums, count, seen0 = now, torch.zeros(5), 0, seen
        if now - saved > 150:
            save()
            saved = time.time()
        if now - checked > 480:
            check()
            checked = last = time.time()  # measuring is not training
    feed.stop = True
    if rank == 0:
        save()
        check()


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--data", required=True)
    p.add_argument("--val", required=True)
    p.add_argument("--out", required=True)
    p.add_argument("--minutes", type=float, default=60)
    p.add_argument("--batch", type=int, default=16)
    p.add_argument("--lr", type=float, default=2.5e-3)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--workers", type=int, default=2, help="processes of one thread each")
    p.add_argument("--parts", default="0.7,1.1", help="shares of the time at which the picture size grows (over 1: never)")
    p.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True, help="needs a C++ compiler")
    p.add_argument("--resume", action="store_true", help="go on from the checkpoint; a larger --minutes trains on")
    a = p.parse_args()
    os.makedirs(a.out, exist_ok=True)
    context = torch.multiprocessing.get_context("spawn")
    together = Together(a.workers, sum(p.numel() for p in Net().parameters()) + 1, context)
    torch.multiprocessing.spawn(work, (a, together), a.workers)


if __name__ == "__main__":
    main()
