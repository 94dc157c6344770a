package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"micodata/gpu"
	"micodata/internal/npy"
	"micodata/pseudolabel"
	"micodata/pseudolabel/card"
)

func (a *app) modelsCommand() *cobra.Command {
	list := a.modelsListCommand()
	cmd := &cobra.Command{
		Use:   "models",
		Short: "The models that label: what is there, add one, check them, try one on pictures",
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("%q is no command of micodata models; there are list, add, check and try", args[0])
			}
			return list.RunE(cmd, args)
		},
	}
	cmd.Flags().AddFlagSet(list.Flags())
	cmd.AddCommand(list, a.modelsAddCommand(), a.modelsCheckCommand(), a.modelsTryCommand())
	return cmd
}

// modelFlags are where models are looked for and how they are run.
type modelFlags struct {
	ModelDir []string      `json:"model_dir"`
	Device   string        `json:"device"`
	Isolate  bool          `json:"gpu_isolate"`
	Timeout  time.Duration `json:"gpu_timeout"`
	Batch    int           `json:"batch_size"`
	ORTLib   string        `json:"ort_lib"`
}

func defaultModels() modelFlags { return modelFlags{Device: "auto", Timeout: gpu.DefaultPatience} }

// options are those of a model in one of some folders.
func (m modelFlags) options(name string, dirs []string) pseudolabel.Options {
	return pseudolabel.Options{Model: name, ModelDirs: dirs, Device: m.Device, ORTLibrary: m.ORTLib, BatchSize: m.Batch, Isolation: m.isolation()}
}

// modelLine is a model in a listing.
type modelLine struct {
	Name    string   `json:"name"`
	Tasks   []string `json:"tasks,omitempty"`
	Runner  string   `json:"runner,omitempty"`
	Licence string   `json:"licence,omitempty"`
	Source  string   `json:"source,omitempty"`
	Note    string   `json:"note,omitempty"`
	SHA256  string   `json:"weights_sha256,omitempty"`
	Folder  string   `json:"folder,omitempty"` // where its files are
	Get     string   `json:"get,omitempty"`    // how to get them, where there are none
	Problem string   `json:"problem,omitempty"`
}

func (a *app) modelsListCommand() *cobra.Command {
	var dirs []string
	asJSON := false
	cmd := &cobra.Command{
		Use:   "list",
		Short: "What models there are, and how to get those that are not here",
		Args:  exactly(),
		RunE: func(*cobra.Command, []string) error {
			dirs, err := modelDirs(dirs)
			if err != nil {
				return err
			}
			var lines []modelLine
			for _, m := range card.List(dirs) {
				lines = append(lines, lineOf(m))
			}
			if asJSON {
				enc := json.NewEncoder(a.out)
				enc.SetIndent("", "  ")
				return enc.Encode(lines)
			}
			return a.printModels(lines)
		},
	}
	cmd.Flags().StringSliceVar(&dirs, "model-dir", nil, settingHelp["model_dir"])
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func lineOf(m card.Listed) modelLine {
	if m.Err != nil {
		return modelLine{Name: m.Name, Problem: m.Err.Error()}
	}
	c := m.Card
	l := modelLine{Name: m.Name, Tasks: c.Tasks, Runner: c.Runner, Licence: c.Licence, Source: c.Source, Note: c.Note, Get: c.Get}
	if len(c.Files) > 0 {
		l.Folder, l.SHA256 = c.Dir, c.WeightsSHA256()
	}
	return l
}

func (a *app) printModels(lines []modelLine) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "model\tlabels\trunner\twhere")
	for _, l := range lines {
		where := l.Folder
		switch {
		case l.Problem != "":
			where = "broken: " + oneLine(l.Problem)
		case l.Get != "":
			where = "not here"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", l.Name, strings.Join(l.Tasks, ", "), l.Runner, where)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, l := range lines {
		if l.Problem != "" {
			continue
		}
		fmt.Fprintf(a.out, "\n%s: licence: %s; %s\n", l.Name, l.Licence, l.Source)
		if l.Note != "" {
			fmt.Fprintln(a.out, "  "+l.Note)
		}
		if l.Get != "" {
			fmt.Fprintln(a.out, "  "+l.Get)
		}
	}
	return nil
}

func (a *app) modelsAddCommand() *cobra.Command {
	flags, to := defaultModels(), ""
	cmd := &cobra.Command{
		Use:   "add FOLDER",
		Short: "Copy a model (model.yaml and its files) to where it is found, once it has run",
		Args:  exactly("FOLDER"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			folder, err := filepath.Abs(args[0])
			if err != nil {
				return err
			}
			c, err := card.Load(folder)
			if errors.Is(err, os.ErrNotExist) {
				return usagef("%s has no %s: a folder that tools/export has written is wanted", args[0], card.FileName)
			}
			if err != nil {
				return usagef("%v", err)
			}
			if c.Name != filepath.Base(folder) {
				return usagef("%s holds the model %q: its folder must have its name", args[0], c.Name)
			}
			if to == "" {
				cache, err := os.UserCacheDir()
				if err != nil {
					return usagef("no cache folder to add to (%v): name one with --to", err)
				}
				to = filepath.Join(cache, "micodata", "models")
			}
			var result string
			copied, err := c.Install(ctx, to, func(copied *card.Card) (err error) {
				result, err = checkModel(ctx, flags.options(c.Name, []string{filepath.Dir(copied.Dir)}))
				return err
			})
			if errors.Is(err, os.ErrExist) {
				return usagef("%v", err)
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(a.out, "%s\n%s: added; licence: %s\n", result, copied.Dir, copied.Licence)
			return nil
		},
	}
	bind(cmd.Flags(), &flags)
	cmd.Flags().StringVar(&to, "to", "", "folder of models to copy it to (default: micodata/models in the user's cache folder)")
	return cmd
}

func (a *app) modelsCheckCommand() *cobra.Command {
	flags := defaultModels()
	cmd := &cobra.Command{
		Use:   "check [NAME...]",
		Short: "Compare models' files with their cards and run each on a picture",
		RunE: func(cmd *cobra.Command, names []string) error {
			dirs, err := modelDirs(flags.ModelDir)
			if err != nil {
				return err
			}
			if len(names) == 0 {
				for _, m := range card.List(dirs) {
					if m.Err != nil || len(m.Card.Files) > 0 {
						names = append(names, m.Name)
					}
				}
			}
			var problems []error
			for _, name := range names {
				result, err := checkModel(cmd.Context(), flags.options(name, dirs))
				if cmd.Context().Err() != nil {
					return cmd.Context().Err()
				}
				if err != nil {
					problems = append(problems, err)
					if len(names) > 1 {
						fmt.Fprintf(a.out, "%s: %s\n", name, oneLine(err.Error()))
					}
					continue
				}
				fmt.Fprintln(a.out, result)
			}
			if len(problems) > 1 {
				return &failuresError{fmt.Sprintf("%d of %d models do not work", len(problems), len(names))}
			}
			return errors.Join(problems...)
		},
	}
	bind(cmd.Flags(), &flags)
	return cmd
}

// checkModel opens a model and labels a picture with it.
func checkModel(ctx context.Context, o pseudolabel.Options) (result string, err error) {
	begin := time.Now()
	m, err := pseudolabel.Open(ctx, o)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	loaded := time.Since(begin)
	maps, err := m.Label(ctx, []pseudolabel.Picture{{Key: "check", Data: checkPicture()}})
	if err != nil {
		return "", err
	}
	g := maps[0]
	if g.Err != nil {
		return "", fmt.Errorf("model %s: %w", o.Model, g.Err)
	}
	info := m.Model()
	var parts []string
	for _, of := range []struct {
		data []byte
		text string
	}{
		{g.Depth, fmt.Sprintf("depth from %.4g to %.4g, %s", g.DepthMin, g.DepthMax, info.DepthKind)},
		{g.Normal, "normals"},
	} {
		if of.data == nil {
			continue
		}
		img, err := png.DecodeConfig(bytes.NewReader(of.data))
		if err != nil {
			return "", fmt.Errorf("model %s: %s: %w", o.Model, of.text, err)
		}
		if img.Width != checkWidth || img.Height != checkHeight {
			return "", fmt.Errorf("model %s: %s: %dx%d for a picture of %dx%d", o.Model, of.text, img.Width, img.Height, checkWidth, checkHeight)
		}
		parts = append(parts, of.text)
	}
	return fmt.Sprintf("%s: ok on %s: %s; loaded in %.1f s, a picture in %.1f s; weights %s",
		info.Name, info.Device, strings.Join(parts, ", "), loaded.Seconds(), (time.Since(begin) - loaded).Seconds(), info.WeightsSHA256), nil
}

const checkWidth, checkHeight = 320, 180

// checkPicture is a floor that runs to a wall.
func checkPicture() []byte {
	img := image.NewRGBA(image.Rect(0, 0, checkWidth, checkHeight))
	for y := range checkHeight {
		for x := range checkWidth {
			c := color.RGBA{200, 195, 185, 255}
			if down := y - checkHeight/2; down > 0 {
				depth := 600 / (down + 10)
				c = color.RGBA{90, 70, 50, 255}
				if (depth+(x-checkWidth/2)*depth/160)%2 == 0 {
					c = color.RGBA{150, 120, 90, 255}
				}
			}
			img.SetRGBA(x, y, c)
		}
	}
	var b bytes.Buffer
	_ = jpeg.Encode(&b, img, nil) // a buffer takes everything
	return b.Bytes()
}

func (a *app) modelsTryCommand() *cobra.Command {
	flags, wizard, to, demo, noise := defaultModels(), defaultWizard(), "", false, ""
	cmd := &cobra.Command{
		Use:   "try NAME PICTURE... -o FOLDER",
		Short: "Depth and normals of loose pictures, to look at",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 || to == "" {
				return usagef("models try wants NAME PICTURE... -o FOLDER; see micodata models try --help")
			}
			ctx := cmd.Context()
			dirs, err := modelDirs(flags.ModelDir)
			if err != nil {
				return err
			}
			o := flags.options(args[0], dirs)
			o.DemoCrop, o.GeoWizard = demo, wizard.settings()
			if noise != "" {
				if o.GeoWizard.Noise, err = npy.ReadFile(noise); err != nil {
					return usagef("--init-noise: %v", err)
				}
			}
			if err := o.GeoWizard.Validate(); err != nil {
				return usagef("%v", err)
			}
			m, err := pseudolabel.Open(ctx, o)
			if err != nil {
				return err
			}
			defer m.Close() // its memory goes with the process anyway
			if note := m.Model().DeviceNote; note != "" {
				a.note(note)
			}
			if err := os.MkdirAll(to, 0o777); err != nil {
				return err
			}
			failed, seen := 0, map[string]string{}
			for _, file := range args[1:] {
				name := pictureName(file)
				if other, ok := seen[name]; ok {
					return usagef("%s and %s would both be %s.depth.png", other, file, name)
				}
				seen[name] = file
			}
			for _, file := range args[1:] {
				if err := a.tryPicture(ctx, m, file, to); err != nil {
					if ctx.Err() != nil {
						return err
					}
					a.note(err.Error())
					failed++
				}
			}
			if failed > 0 {
				return &failuresError{fmt.Sprintf("%d of %d pictures failed", failed, len(args)-1)}
			}
			return nil
		},
	}
	bind(cmd.Flags(), &flags)
	bind(cmd.Flags(), &wizard)
	cmd.Flags().StringVar(&noise, "init-noise", "", "GeoWizard: the noise to begin with, a .npy of float32 [members,4,height/8,width/8], to compare with another program")
	cmd.Flags().StringVarP(&to, "output", "o", "", "folder for NAME.depth.png and NAME.normal.png of each picture")
	cmd.Flags().BoolVar(&demo, "omnidata-demo", false, "the middle square at the network's size, as omnidata's demonstration crops it")
	return cmd
}

func pictureName(file string) string {
	return strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
}

// tryPicture writes the maps of one picture and prints what its depth means.
func (a *app) tryPicture(ctx context.Context, m pseudolabel.Geometer, file, to string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	name := pictureName(file)
	maps, err := m.Label(ctx, []pseudolabel.Picture{{Key: name, Data: data}})
	if err == nil {
		err = maps[0].Err
	}
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	line := struct {
		Picture string   `json:"picture"`
		Depth   string   `json:"depth,omitempty"`
		Min     *float32 `json:"min,omitempty"` // of depth, at pixel 0
		Max     *float32 `json:"max,omitempty"` // at pixel 65535
		Kind    string   `json:"kind,omitempty"`
		Normal  string   `json:"normal,omitempty"`
	}{Picture: file}
	if g := maps[0]; g.Depth != nil {
		line.Depth, line.Min, line.Max, line.Kind = filepath.Join(to, name+".depth.png"), &g.DepthMin, &g.DepthMax, m.Model().DepthKind
		if err := os.WriteFile(line.Depth, g.Depth, 0o666); err != nil {
			return err
		}
	}
	if g := maps[0]; g.Normal != nil {
		line.Normal = filepath.Join(to, name+".normal.png")
		if err := os.WriteFile(line.Normal, g.Normal, 0o666); err != nil {
			return err
		}
	}
	return json.NewEncoder(a.out).Encode(line)
}
