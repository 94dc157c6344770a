package pseudolabel

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"micodata/gpu"
	"micodata/pseudolabel/card"
	"micodata/pseudolabel/geowizard"
)

// Clock tells the time, as time.Now.
type Clock func() time.Time

// batchWait is how long a picture waits on an idle GPU for others to share its
// run: less than a run takes, so that it is never the larger part of a picture's
// way, and longer than a CPU needs to make the next one ready.
const batchWait = 20 * time.Millisecond

// ownSlots is an account of n slots.
func ownSlots(n int) func(ctx context.Context) (release func(), err error) {
	sem := semaphore.NewWeighted(int64(n))
	return func(ctx context.Context) (func(), error) {
		if err := sem.Acquire(ctx, 1); err != nil {
			return nil, err
		}
		return sync.OnceFunc(func() { sem.Release(1) }), nil
	}
}

// Open finds a model's card, checks its files and loads it. Errors a caller may
// branch on: those of [card.Find] and [card.Card.Verify], [*gpu.MissingError],
// [*gpu.DeviceError], [*gpu.NameError], [*OptionError].
func Open(ctx context.Context, o Options) (Geometer, error) {
	o = o.withDefaults()
	c, err := card.Find(o.Model, o.ModelDirs)
	if err != nil {
		return nil, err
	}
	if err := checkOptions(c, o); err != nil {
		return nil, err
	}
	rt, err := gpu.Open(gpu.Options{LibraryPath: o.ORTLibrary})
	if err != nil {
		return nil, err
	}
	devices, note, err := selectDevices(ctx, rt, o)
	if err != nil {
		return nil, err
	}
	if err := c.Verify(ctx); err != nil {
		return nil, err
	}
	l := newLabeler(c, o, rt, devices, note)
	if o.DemoCrop {
		if l.demoSide, err = demoSide(c); err != nil {
			return nil, err
		}
	}
	loader := loader{card: c, options: o, runtime: rt, devices: devices, onGPU: l.onGPU}
	if o.Now != nil {
		loader.accounts = gpu.NewAccounts(o.Now)
	}
	if c.Runner == card.GeoWizardRunner {
		w, err := loader.wizard(ctx, o.GeoWizard)
		if err != nil {
			return nil, fmt.Errorf("model %s: %w", c.Name, err)
		}
		l.model = w
		l.fingerprint += " " + w.Fingerprint()
	} else if l.model, err = loader.dense(ctx); err != nil {
		return nil, err
	}
	l.inFlight = l.model.capacity() + 2*o.Workers
	return l, nil
}

// demoSide is the side of the square that all networks of a card take.
func demoSide(c *card.Card) (int, error) {
	side := 0
	for _, n := range c.Networks {
		s := n.Input.Resize.Size
		if len(s) != 2 || s[0] != s[1] || side != 0 && s[0] != side {
			side = 0
			break
		}
		side = s[0]
	}
	if side == 0 {
		return 0, &OptionError{c.Name, errors.New("its networks do not take one square, which omnidata's demonstration crops")}
	}
	return side, nil
}

func selectDevices(ctx context.Context, rt *gpu.Runtime, o Options) (devices []gpu.Device, note string, err error) {
	if o.Isolation != nil {
		return o.Isolation.Select(ctx, o.Device)
	}
	return rt.Select(o.Device)
}

// newLabeler makes what does not depend on the kind of model.
func newLabeler(c *card.Card, o Options, rt *gpu.Runtime, devices []gpu.Device, note string) *labeler {
	l := &labeler{maxPixels: o.MaxPixels, acquire: o.Acquire, onGPU: devices[0].Kind != gpu.CPU}
	if l.onGPU {
		// Slots of its own: shared ones are held by other work for minutes, and a
		// waiting GPU is dearer than a crowded CPU.
		l.acquire = ownSlots(o.Workers)
	}
	names := make([]string, len(devices))
	for i, d := range devices {
		names[i] = d.String()
	}
	l.info = ModelInfo{
		Name: c.Name, WeightsSHA256: c.WeightsSHA256(), Licence: c.Licence, Tasks: c.Tasks,
		Device: strings.Join(names, ","), DeviceNote: note,
	}
	if n := c.Network(card.Depth); n != nil {
		l.depth = n.Outputs.Depth
	}
	if n := c.Network(card.Normal); n != nil {
		l.normal = n.Outputs.Normal
	}
	if c.GeoWizard != nil && slices.Contains(c.Tasks, card.Depth) {
		l.depth = wizardDepth
	}
	if c.GeoWizard != nil && slices.Contains(c.Tasks, card.Normal) {
		l.normal = wizardNormal
	}
	if l.depth != nil {
		l.info.DepthKind = l.depth.Kind
	}
	l.fingerprint = fmt.Sprintf("geometry=%d %s onnxruntime=%s/%.12s device=%s threads=%d", arithmetic, Identity(c), rt.Version(), rt.SHA256(), devices[0].Kind, o.Threads)
	if n := batchSize(c, o, l.onGPU); n > 1 {
		l.fingerprint += fmt.Sprintf(" batch=%d", n)
	}
	return l
}

// Identity is what a model's fingerprint says of its card: its name, its weights and
// how they are to be used.
func Identity(c *card.Card) string {
	return fmt.Sprintf("model=%s weights=%s card=%s", c.Name, c.WeightsSHA256(), rules(c))
}

// rules hashes what a card says about the arithmetic, not its words.
func rules(c *card.Card) string {
	text, err := json.Marshal(struct {
		Runner    string
		Networks  []card.Network
		GeoWizard *geowizard.Card
	}{c.Runner, c.Networks, c.GeoWizard})
	if err != nil {
		panic(err) // plain strings and finite numbers
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}

// batchSize is the most pictures in one run. Of each, GeoWizard's decoder holds
// tensors of up to 1.2 GB in fp32 (768x768), several at once.
func batchSize(c *card.Card, o Options, onGPU bool) int {
	size, most := 8, math.MaxInt
	if c.GeoWizard != nil {
		size, most = 4, c.GeoWizard.MaxBatch()
	}
	switch {
	case o.BatchSize > 0:
		size = o.BatchSize
	case !onGPU:
		size = 1
	}
	return min(size, most)
}

// loader loads a model's networks onto devices.
type loader struct {
	card     *card.Card
	options  Options
	runtime  *gpu.Runtime
	devices  []gpu.Device
	onGPU    bool
	accounts *gpu.Accounts // nil: none are kept
}

// dense loads the networks of a card.
func (l *loader) dense(ctx context.Context) (_ *dense, err error) {
	d := &dense{}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	for i := range l.card.Networks {
		n := &l.card.Networks[i]
		var outputs []string
		if n.Outputs.Depth != nil {
			outputs = append(outputs, n.Outputs.Depth.Name)
		}
		if n.Outputs.Normal != nil {
			outputs = append(outputs, n.Outputs.Normal.Name)
		}
		pool, err := l.pool(ctx, n.File, outputs, nil)
		if err != nil {
			return nil, err
		}
		d.networks = append(d.networks, &network{card: n, pool: pool, normalise: newNormaliser(&n.Input)})
		if err := checkFaces(l.card, n, pool); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// pool loads a network onto all devices. Rows are the shapes of a row's inputs
// where the network itself leaves them open.
func (l *loader) pool(ctx context.Context, file string, outputs []string, rows map[string][]int64) (*gpu.Pool, error) {
	f, ok := l.card.File(file)
	if !ok {
		return nil, fmt.Errorf("model %s: file %q is not among its files", l.card.Name, file)
	}
	half, err := l.card.Half(f)
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", l.card.Name, err)
	}
	var sessions []gpu.Runner
	for _, d := range l.devices {
		s, err := l.session(ctx, l.card.FilePath(f), gpu.SessionOptions{Device: d, Threads: l.options.Threads, Half: half, Outputs: outputs})
		if err != nil {
			for _, s := range sessions {
				err = errors.Join(err, s.Close())
			}
			return nil, err
		}
		sessions = append(sessions, s)
	}
	o := gpu.PoolOptions{Batch: batchSize(l.card, l.options, l.onGPU), Runs: l.options.Workers}
	if l.onGPU {
		// One run at once, so that each finds the memory of the one before as that left
		// it: two beside each other cut it up until there is none. While one of a
		// model's networks computes another copies.
		o.Runs, o.Full, o.Wait, o.Accounts = 1, true, batchWait, l.accounts
	}
	if in := sessions[0].Inputs(); len(in) > 0 && len(in[0].Shape) > 0 && in[0].Shape[0] == 1 {
		o.Batch = 1 // exported for one picture
	}
	p := gpu.NewPool(sessions, o)
	if err := l.warmUp(ctx, sessions, o.Batch, rows); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// warmUp runs a GPU's sessions once, so that what is chosen and compiled at the
// first run does not hold up the first pictures. A batch that does not fit is found
// again, and halved, by the pool.
func (l *loader) warmUp(ctx context.Context, sessions []gpu.Runner, batch int, rows map[string][]int64) error {
	if !l.onGPU {
		return nil
	}
	for _, s := range sessions {
		inputs, ok := zeros(s.Inputs(), int64(batch), rows)
		if !ok {
			return nil // of any size: what comes is not known
		}
		if _, err := s.Run(ctx, inputs); err != nil && !errors.Is(err, gpu.ErrOutOfMemory) {
			return err
		}
	}
	return ctx.Err()
}

// maxWarm bounds an input that is made up: of 64 pictures of 1536x1536.
const maxWarm = 64 * 3 * 1536 * 1536

// zeros are inputs of n rows, if the network or rows say of which size.
func zeros(want []gpu.IO, n int64, rows map[string][]int64) (inputs map[string]gpu.Tensor, ok bool) {
	inputs = map[string]gpu.Tensor{}
	for _, in := range want {
		if len(in.Shape) == 0 {
			return nil, false
		}
		shape, size := append([]int64{n}, in.Shape[1:]...), n
		for i, d := range shape[1:] {
			if row := rows[in.Name]; d <= 0 && i < len(row) {
				d, shape[1+i] = row[i], row[i]
			}
			if d <= 0 || d > maxWarm/size {
				return nil, false
			}
			size *= d
		}
		switch in.Type {
		case "float32":
			inputs[in.Name] = gpu.Tensor{Shape: shape, Data: make([]float32, size)}
		case "int64":
			inputs[in.Name] = gpu.Tensor{Shape: shape, Int64: make([]int64, size)}
		default:
			return nil, false
		}
	}
	return inputs, true
}

func (l *loader) session(ctx context.Context, path string, o gpu.SessionOptions) (gpu.Runner, error) {
	if l.options.Isolation != nil {
		s, err := l.options.Isolation.NewSession(ctx, path, o)
		return s, loadError(ctx, l.card, path, err)
	}
	s, err := l.runtime.NewSession(path, o)
	return s, loadError(ctx, l.card, path, err)
}
