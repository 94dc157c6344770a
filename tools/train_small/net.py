"""The network: a residual U-Net of plain 3x3 convolutions, image in, depth and normal out.

Why these shapes: on a CPU, plain 3x3 convolutions run near the peak of the vector units and depthwise ones
do not. The picture is folded 2x2 into channels at the door and unfolded at the exit, so no layer pays for
full-size feature maps. Two coordinate channels let it learn "low in the picture is ground".
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

FAR = math.log(4.0)  # in log medians of depth
WIDTHS = (32, 56, 88, 120, 144)  # at 1/2, 1/4, 1/8, 1/16, 1/32 of the picture


def conv(cin, cout, stride=1):
    return nn.Conv2d(cin, cout, 3, stride, 1, bias=False)


class Block(nn.Module):
    """Pre-summed residual pair; batch norm folds into the convolutions at export."""

    def __init__(self, cin, cout, stride=1):
        super().__init__()
        self.a, self.na = conv(cin, cout, stride), nn.BatchNorm2d(cout)
        self.b, self.nb = conv(cout, cout), nn.BatchNorm2d(cout)
        self.skip = None
        if cin != cout or stride != 1:
            self.skip = nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout))
        nn.init.zeros_(self.nb.weight)  # start as the identity

    def forward(self, x):
        y = self.nb(self.b(F.relu(self.na(self.a(x)))))
        return F.relu(y + (x if self.skip is None else self.skip(x)))


class Up(nn.Module):
    """Twice the size, joined with the encoder's map of that size."""

    def __init__(self, cin, cskip, cout):
        super().__init__()
        self.squeeze = nn.Sequential(nn.Conv2d(cin, cout, 1, bias=False), nn.BatchNorm2d(cout))
        self.join = nn.Sequential(conv(cout + cskip, cout), nn.BatchNorm2d(cout), nn.ReLU())
        self.block = Block(cout, cout)

    def forward(self, x, skip):
        x = F.interpolate(self.squeeze(x), scale_factor=2.0, mode="nearest")
        return self.block(self.join(torch.cat([x, skip], 1)))


class Net(nn.Module):
    """forward(image) -> (log depth, raw normal); `outputs` turns these into what the ONNX file gives."""

    def __init__(self, widths=WIDTHS):
        super().__init__()
        w = widths
        self.stem = nn.Sequential(conv(4 * 3 + 2, w[0]), nn.BatchNorm2d(w[0]), nn.ReLU())
        self.enc = nn.ModuleList(
            [Block(w[0], w[0])]
            + [nn.Sequential(Block(w[i], w[i + 1], 2), *([Block(w[i + 1], w[i + 1])] if i in (1, 2) else [])) for i in range(4)]
        )
        # What sort of scene this is (room, meadow, night) is a fact about the whole picture.
        self.whole = nn.Sequential(nn.Linear(w[4], w[4]), nn.ReLU(), nn.Linear(w[4], w[4]))
        nn.init.zeros_(self.whole[2].weight)
        self.dec = nn.ModuleList([Up(w[i + 1], w[i], w[i]) for i in (3, 2, 1, 0)])
        self.head = nn.Conv2d(w[0], 4 * 4, 3, 1, 1)

    def forward(self, image):
        n, _, h, w = image.shape
        y, x = (torch.linspace(-1, 1, v // 2, device=image.device) for v in (h, w))
        y, x = y.view(1, 1, -1, 1).expand(n, 1, -1, w // 2), x.view(1, 1, 1, -1).expand(n, 1, h // 2, -1)
        f = self.stem(torch.cat([F.pixel_unshuffle(image, 2), x, y], 1))
        maps = []
        for level in self.enc:
            f = level(f)
            maps.append(f)
        f = maps.pop()
        f = f + self.whole(f.mean((2, 3))).unsqueeze(-1).unsqueeze(-1)
        for up in self.dec:
            f = up(f, maps.pop())
        out = F.pixel_shuffle(self.head(f), 2).float()
        return out[:, :1], out[:, 1:]


def unit_normal(raw):
    """Unit length, and z < 0 by construction: what a camera sees faces it."""
    z = -F.softplus(raw[:, 2:]) - 1e-3
    v = torch.cat([raw[:, :2], z], 1)
    return v / (v * v).sum(1, keepdim=True).sqrt().clamp_min(1e-6)


class Exported(nn.Module):
    """The ONNX face: depth (near small, in 0..1) and unit normals. 4 medians of depth, and all beyond, is 1: training
    asks nothing more of far things than to be far."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, image):
        z, raw = self.net(image)
        return torch.exp(z.clamp(-6.0, FAR)) * 0.25, unit_normal(raw)
