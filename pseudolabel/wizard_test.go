package pseudolabel

import (
	"context"
	"encoding/json"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"micodata/internal/npy"
	"micodata/pseudolabel/card"
	"micodata/pseudolabel/geowizard"
)

// wizardTwins are tiny GeoWizards of both versions, and beside each is what
// tools/export/goldens.py had PyTorch and diffusers make of a frame, at the frame's
// size and encoded: by way of a bucket that is not square.
var wizardTwins = []string{"../geowizard/testdata/tiny-v1", "../geowizard/testdata/tiny-v2"}

const wizardFrame = "sintel.jpg"

// wizardGolden is what a twin was run with, and the range of the frame's depth.
type wizardGolden struct {
	Steps      int
	Domain     string
	FrameDepth [2]float64 `json:"frame_depth"`
}

func openWizard(t *testing.T, name string, change func(*geowizard.Settings), changes ...string) (Geometer, wizardGolden) {
	t.Helper()
	golden := filepath.Join("testdata", name, "golden")
	var w wizardGolden
	text, err := os.ReadFile(filepath.Join(golden, "golden.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &w); err != nil {
		t.Fatal(err)
	}
	noise, err := npy.ReadFile(filepath.Join(golden, "noise0.npy"))
	if err != nil {
		t.Fatal(err)
	}
	s := geowizard.Settings{Steps: w.Steps, Domain: w.Domain, Noise: noise}
	if change != nil {
		change(&s)
	}
	return twin(t, name, Options{GeoWizard: s}, changes...), w
}

// compareWizard labels a frame and compares the files with the goldens'. A depth's
// levels count as well as what they stand for: turned round, with its range, it
// would stand for the same.
func compareWizard(t *testing.T, g Geometer, w wizardGolden, name string, frame []byte) (d difference) {
	t.Helper()
	m, err := g.Label(t.Context(), []Picture{{Key: "p", Data: frame}})
	if err != nil {
		t.Fatal(err)
	}
	if m[0].Err != nil {
		t.Fatal(m[0].Err)
	}
	golden := func(file string) []byte {
		data, err := os.ReadFile(filepath.Join("testdata", name, "golden", file))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	got, want := decodeDepth(t, m[0].Depth), decodeDepth(t, golden("frame.depth.png"))
	normals, size := decodeNormal(t, m[0].Normal)
	wantNormals, wantSize := decodeNormal(t, golden("frame.normal.png"))
	if got.Rect != want.Rect || size != wantSize {
		t.Fatalf("maps of %v and %v, want %v", got.Rect, size, wantSize)
	}
	lo, hi := w.FrameDepth[0], w.FrameDepth[1]
	for y := range size.Y {
		for x := range size.X {
			a, b := float64(got.Gray16At(x, y).Y)/65535, float64(want.Gray16At(x, y).Y)/65535
			value := float64(m[0].DepthMin) + a*float64(m[0].DepthMax-m[0].DepthMin)
			d.depth = max(d.depth, math.Abs(a-b), math.Abs(value-lo-b*(hi-lo))/(hi-lo))
		}
	}
	off := 0
	for i, n := range normals {
		dot, lengths := 0., 0.
		for c, v := range n {
			want := wantNormals[i][c]
			dot += v * want
			lengths += v*v + want*want
			if math.Abs(v-want)*127.5 > 1.5 { // both are whole levels
				off++
			}
		}
		d.tilt = max(d.tilt, math.Acos(min(1, 2*dot/lengths))*180/math.Pi)
	}
	d.normals = float64(off) / float64(3*len(normals))
	return d
}

func TestGeoWizardIsPyTorchs(t *testing.T) {
	for _, name := range wizardTwins {
		g, w := openWizard(t, name, nil)
		d := compareWizard(t, g, w, name, frame(t, wizardFrame))
		t.Logf("%s: %v", name, d)
		if !d.within() {
			t.Errorf("%s: %v", name, d)
		}
	}
}

// recorded is a model that has estimated one picture, once.
type recorded struct {
	estimator
	depth, normal field
}

func record(t *testing.T, of estimator, jpeg []byte) *recorded {
	t.Helper()
	pic, err := decode(&Picture{Key: "p", Data: jpeg}, 1<<26)
	if err != nil {
		t.Fatal(err)
	}
	depth, normal, err := of.estimate(t.Context(), &slot{}, pic)
	if err != nil {
		t.Fatal(err)
	}
	return &recorded{of, depth, normal}
}

func (r *recorded) estimate(context.Context, *slot, *picture) (depth, normal field, err error) {
	return r.depth.clone(), r.normal.clone(), nil
}

func (f field) clone() field {
	for i, c := range f.channels {
		if i == 0 {
			f.channels = slices.Clone(f.channels)
		}
		f.channels[i] = slices.Clone(c)
	}
	return f
}

// spoiled is a model with a mistake in what it makes of its networks' maps.
type spoiled struct {
	estimator
	spoil func(depth, normal *field)
}

func (s spoiled) estimate(ctx context.Context, slot *slot, p *picture) (depth, normal field, err error) {
	depth, normal, err = s.estimator.estimate(ctx, slot, p)
	if err == nil {
		s.spoil(&depth, &normal)
	}
	return depth, normal, err
}

// Each mistake that is easily made, and gives plausible maps, is seen.
func TestGeoWizardsMistakesAreSeen(t *testing.T) {
	data := frame(t, wizardFrame)
	same := func(w, h int) (int, int) { return w, h }
	maps := func(spoil func(depth, normal *field)) func(*labeler) {
		return func(l *labeler) { l.model = spoiled{l.model, spoil} }
	}
	axes := func(axes string) func(*labeler) {
		return func(l *labeler) { l.normal = &card.NormalOutput{Axes: axes, Range: l.normal.Range} }
	}
	planes := func(a, b int) func(*labeler) {
		return maps(func(_, n *field) { n.channels[a], n.channels[b] = n.channels[b], n.channels[a] })
	}
	mistakes := map[string]struct {
		labeler  func(*labeler)
		settings func(*geowizard.Settings)
		changes  []string // of the card
		frame    []byte
	}{
		"OpenCV's axes":     {labeler: axes(card.OpenCV)},
		"OpenGL's axes":     {labeler: axes(card.OpenGL)},
		"x and y exchanged": {labeler: planes(0, 1)},
		"y and z exchanged": {labeler: planes(1, 2)},
		"x and z exchanged": {labeler: planes(0, 2)},
		"normals in 0 to 1": {labeler: func(l *labeler) { l.normal = &card.NormalOutput{Axes: card.GeoWizard, Range: []float64{0, 1}} }},
		"near is large":     {labeler: func(l *labeler) { l.depth = &card.DepthOutput{Convention: card.NearLarge, Kind: l.depth.Kind} }},
		"depth of the other sign": {labeler: maps(func(d, _ *field) {
			for i, v := range d.channels[0] {
				d.channels[0][i] = 1 - v
			}
		})},
		"sides of the depth exchanged":     {labeler: maps(func(d, _ *field) { d.w, d.h = d.h, d.w })},
		"sides of the normals exchanged":   {labeler: maps(func(_, n *field) { n.w, n.h = n.h, n.w })},
		"one step fewer":                   {settings: func(s *geowizard.Settings) { s.Steps-- }},
		"another domain":                   {settings: func(s *geowizard.Settings) { s.Domain = geowizard.Outdoor }},
		"noise of its own":                 {settings: func(s *geowizard.Settings) { s.Noise = nil }},
		"noise for a velocity":             {changes: []string{"prediction: v_prediction", "prediction: epsilon"}},
		"linear betas":                     {changes: []string{"scaled_linear", "linear"}},
		"clipped samples":                  {changes: []string{"clip_sample: false", "clip_sample: true"}},
		"timesteps one earlier":            {changes: []string{"steps_offset: 1", "steps_offset: 0"}},
		"the picture mirrored":             {frame: redrawn(t, data, same, func(p *picture, x, y int) color.RGBA { return p.at(p.size.X-1-x, y) })},
		"the picture a pixel to the right": {frame: redrawn(t, data, same, func(p *picture, x, y int) color.RGBA { return p.at(max(0, x-1), y) })},
		"BGR": {frame: redrawn(t, data, same, func(p *picture, x, y int) color.RGBA {
			c := p.at(x, y)
			c.R, c.B = c.B, c.R
			return c
		})},
		"sides of the picture exchanged": {frame: redrawn(t, data, same, func(p *picture, x, y int) color.RGBA {
			return p.at(y*(p.size.X-1)/(p.size.Y-1), x*(p.size.Y-1)/(p.size.X-1))
		})},
	}
	for i, name := range wizardTwins {
		right, golden := openWizard(t, name, nil)
		right.(*labeler).model = record(t, right.(*labeler).model, data)
		for mistake, m := range mistakes {
			if i > 0 && m.labeler != nil {
				continue // what comes after the networks is the same for both
			}
			l, w := *right.(*labeler), golden
			g := Geometer(&l)
			if m.labeler != nil {
				m.labeler(&l)
			}
			if m.settings != nil || m.changes != nil || m.frame != nil {
				g, w = openWizard(t, name, m.settings, m.changes...)
			}
			f := m.frame
			if f == nil {
				f = data
			}
			if d := compareWizard(t, g, w, name, f); d.within() {
				t.Errorf("%s: %s: not seen: %v", name, mistake, d)
			} else {
				t.Logf("%s: %s: %v", name, mistake, d)
			}
		}
	}
}

// However large a batch is asked for, the decoder's values can be counted.
func TestGeoWizardsBatch(t *testing.T) {
	w := &card.Card{GeoWizard: &geowizard.Card{Buckets: []geowizard.Bucket{{576, 768}, {768, 768}}}}
	for _, c := range []struct {
		card       *card.Card
		asked      int
		cpu, onGPU int
	}{{w, 0, 1, 4}, {w, 6, 6, 6}, {w, 100, 7, 7}, {&card.Card{}, 0, 1, 8}, {&card.Card{}, 100, 100, 100}} {
		o := Options{BatchSize: c.asked}
		if cpu, onGPU := batchSize(c.card, o, false), batchSize(c.card, o, true); cpu != c.cpu || onGPU != c.onGPU {
			t.Errorf("asked for %d: %d and on a GPU %d, want %d and %d", c.asked, cpu, onGPU, c.cpu, c.onGPU)
		}
	}
	g := twin(t, wizardTwins[1], Options{BatchSize: 1 << 20, Workers: 1})
	if got := g.(*labeler).model.capacity(); got != 2*511 { // of 64x128
		t.Errorf("a pool of %d pictures, want twice 511", got)
	}
}
