package pseudolabel

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"math"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"micodata/gpu"
	"micodata/pseudolabel/card"
)

// arithmetic numbers this package's own share in the maps' bytes; raise it with
// any change to them.
const arithmetic = 1

// dense runs networks that take one picture and give maps of it.
type dense struct {
	card        *card.Card
	options     Options
	session     *gpu.Session
	normalise   normaliser
	info        ModelInfo
	fingerprint string
	// slots bounds the runs at once where they share a GPU's memory; nil on the
	// CPU, where Workers does.
	slots chan struct{}
}

func newDense(c *card.Card, o Options, rt *gpu.Runtime, s *gpu.Session, device gpu.Device, note string) *dense {
	g := &dense{card: c, options: o, session: s, normalise: newNormaliser(c.Input)}
	g.info = ModelInfo{
		Name: c.Name, WeightsSHA256: c.WeightsSHA256(), Licence: c.Licence, Tasks: c.Tasks,
		Device: device.String(), DeviceNote: note,
	}
	if c.Outputs.Depth != nil {
		g.info.DepthKind = c.Outputs.Depth.Kind
	}
	g.fingerprint = fmt.Sprintf("geometry=%d model=%s weights=%s card=%s onnxruntime=%s/%.12s device=%s threads=%d",
		arithmetic, c.Name, g.info.WeightsSHA256, rules(c), rt.Version(), rt.SHA256(), device.Kind, o.Threads)
	if device.Kind == gpu.CUDA {
		// One batch at a time fills a GPU; more would only multiply its memory.
		g.slots = make(chan struct{}, 1)
		g.fingerprint += fmt.Sprintf(" batch=%d", o.BatchSize)
	}
	return g
}

// rules hashes what a card says about the arithmetic, not its words.
func rules(c *card.Card) string {
	text, err := json.Marshal(struct {
		Runner  string
		Input   *card.Input
		Outputs card.Outputs
	}{c.Runner, c.Input, c.Outputs})
	if err != nil {
		panic(err) // plain strings and finite numbers
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}

func (g *dense) Model() ModelInfo    { return g.info }
func (g *dense) Fingerprint() string { return g.fingerprint }
func (g *dense) Close() error        { return g.session.Close() }

// item is a picture on its way.
type item struct {
	picture *Picture
	result  *Geometry
	clip    *clip
	size    image.Point // of the picture
	// depth is what the network gave, kept until the range of the clip is known;
	// lo and hi are its extremes at the picture's size.
	depth  field
	lo, hi float32
}

// clip is the pictures of one clip that could be read. Their depth is stored when
// the last of them has been through the network: it is their common range that
// says which value becomes which level.
type clip struct {
	items []*item
	left  atomic.Int32 // items whose result is not known yet
}

// Label implements [Geometer].
func (g *dense) Label(ctx context.Context, clips [][]Picture) ([][]Geometry, error) {
	results := make([][]Geometry, len(clips))
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(g.options.Workers)
	for _, b := range g.batches(g.items(clips, results)) {
		work.Go(func() error { return g.batch(ctx, b.net, b.items) })
	}
	if err := work.Wait(); err != nil {
		return nil, fmt.Errorf("label with %s: %w", g.info.Name, err)
	}
	return results, nil
}

// items lists the pictures of all clips, and makes room for their results.
// Pictures whose header can't be read get their error here.
func (g *dense) items(clips [][]Picture, results [][]Geometry) []*item {
	var all []*item
	for i, pictures := range clips {
		results[i] = make([]Geometry, len(pictures))
		c := new(clip)
		for k := range pictures {
			size, err := pictureSize(&pictures[k], g.options.MaxPixels)
			if err != nil {
				results[i][k].Err = err
				continue
			}
			c.items = append(c.items, &item{picture: &pictures[k], result: &results[i][k], clip: c, size: size})
		}
		c.left.Store(int32(len(c.items)))
		all = append(all, c.items...)
	}
	return all
}

// group is pictures that are one size to the network.
type group struct {
	net   image.Point
	items []*item
}

// batches sorts pictures by their size in the network, in the order in which the
// sizes first occur, and cuts each group into batches.
func (g *dense) batches(items []*item) []group {
	var groups []group
	open := map[image.Point]int{} // the group of a size that isn't full yet
	for _, it := range items {
		net := networkSize(it.size, g.card.Input.Resize)
		at, ok := open[net]
		if !ok || len(groups[at].items) == g.options.BatchSize {
			at = len(groups)
			open[net] = at
			groups = append(groups, group{net: net})
		}
		groups[at].items = append(groups[at].items, it)
	}
	return groups
}

// batch labels pictures of one size in the network.
func (g *dense) batch(ctx context.Context, net image.Point, items []*item) error {
	plane := 3 * net.X * net.Y
	data := make([]float32, 0, len(items)*plane)
	whole := items[:0:0]
	for _, it := range items {
		if err := ctx.Err(); err != nil {
			return err
		}
		img, err := decode(it.picture)
		if err != nil {
			g.end(it, Geometry{Err: err})
			continue
		}
		data = data[:len(data)+plane]
		g.normalise.fill(data[len(data)-plane:], img, net)
		whole = append(whole, it)
	}
	if len(whole) == 0 {
		return nil
	}
	return g.infer(ctx, net, whole, data)
}

// infer runs the network on a batch, by halves if the device has no memory for
// the whole of it, and stores the maps.
func (g *dense) infer(ctx context.Context, net image.Point, items []*item, data []float32) error {
	n := int64(len(items))
	input := gpu.Tensor{Shape: []int64{n, 3, int64(net.Y), int64(net.X)}, Data: data}
	out, err := g.run(ctx, input)
	if errors.Is(err, gpu.ErrOutOfMemory) && len(items) > 1 {
		half := len(items) / 2
		cut := half * 3 * net.X * net.Y
		if err := g.infer(ctx, net, items[:half], data[:cut]); err != nil {
			return err
		}
		return g.infer(ctx, net, items[half:], data[cut:])
	}
	if err != nil {
		return err
	}
	for i, it := range items {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := g.take(it, out, i, len(items)); err != nil {
			return err
		}
	}
	return nil
}

// run waits for a slot of the device and runs the network.
func (g *dense) run(ctx context.Context, input gpu.Tensor) (map[string]gpu.Tensor, error) {
	if g.slots != nil {
		select {
		case g.slots <- struct{}{}:
			defer func() { <-g.slots }()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return g.session.Run(ctx, map[string]gpu.Tensor{g.card.Input.Name: input})
}

// take takes the answers for the i-th of n pictures. Its error is the network's;
// what is wrong with the picture's own values is the picture's.
func (g *dense) take(it *item, out map[string]gpu.Tensor, i, n int) error {
	var maps Geometry
	if d := g.card.Outputs.Depth; d != nil {
		f, err := fieldOf(out[d.Name], i, n, 1)
		if err != nil {
			return fmt.Errorf("output %s: %w", d.Name, err)
		}
		it.depth = f
		if it.lo, it.hi, err = depthRange(f, it.size); err != nil {
			g.end(it, Geometry{Err: labelerError(it.picture, err)})
			return nil
		}
	}
	if d := g.card.Outputs.Normal; d != nil {
		f, err := fieldOf(out[d.Name], i, n, 3)
		if err != nil {
			return fmt.Errorf("output %s: %w", d.Name, err)
		}
		if maps.Normal, err = normalMap(f, d, it.size); err != nil {
			maps = Geometry{Err: labelerError(it.picture, err)}
		}
	}
	g.end(it, maps)
	return nil
}

// end notes what became of a picture, all but the depth map itself, and with the
// last picture of a clip stores the depth of them all.
func (g *dense) end(it *item, maps Geometry) {
	*it.result = maps
	if it.clip.left.Add(-1) == 0 && g.card.Outputs.Depth != nil {
		it.clip.storeDepth(g.card.Outputs.Depth)
	}
}

// storeDepth makes the depth maps of a clip's pictures, all between the nearest
// and the farthest value of them all.
func (c *clip) storeDepth(d *card.DepthOutput) {
	lo, hi := float32(math.Inf(1)), float32(math.Inf(-1))
	for _, it := range c.items {
		if it.result.Err == nil {
			lo, hi = min(lo, it.lo), max(hi, it.hi)
		}
	}
	near, far := lo, hi
	if d.Convention == card.NearLarge {
		near, far = hi, lo
	}
	for _, it := range c.items {
		if it.result.Err != nil {
			continue
		}
		png, err := depthMap(it.depth, near, far, it.size)
		it.depth = field{}
		if err != nil {
			*it.result = Geometry{Err: labelerError(it.picture, err)}
			continue
		}
		it.result.Depth, it.result.DepthMin, it.result.DepthMax = png, near, far
	}
}
