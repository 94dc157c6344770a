package main

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"micodata/storage"
)

// streams are the command's standard streams: out is data only, err is for people.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// run executes one command line and returns its exit code.
func run(ctx context.Context, args []string, std streams, in *interrupts) int {
	out := &keepError{w: std.out}
	std.out = out
	app := &app{streams: std, signals: in}
	root := app.rootCommand()
	root.SetArgs(args)
	root.SetIn(std.in)
	root.SetOut(std.out)
	root.SetErr(std.err)
	err := root.ExecuteContext(storage.WithNotice(ctx, app.note))
	if err == nil && out.err != nil {
		err = &storage.Error{Op: "write", Path: "standard output", Err: out.err}
	}
	code := exitCode(err)
	if err != nil {
		app.printError(err)
	}
	return code
}

// keepError remembers the first error of a writer, which prints need not check.
type keepError struct {
	w   io.Writer
	err error
}

func (k *keepError) Write(p []byte) (int, error) {
	n, err := k.w.Write(p)
	if k.err == nil {
		k.err = err
	}
	return n, err
}

// app is what the commands share.
type app struct {
	streams
	signals *interrupts
	global  globalFlags
}

type globalFlags struct {
	config    string
	logFormat string
	ffmpeg    string
}

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "micodata",
		Short: "Raw video in, aligned text-image-video-audio-depth-normal tuples in Parquet out",
		Long: `micodata turns raw video into training sets for omni-modal models.

  micodata run VIDEOS... -o OUT      everything in one go
  micodata ingest VIDEOS... -o DATASET; micodata shard DATASET -o OUT
                                     the same in steps that can be repeated

Every setting is a flag, a key of micodata.yaml (in the working directory, or
--config) and an environment variable MICODATA_..., in that order of precedence.

Exit status: 0 all done; 1 some sources or clips failed, the rest is complete
(--allow-failures makes it 0), or there is nothing to show for it; 2 usage or
configuration; 3 a component is missing (ffmpeg, ONNX Runtime, a model);
4 storage, damaged data, or whatever else left the work unfinished; 130 interrupted.`,
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("%q is no command of micodata; see micodata --help", args[0])
			}
			return cmd.Help()
		},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return a.configure(cmd) },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%s; see %s --help", flagProblem(err), cmd.CommandPath())
	})
	root.CompletionOptions.DisableDefaultCmd = true
	f := root.PersistentFlags()
	f.StringVar(&a.global.config, "config", "", "settings file (default micodata.yaml in the working directory, if there)")
	f.StringVar(&a.global.logFormat, "log-format", "text", "progress and errors as text or json")
	f.StringVar(&a.global.ffmpeg, "ffmpeg", "", "ffmpeg to use; ffprobe is looked for beside it (default: on the PATH)")
	root.AddCommand(a.ingestCommand(), a.extractCommand(), a.labelCommand(), a.shardCommand(), a.runCommand(),
		a.statusCommand(), a.verifyCommand(), a.exportCommand(), a.getCommand(), a.modelsCommand(), a.doctorCommand(), a.serveCommand())
	return root
}

// version is the module's version, or the commit it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return fmt.Sprintf("devel-%.12s", s.Value)
		}
	}
	return "devel"
}

// exactly wants n arguments, named for people.
func exactly(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		wanted := strings.Join(names, " and ")
		if len(names) == 0 {
			wanted = "no argument"
		}
		return usagef("%s wants %s, and %d were given; see %s --help", cmd.Name(), wanted, len(args), cmd.CommandPath())
	}
}
