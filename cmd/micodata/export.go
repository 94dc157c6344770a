package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"micodata/internal/choice"
	"micodata/internal/ffmpeg"
	"micodata/shards/export"
	"micodata/storage"
)

// exportWork are the settings of how an export works, which shape no bytes.
type exportWork struct {
	Workers       int  `json:"workers"`
	AllowFailures bool `json:"allow_failures"`
}

func (a *app) exportCommand() *cobra.Command {
	format, dir, flags := "", "", exportWork{}
	formats := strings.Join(export.Formats(), ", ")
	cmd := &cobra.Command{
		Use:   "export OUT --format F -o DIR",
		Short: "A training set in the form that a trainer's own loader reads",
		Long: "Export writes the tuples of a training set as a trainer's own loader reads them (see docs/exports.md):\n" +
			formats + ".\nRun again, it goes on from what is there, and makes again what went missing.",
		Args: exactly("OUT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			if err := choice.OneOf("--format", format, export.Formats()...); err != nil {
				return usagef("%v", err)
			}
			switch {
			case dir == "":
				return usagef("export wants -o DIR, the folder to export into")
			case storage.IsS3(dir):
				return usagef("-o %s: trainers read files: export into a folder, and copy that", dir)
			}
			work := workFlags{Workers: flags.Workers}
			if err := work.validate(); err != nil {
				return err
			}
			set, err := openSet(ctx, args[0])
			if err != nil {
				return err
			}
			if err := checkFolder(dir, export.ManifestName, true); err != nil {
				return err
			}
			out, err := storage.NewLocal(dir)
			if err != nil {
				return err
			}
			begin := time.Now()
			counter := a.newCounter("shards exported")
			m, err := export.Run(ctx, export.Env{Set: set, Out: out, Format: format, Workers: work.workers(),
				Tools: a.toolsOnce(), Progress: counter.count})
			counter.close()
			if err != nil {
				return err
			}
			a.exported(m, out.Path(""), time.Since(begin))
			if failed := export.Reasons(m.Failed); failed != "" && !flags.AllowFailures {
				return &failuresError{fmt.Sprintf("export: clips failed: %s; the rest is complete (%s names them, --allow-failures accepts them)",
					failed, out.Path(export.FailedName))}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&format, "format", "", "one of "+formats)
	cmd.Flags().StringVarP(&dir, "output", "o", "", "the export's folder")
	bind(cmd.Flags(), &flags)
	return cmd
}

// toolsOnce looks for ffmpeg when it is first wanted.
func (a *app) toolsOnce() func(context.Context) (ffmpeg.Tools, error) {
	var once sync.Once
	var tools ffmpeg.Tools
	var err error
	return func(ctx context.Context) (ffmpeg.Tools, error) {
		once.Do(func() { tools, err = ffmpeg.Find(ctx, a.global.ffmpeg) })
		return tools, err
	}
}

// exported tells what an export has, and what it has not.
func (a *app) exported(m *export.Manifest, dir string, took time.Duration) {
	if log := a.logger(); log != nil {
		log.Info("export done", "format", m.Format, "clips", m.Clips, "skipped", m.Skipped, "failed", m.Failed, "left_out", m.LeftOut, "missing", m.Missing,
			"files", m.Files, "bytes", m.Bytes, "seconds", took.Seconds(), "out", dir)
		return
	}
	fmt.Fprintf(a.err, "export: %d clips of %d in %d files, %.1f MB, in %s: %s\n",
		m.Clips, m.Tuples, m.Files, float64(m.Bytes)/1e6, took.Round(10*time.Millisecond), dir)
	if len(m.Skipped) > 0 {
		fmt.Fprintf(a.err, "export: skipped: %s\n", export.Reasons(m.Skipped))
	}
	for _, what := range m.Missing {
		fmt.Fprintf(a.err, "export: %s\n", what)
	}
	if len(m.LeftOut) > 0 {
		fmt.Fprintf(a.err, "export: not in a list, though in others: %s\n", export.Reasons(m.LeftOut))
	}
}
