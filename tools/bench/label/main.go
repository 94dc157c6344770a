// Command label measures depth and normals: pictures a second through the whole
// labeler, from the JPEG to the PNGs, beside the bare networks on ready tensors,
// in turns on the same device. With -only it measures one of them: two processes
// that share one core are the fair comparison on a busy machine, by their CPU
// seconds.
//
//	label -model NAME -model-dir FOLDER [-only bare|labeler] [-device cpu] [-workers 1] [-batch 0] [-rounds 3] [-pictures 16] JPEG...
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"micodata/gpu"
	"micodata/pseudolabel"
	"micodata/pseudolabel/card"
	"micodata/pseudolabel/geowizard"
)

type options struct {
	model, dir, device, only string
	workers, batch           int
	rounds, pictures         int
}

func main() {
	var o options
	flag.StringVar(&o.model, "model", "small", "model")
	flag.StringVar(&o.dir, "model-dir", "models", "folder of models")
	flag.StringVar(&o.device, "device", "cpu", "as of micodata")
	flag.StringVar(&o.only, "only", "", "bare or labeler; both if empty")
	flag.IntVar(&o.workers, "workers", 1, "cores that work")
	flag.IntVar(&o.batch, "batch", 0, "most pictures in a run; 0: the default")
	flag.IntVar(&o.rounds, "rounds", 3, "turns")
	flag.IntVar(&o.pictures, "pictures", 16, "pictures a turn")
	flag.Parse()
	if err := run(context.Background(), o, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "label:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, files []string) error {
	if len(files) == 0 {
		return fmt.Errorf("no pictures")
	}
	pictures := make([]pseudolabel.Picture, o.pictures)
	for i := range pictures {
		data, err := os.ReadFile(files[i%len(files)])
		if err != nil {
			return err
		}
		pictures[i] = pseudolabel.Picture{Key: files[i%len(files)], Data: data}
	}
	var bare, labeler func(context.Context) error
	if o.only != "bare" {
		begin := time.Now()
		g, err := pseudolabel.Open(ctx, pseudolabel.Options{Model: o.model, ModelDirs: []string{o.dir}, Device: o.device, Workers: o.workers, BatchSize: o.batch, Now: time.Now})
		if err != nil {
			return err
		}
		defer g.Close()
		fmt.Fprintf(os.Stdout, "%s on %s, %d workers: opened in %.1f s, %.1f CPU s\n", o.model, g.Model().Device, o.workers, time.Since(begin).Seconds(), cpuSeconds())
		labeler = func(ctx context.Context) error { return label(ctx, g, pictures) }
	}
	if o.only != "labeler" {
		b, err := openBare(o)
		if err != nil {
			return err
		}
		defer b.close()
		bare = func(ctx context.Context) error { return b.run(ctx, len(pictures)) }
	}
	if err := compare(ctx, o, bare, labeler); err != nil {
		return err
	}
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return err
	}
	fmt.Fprintf(os.Stdout, "peak resident: %.0f MB\n", float64(u.Maxrss)/1e3)
	return nil
}

// compare prints a row for each turn of those that are to be measured.
func compare(ctx context.Context, o options, bare, labeler func(context.Context) error) error {
	turn := func(what string, work func(context.Context) error, quiet bool) (result, error) {
		if work == nil {
			return result{}, nil
		}
		r, err := measure(ctx, o.pictures, work)
		if err == nil && !quiet {
			fmt.Fprintf(os.Stdout, "| %s | %.3g | %.0f | %.3f | %.0f%% |\n", what, r.rate, 3600*r.rate, r.cpu, 100*r.busy)
		}
		return r, err
	}
	fmt.Fprintln(os.Stdout, "| what | pictures/s | clips an hour (a key frame each) | CPU s a picture | device busy |\n| --- | --- | --- | --- | --- |")
	var ratios []float64
	for round := range o.rounds + 1 { // the first warms up
		b, err := turn("bare", bare, round == 0)
		if err != nil {
			return err
		}
		l, err := turn("labeler", labeler, round == 0)
		if err != nil {
			return err
		}
		if round > 0 {
			ratios = append(ratios, l.rate/b.rate)
		}
	}
	if o.only == "" {
		slices.Sort(ratios)
		fmt.Fprintf(os.Stdout, "labeler / bare: %.3f (%.3f-%.3f)\n", ratios[len(ratios)/2], ratios[0], ratios[len(ratios)-1])
	}
	return nil
}

// label labels pictures, each as a clip, as many at once as the model wants.
func label(ctx context.Context, g pseudolabel.Geometer, pictures []pseudolabel.Picture) error {
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(g.InFlight())
	for i := range pictures {
		work.Go(func() error {
			maps, err := g.Label(ctx, pictures[i:i+1])
			if err == nil {
				err = maps[0].Err
			}
			return err
		})
	}
	return work.Wait()
}

// result is what was measured, a picture.
type result struct{ rate, cpu, busy float64 }

func measure(ctx context.Context, n int, work func(context.Context) error) (result, error) {
	var meter gpu.Meter
	begin, cpu := time.Now(), cpuSeconds()
	if err := work(gpu.WithMeter(ctx, &meter)); err != nil {
		return result{}, err
	}
	wall := time.Since(begin).Seconds()
	return result{float64(n) / wall, (cpuSeconds() - cpu) / float64(n), meter.Spent().Seconds() / wall}, nil
}

func cpuSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// bareNetworks are a card's networks with tensors of a batch ready for each.
type bareNetworks struct {
	runs  []bareRun
	batch int
	at    int // runs at once
}

// bareRun is a network that a picture goes through some times.
type bareRun struct {
	session *gpu.Session
	inputs  map[string]gpu.Tensor
	times   int
	turn    sync.Locker // of a run: on a GPU one at once, as the labeler has it
}

// anyTime lets runs be beside each other.
type anyTime struct{}

func (anyTime) Lock()   {}
func (anyTime) Unlock() {}

func openBare(o options) (*bareNetworks, error) {
	c, err := card.Find(o.model, []string{o.dir})
	if err != nil {
		return nil, err
	}
	rt, err := gpu.Open(gpu.Options{})
	if err != nil {
		return nil, err
	}
	devices, _, err := rt.Select(o.device)
	if err != nil {
		return nil, err
	}
	b := &bareNetworks{batch: max(1, o.batch), at: o.workers}
	onGPU := devices[0].Kind != gpu.CPU
	if onGPU && o.batch == 0 {
		b.batch = 8
	}
	add := func(file string, times int, shapes map[string][]int64) error {
		f, ok := c.File(file)
		if !ok {
			return fmt.Errorf("%s is not among the card's files", file)
		}
		half, err := c.Half(f)
		if err != nil {
			return err
		}
		s, err := rt.NewSession(c.FilePath(f), gpu.SessionOptions{Device: devices[0], Half: half})
		if err != nil {
			return err
		}
		var turn sync.Locker = anyTime{}
		if onGPU {
			turn = &sync.Mutex{}
			b.at = len(b.runs) + 1 // each network has a batch
		}
		b.runs = append(b.runs, bareRun{s, b.tensors(s, shapes), times, turn})
		return nil
	}
	if w := c.GeoWizard; w != nil {
		for file, shapes := range w.Faces() {
			times := 1
			if file == w.UNet {
				times = geowizard.DefaultSteps
			}
			if err := add(file, times, shapes); err != nil {
				return nil, err
			}
		}
	}
	for _, n := range c.Networks {
		size := n.Input.Resize.Size
		if len(size) != 2 {
			return nil, fmt.Errorf("%s takes no fixed size: nothing to compare with", n.File)
		}
		if err := add(n.File, 1, map[string][]int64{n.Input.Name: {3, int64(size[0]), int64(size[1])}}); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// tensors are a session's inputs of a batch of rows of these shapes: whole numbers
// where the row has no dimensions.
func (b *bareNetworks) tensors(s *gpu.Session, shapes map[string][]int64) map[string]gpu.Tensor {
	inputs := map[string]gpu.Tensor{}
	for _, in := range s.Inputs() {
		name, shape := in.Name, slices.Clone(shapes[in.Name])
		size := int64(b.batch)
		for i, d := range shape {
			if d < 0 {
				d, shape[i] = in.Shape[1+i], in.Shape[1+i]
			}
			size *= d
		}
		t := gpu.Tensor{Shape: append([]int64{int64(b.batch)}, shape...)}
		if len(shape) == 0 {
			t.Int64 = make([]int64, size)
		} else {
			t.Data = make([]float32, size)
			for i := range t.Data {
				t.Data[i] = float32(i%251) / 251
			}
		}
		inputs[name] = t
	}
	return inputs
}

// run runs every network on n pictures.
func (b *bareNetworks) run(ctx context.Context, n int) error {
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(b.at)
	for range (n + b.batch - 1) / b.batch {
		work.Go(func() error {
			for _, r := range b.runs {
				for range r.times {
					r.turn.Lock()
					_, err := r.session.Run(ctx, r.inputs)
					r.turn.Unlock()
					if err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
	return work.Wait()
}

func (b *bareNetworks) close() {
	for _, r := range b.runs {
		_ = r.session.Close() // the process ends
	}
}
