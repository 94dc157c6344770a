package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"micodata/gpu"
	"micodata/internal/npy"
	"micodata/models"
	"micodata/pseudolabel"
	"micodata/pseudolabel/card"
	"micodata/storage"
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

// modelDirs are the folders that models are looked for in: those given, which must
// be there; the usual ones, of which one that can't be read is left out; and that
// of the models inside the binary. They are unpacked into the user's cache folder,
// or where there is none that can be written, as in many containers, below the
// folder for temporary files.
func (a *app) modelDirs(given []string) ([]string, error) {
	for _, dir := range given {
		_, err := os.ReadDir(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, usagef("model_dir %s: there is no such folder", dir)
		case errors.Is(err, syscall.ENOTDIR):
			return nil, usagef("model_dir %s is a file; a folder of models' folders is wanted", dir)
		case err != nil:
			return nil, &storage.Error{Op: "read models in", Path: dir, Err: err}
		}
	}
	dirs := slices.Clone(given)
	for _, dir := range card.Dirs(nil) {
		_, err := os.ReadDir(dir)
		switch {
		case err == nil, errors.Is(err, fs.ErrNotExist):
			dirs = append(dirs, dir)
		case !errors.Is(err, syscall.ENOTDIR): // a file of that name is something else
			a.note("a folder of models is left out: " + (&storage.Error{Op: "read", Path: dir, Err: err}).Error())
		}
	}
	caches := []string{filepath.Join(os.TempDir(), fmt.Sprintf("micodata-%d", os.Getuid()))}
	if cache, err := os.UserCacheDir(); err == nil {
		caches = append([]string{filepath.Join(cache, "micodata")}, caches...)
	}
	var problems []error
	for _, cache := range caches {
		dir, err := models.Unpack(cache)
		if err == nil {
			return append(dirs, dir), nil
		}
		problems = append(problems, err)
	}
	return nil, &missingError{[]string{fmt.Sprintf("a folder for the built-in model: %v; set XDG_CACHE_HOME to one", errors.Join(problems...))}}
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
			dirs, err := a.modelDirs(dirs)
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
			dirs, err := a.modelDirs(flags.ModelDir)
			if err != nil {
				return err
			}
			err = a.addModel(cmd.Context(), flags, args[0], to, dirs)
			if err != nil && cmd.Context().Err() != nil {
				return &stoppedError{"nothing was added"}
			}
			return err
		},
	}
	bind(cmd.Flags(), &flags)
	cmd.Flags().StringVar(&to, "to", "", "folder of models to copy it to (default: micodata/models in the user's cache folder)")
	return cmd
}

// addModel runs the model in a folder and copies it to a folder of models. Dirs are
// those that models are looked for in.
func (a *app) addModel(ctx context.Context, flags modelFlags, name, to string, dirs []string) error {
	folder, err := filepath.Abs(name)
	if err != nil {
		return err
	}
	c, err := card.Load(folder)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return usagef("%s has no %s: a folder that tools/export has written is wanted", name, card.FileName)
	}
	if err != nil {
		return err
	}
	if c.Name != filepath.Base(folder) {
		return usagef("%s holds the model %q: its folder must have its name", name, c.Name)
	}
	if to == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return usagef("no cache folder to add to (%v): name one with --to", err)
		}
		to = filepath.Join(cache, "micodata", "models")
	}
	there := usagef("model %s is in %s already: remove its folder there first to replace it", c.Name, to)
	if _, err := os.Lstat(filepath.Join(to, c.Name)); err == nil {
		return there
	}
	result, err := checkModel(ctx, flags.options(c.Name, []string{filepath.Dir(folder)}))
	if err != nil {
		return err
	}
	copied, err := c.Install(ctx, to)
	if errors.Is(err, card.ErrThere) {
		return there // since another was faster
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "%s\n%s: added; licence: %s\n", result, copied.Dir, copied.Licence)
	if !slices.ContainsFunc(dirs, func(dir string) bool { return sameFile(dir, to) }) {
		a.note("no model is looked for in " + to + ": use it with --model-dir " + to)
	}
	return nil
}

// sameFile tells whether two names are of one file or folder that is there.
func sameFile(a, b string) bool {
	first, err := os.Stat(a)
	if err != nil {
		return false
	}
	second, err := os.Stat(b)
	return err == nil && os.SameFile(first, second)
}

func (a *app) modelsCheckCommand() *cobra.Command {
	flags := defaultModels()
	cmd := &cobra.Command{
		Use:   "check [NAME...]",
		Short: "Compare models' files with their cards and run each on a picture",
		RunE: func(cmd *cobra.Command, names []string) error {
			dirs, err := a.modelDirs(flags.ModelDir)
			if err != nil {
				return err
			}
			broken := map[string]error{}
			if len(names) == 0 {
				for _, m := range card.List(dirs) {
					if broken[m.Name] = m.Err; m.Err != nil || len(m.Card.Files) > 0 {
						names = append(names, m.Name)
					}
				}
			}
			var problems []error
			for _, name := range names {
				result, err := "", broken[name]
				if name == "" {
					err = &card.NameError{} // not the default's
				}
				if err == nil {
					result, err = checkModel(cmd.Context(), flags.options(name, dirs))
				}
				if cmd.Context().Err() != nil {
					return &stoppedError{"run it again to check all"}
				}
				if err != nil {
					problems = append(problems, err)
					if len(names) > 1 {
						fmt.Fprintln(a.out, oneLine(err.Error()))
					}
					continue
				}
				fmt.Fprintln(a.out, result)
			}
			if len(problems) > 1 {
				return &severalError{fmt.Sprintf("%d of %d models do not work", len(problems), len(names)), problems}
			}
			return errors.Join(problems...)
		},
	}
	bind(cmd.Flags(), &flags)
	return cmd
}

func (a *app) modelsTryCommand() *cobra.Command {
	flags, wizard, to, demo, noise := defaultModels(), defaultWizard(), "", false, ""
	cmd := &cobra.Command{
		Use:   "try NAME PICTURE... -o FOLDER",
		Short: "Depth and normals of loose pictures, to look at",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 || args[0] == "" || to == "" {
				return usagef("models try wants NAME PICTURE... -o FOLDER; see micodata models try --help")
			}
			ctx := cmd.Context()
			dirs, err := a.modelDirs(flags.ModelDir)
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
			if err := checkOutputs(to, args[1:]); err != nil {
				return err
			}
			m, err := pseudolabel.Open(ctx, o)
			if err != nil {
				return err
			}
			defer m.Close() // its memory goes with the process anyway
			if note := m.Model().DeviceNote; note != "" {
				a.note(note)
			}
			store, err := storage.NewLocal(to)
			if err != nil {
				return err
			}
			failed := 0
			for _, file := range args[1:] {
				err := a.tryPicture(ctx, m, file, to, store)
				var noPlace *storage.Error
				switch {
				case ctx.Err() != nil:
					return &stoppedError{"the maps that were written stay"}
				case errors.As(err, &noPlace):
					return err
				case err != nil:
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

// Files of a picture's maps.
func depthName(file string) string  { return pictureName(file) + ".depth.png" }
func normalName(file string) string { return pictureName(file) + ".normal.png" }

// checkOutputs refuses pictures whose maps would be each other's, or would replace
// a picture.
func checkOutputs(to string, files []string) error {
	seen := map[string]string{}
	for _, file := range files {
		for _, out := range []string{depthName(file), normalName(file)} {
			if other, ok := seen[out]; ok {
				return usagef("%s and %s would both be %s", other, file, out)
			}
			seen[out] = file
			for _, picture := range files {
				if sameFile(filepath.Join(to, out), picture) {
					return usagef("the map of %s would replace the picture %s: name another folder with -o", file, picture)
				}
			}
		}
	}
	return nil
}

// readPicture reads a JPEG or PNG. A pipe would hang, and a device never ends.
func readPicture(file string) ([]byte, error) {
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: there is no such file", file)
	case err == nil && !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no regular file; a JPEG or PNG is wanted", file)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(data, []byte("\xff\xd8")) && !bytes.HasPrefix(data, []byte("\x89PNG")) {
		return nil, fmt.Errorf("%s is no picture that is read here; a JPEG or PNG is wanted", file)
	}
	return data, nil
}

// tryPicture writes the maps of one picture and prints what its depth means.
func (a *app) tryPicture(ctx context.Context, m pseudolabel.Geometer, file, to string, store storage.Store) error {
	data, err := readPicture(file)
	if err != nil {
		return err
	}
	if turned(data) {
		a.note(file + ": its camera was turned, and its EXIF data says how; the maps are of the picture as it is stored")
	}
	maps, err := m.Label(ctx, []pseudolabel.Picture{{Key: pictureName(file), Data: data}})
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
		line.Depth, line.Min, line.Max, line.Kind = filepath.Join(to, depthName(file)), &g.DepthMin, &g.DepthMax, m.Model().DepthKind
		if err := storage.WriteAll(ctx, store, depthName(file), storage.Replace, g.Depth); err != nil {
			return err
		}
	}
	if g := maps[0]; g.Normal != nil {
		line.Normal = filepath.Join(to, normalName(file))
		if err := storage.WriteAll(ctx, store, normalName(file), storage.Replace, g.Normal); err != nil {
			return err
		}
	}
	return json.NewEncoder(a.out).Encode(line)
}
