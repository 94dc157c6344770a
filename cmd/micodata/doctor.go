package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"micodata/gpu"
	"micodata/internal/ffmpeg"
	"micodata/pseudolabel/card"
)

// missingError says that a component is missing; each is told on its own line.
type missingError struct{ what []string }

func (e *missingError) Error() string { return "missing: " + strings.Join(e.what, ", ") }

// isMissing tells errors that an installation would mend.
func isMissing(err error) bool {
	var (
		m   *missingError
		ff  *ffmpeg.MissingError
		old *ffmpeg.TooOldError
		bad *ffmpeg.BrokenError
		ort *gpu.MissingError
		mod *card.NoModelError
		off *card.NoWeightsError
		bin *card.FileError
		dev *gpu.DeviceError
		use *badModelError
	)
	return errors.As(err, &m) || errors.As(err, &ff) || errors.As(err, &old) || errors.As(err, &bad) || errors.As(err, &ort) || errors.As(err, &mod) || errors.As(err, &off) || errors.As(err, &bin) || errors.As(err, &dev) || errors.As(err, &use) || errors.Is(err, gpu.ErrNoDevice)
}

func (a *app) doctorCommand() *cobra.Command {
	label := defaultLabels()
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Tell what is there, what is missing, and the command that installs it",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var missing []string
			say := func(ok bool, name, text string) {
				mark := "ok     "
				if !ok {
					mark = "MISSING"
					missing = append(missing, name)
				}
				fmt.Fprintf(a.out, "%s  %-13s %s\n", mark, name, strings.Join(strings.Fields(text), " "))
			}
			fmt.Fprintf(a.out, "         micodata      %s %s\n", version(), platform())

			tools, err := ffmpeg.Find(cmd.Context(), a.global.ffmpeg)
			if err != nil {
				say(false, "ffmpeg", err.Error()+" (apt-get install ffmpeg, or make setup in the sources)")
			} else {
				say(true, "ffmpeg", tools.Version+" "+tools.FFmpeg)
				lacks, err := tools.Missing(cmd.Context())
				switch {
				case err != nil:
					say(false, "codecs", err.Error())
				case len(lacks) > 0:
					say(false, "codecs", "this ffmpeg was built without "+strings.Join(lacks, ", ")+"; install a full build of ffmpeg")
				default:
					say(true, "codecs", "libx264, aac and the filters that micodata uses")
				}
			}

			rt, err := gpu.Open(gpu.Options{LibraryPath: label.ORTLib})
			if err != nil {
				say(false, "onnxruntime", err.Error())
			} else {
				say(true, "onnxruntime", rt.Version()+" "+rt.Path())
				devices, note, err := rt.Select(label.Device)
				hint := gpuHint(rt, devices)
				if err != nil {
					say(false, "device", err.Error()+hint)
				} else {
					if note != "" {
						note = "; " + note
					}
					say(true, "device", deviceNames(devices)+note+hint)
				}
			}

			dirs, err := a.modelDirs(label.ModelDir)
			if err != nil {
				return err
			}
			models := card.List(dirs)
			if len(models) == 0 {
				say(false, "models", "none in "+strings.Join(dirs, ", "))
			}
			for _, m := range models {
				if m.Err == nil && len(m.Card.Files) == 0 {
					continue // it need not be here; micodata models says how to get it
				}
				if err := cardProblem(cmd.Context(), m); err != nil {
					say(false, "model "+m.Name, err.Error())
					continue
				}
				say(true, "model "+m.Name, fmt.Sprintf("%s; licence %s; %s", strings.Join(m.Card.Tasks, " and "), m.Card.Licence, m.Card.Dir))
			}
			if len(missing) > 0 {
				return &missingError{missing}
			}
			return nil
		},
	}
	bind(cmd.Flags(), &label)
	return cmd
}

// gpuHint says how a GPU of this machine that no model runs on could be used.
func gpuHint(rt *gpu.Runtime, devices []gpu.Device) string {
	if len(devices) > 0 && devices[0].Kind != gpu.CPU {
		return ""
	}
	there := gpuNames()
	if _, err := os.Stat("/dev/nvidia0"); err != nil && len(there) == 0 {
		return ""
	}
	hint := "; this machine has a GPU"
	if len(there) > 0 {
		hint += " (" + strings.Join(there, ", ") + ")"
	}
	if withCUDA, _ := filepath.Glob(filepath.Join(filepath.Dir(rt.Path()), "libonnxruntime_providers_cuda*")); len(withCUDA) > 0 {
		return hint
	}
	return hint + ": make setup-gpu in the sources gets the ONNX Runtime that uses it"
}

// deviceNames are devices and, where the driver tells, the GPUs of the machine.
func deviceNames(devices []gpu.Device) string {
	names := make([]string, len(devices))
	for i, d := range devices {
		names[i] = d.String()
	}
	text := strings.Join(names, ",")
	if there := gpuNames(); len(there) > 0 && devices[0].Kind != gpu.CPU {
		text += " (" + strings.Join(there, ", ") + ")"
	}
	return text
}

// gpuNames are the models of the machine's GPUs, as the driver tells them.
func gpuNames() (names []string) {
	files, _ := filepath.Glob("/proc/driver/nvidia/gpus/*/information")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			continue // the driver is on its way out
		}
		for line := range strings.Lines(string(data)) {
			if name, ok := strings.CutPrefix(line, "Model:"); ok {
				names = append(names, strings.TrimSpace(name))
			}
		}
	}
	return names
}

// cardProblem is what is wrong with a model's card or files.
func cardProblem(ctx context.Context, m card.Listed) error {
	if m.Err != nil {
		return m.Err
	}
	return m.Card.Verify(ctx)
}
