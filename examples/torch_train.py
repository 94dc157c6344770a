#!/usr/bin/env python3
"""Trains a small network on a set, read by several workers: torch_train.py SET

SET is a folder or s3://BUCKET/PREFIX. Each worker reads its own share of the set,
either whole row groups (the columns that are asked for: few, large requests) or
single blobs by their place in index.parquet (any order and any choice of tuples).
Picture, depth and normals are cropped and flipped alike.

Memory does not grow with the set: what of the index is needed lies in a file that all
workers of a machine map, some 250 bytes a tuple. All ranks get as many batches.
"""

import argparse
import collections
import concurrent.futures
import functools
import io
import os
import random
import tempfile
import time

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import torch
from PIL import Image
from torch import nn

MODALITIES = ["image", "depth", "normal"]
OPEN_SHARDS = 64  # at once: systems often allow a process 1024 files


def open_set(location):
    """The file system of a set, and the set's path in it."""
    return pafs.FileSystem.from_uri(location) if "://" in location else (pafs.LocalFileSystem(), location)


def copy_index(location, split, modalities, path):
    """Copies what is needed of the index, of the tuples of a split that have the modalities, to an Arrow file that can be mapped.

    Returns the names of the shards, whose numbers stand in the column shard, and how
    many of the tuples each row group has, in their order.
    """
    fs, root = open_set(location)
    columns = ["key", "text", "depth_meta", "row_group", "row", "shard"] + [f"{m}_{what}" for m in modalities for what in ("offset", "size")]
    shards, counts, last = {}, [], None
    with pq.ParquetFile(fs.open_input_file(f"{root}/index.parquet")) as index, pa.OSFile(path, "wb") as out:
        fields = [index.schema_arrow.field(name) for name in columns]
        schema = pa.schema([f.with_type(pa.int32()) if f.name == "shard" else f for f in fields])
        with pa.ipc.new_file(out, schema) as copy:
            for batch in index.iter_batches(columns=columns):
                keep = pc.starts_with(batch["shard"], f"data/{split}-")
                for m in modalities:
                    keep = pc.and_(keep, pc.is_valid(batch[m + "_size"]))
                batch = batch.filter(keep)
                names = batch["shard"].dictionary_encode()
                number_of = np.array([shards.setdefault(name, len(shards)) for name in names.dictionary.to_pylist()], np.int32)
                numbers = number_of[names.indices.to_numpy()]
                arrays = [pa.array(numbers) if name == "shard" else batch[name] for name in columns]
                copy.write_batch(pa.record_batch(arrays, schema=schema))
                groups, n = np.unique(numbers.astype(np.int64) << 32 | batch["row_group"].to_numpy(), return_counts=True)
                if len(groups) and groups[0] == last:  # a row group in two batches
                    counts[-1] += n[0]
                    n = n[1:]
                counts.extend(n)
                last = groups[-1] if len(groups) else last
    return list(shards), np.array(counts, np.int64)


class Tuples(torch.utils.data.IterableDataset):
    """The tuples of a split that have all the modalities asked for, in an order that epoch and seed determine.

    Yields transform(tuple), where a tuple is a dict of key, text, depth_meta and the bytes of
    the modalities. One rank gives each tuple once an epoch. Several ranks, which must have as
    many workers each, give as many tuples each, or the others would wait for one for ever:
    an epoch then leaves out less than one tuple a worker, each time others.

    scratch is a folder on this machine for what is needed of the index.
    """

    def __init__(self, location, transform, scratch, modalities=tuple(MODALITIES), by="rowgroup", split="train", seed=0, rank=0, world=1):
        self.location, self.transform, self.modalities, self.by, self.seed = location, transform, modalities, by, seed
        self.rank, self.world = rank, world  # of torch.distributed, where several machines or GPUs train
        self.epoch = 0
        # Workers get the file's name, and not the index, which is gigabytes in large sets.
        self.index = os.path.join(scratch, f"index-{split}-{rank}.arrow")
        self.shards, self.counts = copy_index(location, split, modalities, self.index)

    def __len__(self):
        return int(self.counts.sum()) // self.world  # a rank, of all its workers

    def __iter__(self):
        worker = torch.utils.data.get_worker_info()
        workers, number = (worker.num_workers, worker.id) if worker else (1, 0)
        shares, mine = self.world * workers, self.rank * workers + number
        n = int(self.counts.sum())
        if self.world > 1:
            n -= n % shares
        self.epoch += 1  # with persistent workers each counts its own; all count alike
        chance = random.Random(f"{self.seed} {self.epoch} {mine}")
        order = self.row_groups if self.by == "rowgroup" else self.blobs
        with pa.memory_map(self.index) as f:
            index = pa.ipc.open_file(f).read_all()  # mapped, not read
            fs, root = open_set(self.location)  # here, not before: a connection does not survive its way into a worker
            for row in order(fs, root, index, n * mine // shares, n * (mine + 1) // shares):
                yield self.transform(row, chance)

    def scalars(self, index, at):
        """A tuple of the index, its shard by name."""
        row = index.slice(at, 1).to_pylist()[0]
        return row | {"shard": self.shards[row["shard"]]}

    def row_groups(self, fs, root, index, begin, end):
        """Whole row groups, the columns asked for, and the tuples of each in random order: of all row groups' tuples in their order of this epoch those from begin on, before end."""
        order = np.random.default_rng([self.seed, self.epoch]).permutation(len(self.counts))
        ends, firsts = self.counts[order].cumsum(), self.counts.cumsum() - self.counts
        # The first and the last row group may be shared with neighbours.
        for unit in range(np.searchsorted(ends, begin, side="right"), np.searchsorted(ends, end, side="left") + (end > begin)):
            group, count = order[unit], self.counts[order[unit]]
            before = ends[unit] - count
            within = np.random.default_rng([self.seed, self.epoch, group]).permutation(count)
            rows = [self.scalars(index, firsts[group] + i) for i in within[max(0, begin - before) : end - before]]
            file = pq.ParquetFile(fs.open_input_file(f"{root}/{rows[0]['shard']}"), pre_buffer=True)
            number = rows[0]["row_group"]
            first = sum(file.metadata.row_group(g).num_rows for g in range(number))
            table = file.read_row_group(number, columns=[m + ".bytes" for m in self.modalities])
            for row in rows:
                at = row["row"] - first  # index.parquet counts rows from the shard's start
                yield row | {m: table[m][at]["bytes"].as_py() for m in self.modalities}

    def blobs(self, fs, root, index, begin, end, ahead=8):
        """Single blobs, one range request each, of some tuples ahead, for an answer from far away takes its time: of all tuples in their order of this epoch those from begin on, before end."""
        order = np.arange(self.counts.sum(), dtype=np.uint32)  # 4 bytes a tuple, for this moment
        np.random.default_rng([self.seed, self.epoch]).shuffle(order)
        order = order[begin:end].copy()

        @functools.lru_cache(OPEN_SHARDS)  # what falls out is closed once nobody reads it
        def opened(shard):
            return fs.open_input_file(f"{root}/{shard}")

        def fetch(row, file):
            return row | {m: file.read_at(row[m + "_size"], row[m + "_offset"]) for m in self.modalities}

        with concurrent.futures.ThreadPoolExecutor(ahead) as pool:
            waiting = collections.deque()
            for at in order:
                row = self.scalars(index, at)
                waiting.append(pool.submit(fetch, row, opened(row["shard"])))
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
    with tempfile.TemporaryDirectory() as scratch:
        batches = loader(Tuples(location, Transform(size), scratch, by=by), batch, workers)
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
