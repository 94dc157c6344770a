#!/usr/bin/env python3
"""Trains a small network on a set, read by several workers: torch_train.py SET

SET is a folder or s3://BUCKET/PREFIX. Each worker reads its own share of the set,
either whole row groups (the columns that are asked for: few, large requests) or
single blobs by their place in index.parquet (any order and any choice of tuples).
Picture, depth and normals are cropped and flipped alike.
"""

import argparse
import collections
import concurrent.futures
import io
import random
import time

import numpy as np
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import torch
from PIL import Image
from torch import nn

MODALITIES = ["image", "depth", "normal"]


def open_set(location):
    """The file system of a set, and the set's path in it."""
    return pafs.FileSystem.from_uri(location) if "://" in location else (pafs.LocalFileSystem(), location)


class Tuples(torch.utils.data.IterableDataset):
    """The tuples of a split that have all the modalities asked for, each once an epoch, in an order that epoch and seed determine.

    Yields transform(tuple), where a tuple is a dict of key, text, depth_meta and the bytes of the modalities.
    """

    def __init__(self, location, transform, modalities=tuple(MODALITIES), by="rowgroup", split="train", seed=0, rank=0, world=1):
        self.location, self.transform, self.modalities, self.by, self.seed = location, transform, modalities, by, seed
        self.rank, self.world = rank, world  # of torch.distributed, where several machines or GPUs train
        self.epoch = 0
        fs, root = open_set(location)
        scalars = ["key", "text", "depth_meta", "shard", "row_group", "row"]
        places = [f"{m}_{what}" for m in modalities for what in ("offset", "size")]
        index = pq.read_table(f"{root}/index.parquet", filesystem=fs, columns=scalars + places).to_pylist()
        self.index = [r for r in index if r["shard"].startswith(f"data/{split}-") and all(r[m + "_size"] for m in modalities)]

    def __len__(self):
        return len(self.index)  # over all workers and ranks

    def __iter__(self):
        # Units of work in one order that all workers agree on, of which each takes every n-th.
        units = collections.defaultdict(list)
        for row in self.index:
            units[(row["shard"], row["row_group"]) if self.by == "rowgroup" else row["key"]].append(row)
        units = list(units.values())
        random.Random(f"{self.seed} {self.epoch}").shuffle(units)
        worker = torch.utils.data.get_worker_info()
        workers, number = (worker.num_workers, worker.id) if worker else (1, 0)
        mine = units[self.rank * workers + number :: self.world * workers]
        self.epoch += 1  # with persistent workers each counts its own; all count alike

        fs, root = open_set(self.location)  # here, not before: a connection does not survive its way into a worker
        read = self.row_groups if self.by == "rowgroup" else self.blobs
        chance = random.Random(f"{self.seed} {self.epoch} {self.rank} {number}")
        for row in read(fs, root, mine):
            yield self.transform(row, chance)

    def row_groups(self, fs, root, units):
        """Whole row groups, the columns asked for. The tuples of each come in random order."""
        for rows in units:
            file = pq.ParquetFile(fs.open_input_file(f"{root}/{rows[0]['shard']}"), pre_buffer=True)
            group = rows[0]["row_group"]
            first = sum(file.metadata.row_group(g).num_rows for g in range(group))
            table = file.read_row_group(group, columns=[m + ".bytes" for m in self.modalities])
            for row in random.Random(f"{self.seed} {self.epoch} {group}").sample(rows, len(rows)):
                at = row["row"] - first  # index.parquet counts rows from the shard's start
                yield row | {m: table[m][at]["bytes"].as_py() for m in self.modalities}

    def blobs(self, fs, root, units, ahead=8):
        """Single blobs, one range request each, of some tuples ahead: an answer from far away takes its time."""
        shards = {}

        def fetch(row):
            return row | {m: shards[row["shard"]].read_at(row[m + "_size"], row[m + "_offset"]) for m in self.modalities}

        with concurrent.futures.ThreadPoolExecutor(ahead) as pool:
            waiting = collections.deque()
            for (row,) in units:
                if row["shard"] not in shards:
                    shards[row["shard"]] = fs.open_input_file(f"{root}/{row['shard']}")
                waiting.append(pool.submit(fetch, row))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()


def decode(row):
    """Picture (3 x H x W, 0..1), depth (1 x H x W, in its model's units) and normals (3 x H x W, unit vectors) of a tuple."""
    image, depth, normal = (np.asarray(Image.open(io.BytesIO(row[m]))) for m in MODALITIES)
    meta = row["depth_meta"]
    image = torch.from_numpy(image.astype(np.float32) / 255).permute(2, 0, 1)
    depth = torch.from_numpy(meta["min"] + depth.astype(np.float32) / 65535 * (meta["max"] - meta["min"])).unsqueeze(0)
    normal = torch.from_numpy(2 * normal.astype(np.float32) / 255 - 1).permute(2, 0, 1)
    return image, depth, normal


def crop_alike(image, depth, normal, size, chance, scale=(0.3, 1.0)):
    """One random crop, resize and flip of all three, to size x size."""
    height, width = image.shape[-2:]
    side = min(height, width) * chance.uniform(*scale) ** 0.5
    h = max(1, round(side * chance.uniform(0.9, 1)))
    w = max(1, round(side * chance.uniform(0.9, 1)))
    top, left = chance.randint(0, height - h), chance.randint(0, width - w)
    image, depth, normal = (
        nn.functional.interpolate(x[None, :, top : top + h, left : left + w], (size, size), mode="bilinear", antialias=True)[0]
        for x in (image, depth, normal)
    )
    if chance.random() < 0.5:
        image, depth, normal = (x.flip(-1) for x in (image, depth, normal))
        normal = normal * torch.tensor([-1.0, 1, 1])[:, None, None]  # what pointed right points left now
    return image, depth, nn.functional.normalize(normal, dim=0)  # means of unit vectors are shorter


class Transform:
    """What is done to a tuple in the worker. A class, not a lambda: it goes to workers by pickle."""

    def __init__(self, size):
        self.size = size

    def __call__(self, row, chance):
        image, depth, normal = crop_alike(*decode(row), self.size, chance)
        return {"key": row["key"], "image": image, "depth": depth, "normal": normal}


def loader(data, batch, workers):
    """Batches of a set. Workers are spawned: a fork would copy threads of S3 clients and of torch that don't survive it."""
    return torch.utils.data.DataLoader(
        data, batch, num_workers=workers, persistent_workers=workers > 0,
        multiprocessing_context="spawn" if workers else None,
    )


def network():
    """A small network from picture to depth and normals."""
    return nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 4, 1))


def loss_of(net, batch):
    """Of normals by angle, of depth up to scale and shift of each picture, which relative depth leaves open."""
    out = net(batch["image"])
    normal = 1 - nn.functional.cosine_similarity(out[:, 1:], batch["normal"], dim=1).mean()
    depth, want = (nn.functional.layer_norm(x, x.shape[1:]) for x in (out[:, :1], batch["depth"]))
    return normal + (depth - want).abs().mean()


def train(location, by="rowgroup", workers=2, epochs=1, batch=4, size=128):
    """Trains; yields, for each step, the epoch, the keys of the batch and the loss."""
    torch.manual_seed(0)
    net = network()
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    batches = loader(Tuples(location, Transform(size), by=by), batch, workers)
    for epoch in range(epochs):
        for b in batches:
            loss = loss_of(net, b)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            yield epoch, b["key"], loss.item()


def main():
    """Trains and says how fast."""
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("set")
    args.add_argument("--by", choices=["rowgroup", "range"], default="rowgroup")
    args.add_argument("--workers", type=int, default=2)
    args.add_argument("--epochs", type=int, default=3)
    args = args.parse_args()
    began, seen = time.monotonic(), 0
    for step, (epoch, keys, loss) in enumerate(train(args.set, args.by, args.workers, args.epochs)):
        seen += len(keys)
        print(f"epoch {epoch} step {step}: loss {loss:.3f}, {seen / (time.monotonic() - began):.1f} tuples/s")


if __name__ == "__main__":
    main()
