// Command label measures depth and normals: pictures a second through the whole
// labeler, from the JPEG to the PNGs, beside the bare networks on ready tensors,
// in turns on the same device.
//
//	label -model NAME -model-dir FOLDER [-device cpu] [-workers 2] [-batch 0] [-rounds 3] [-pictures 16] JPEG...
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"micodata/gpu"
	"micodata/pseudolabel"
	"micodata/pseudolabel/card"
)

type options struct {
	model, dir, device string
	workers, batch     int
	rounds, pictures   int
}

func main() {
	var o options
	flag.StringVar(&o.model, "model", "small", "model")
	flag.StringVar(&o.dir, "model-dir", "models", "folder of models")
	flag.StringVar(&o.device, "device", "cpu", "as of micodata")
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
	begin := time.Now()
	g, err := pseudolabel.Open(ctx, pseudolabel.Options{Model: o.model, ModelDirs: []string{o.dir}, Device: o.device, Workers: o.workers, BatchSize: o.batch, Now: time.Now})
	if err != nil {
		return err
	}
	defer g.Close()
	fmt.Fprintf(os.Stdout, "%s on %s, %d workers: opened in %.1f s\n", o.model, g.Model().Device, o.workers, time.Since(begin).Seconds())
	bare, err := openBare(o)
	if err != nil {
		return err
	}
	defer bare.close()
	fmt.Fprintln(os.Stdout, "| what | pictures/s | CPU s a picture | device busy |\n| --- | --- | --- | --- |")
	var ratios []float64
	for round := range o.rounds + 1 { // the first warms up
		b, err := measure(ctx, len(pictures), func(ctx context.Context) error { return bare.run(ctx, len(pictures)) })
		if err != nil {
			return err
		}
		l, err := measure(ctx, len(pictures), func(ctx context.Context) error { return label(ctx, g, pictures) })
		if err != nil {
			return err
		}
		if round == 0 {
			continue
		}
		fmt.Fprintf(os.Stdout, "| bare | %.2f | %.3f | |\n| labeler | %.2f | %.3f | %.0f%% |\n", b.rate, b.cpu, l.rate, l.cpu, 100*l.busy)
		ratios = append(ratios, l.rate/b.rate)
	}
	slices.Sort(ratios)
	fmt.Fprintf(os.Stdout, "labeler / bare: %.3f (%.3f-%.3f)\n", ratios[len(ratios)/2], ratios[0], ratios[len(ratios)-1])
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return err
	}
	fmt.Fprintf(os.Stdout, "peak resident: %.0f MB\n", float64(u.Maxrss)/1e3)
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
	sessions []*gpu.Session
	inputs   []map[string]gpu.Tensor
	batch    int
	at       int // runs at once
}

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
	if devices[0].Kind != gpu.CPU {
		b.batch, b.at = max(8, o.batch), 2
	}
	for _, n := range c.Networks {
		f, ok := c.File(n.File)
		size := n.Input.Resize.Size
		if !ok || len(size) != 2 {
			return nil, fmt.Errorf("%s takes no fixed size: nothing to compare with", n.File)
		}
		s, err := rt.NewSession(c.FilePath(f), gpu.SessionOptions{Device: devices[0]})
		if err != nil {
			return nil, err
		}
		shape := []int64{int64(b.batch), 3, int64(size[0]), int64(size[1])}
		data := make([]float32, b.batch*3*size[0]*size[1])
		for i := range data {
			data[i] = float32(i%251) / 251
		}
		b.sessions = append(b.sessions, s)
		b.inputs = append(b.inputs, map[string]gpu.Tensor{n.Input.Name: {Shape: shape, Data: data}})
	}
	if len(b.sessions) == 0 {
		return nil, fmt.Errorf("%s has no networks of one picture (%s)", o.model, strings.Join(c.Tasks, ", "))
	}
	return b, nil
}

// run runs every network on n pictures.
func (b *bareNetworks) run(ctx context.Context, n int) error {
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(b.at)
	for range (n + b.batch - 1) / b.batch {
		work.Go(func() error {
			for i, s := range b.sessions {
				if _, err := s.Run(ctx, b.inputs[i]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return work.Wait()
}

func (b *bareNetworks) close() {
	for _, s := range b.sessions {
		_ = s.Close() // the process ends
	}
}
