package main

import (
	"os"
	"os/exec"

	"github.com/spf13/cobra"

	"micodata/gpu"
)

// serveName is the command of the child processes of --gpu-isolate.
const serveName = "gpu-serve"

// serveCommand runs models for the process that started this one.
func (a *app) serveCommand() *cobra.Command {
	return &cobra.Command{
		Use:    serveName,
		Short:  "Run a model for another micodata, by --gpu-isolate",
		Hidden: true,
		Args:   cobra.NoArgs,
		// What it needs it is told on its standard input, not by a settings file.
		PersistentPreRunE: func(*cobra.Command, []string) error { return nil },
		RunE: func(cmd *cobra.Command, _ []string) error {
			return gpu.ServeChild(cmd.Context())
		},
	}
}

// isolation is how models get a process of their own; nil: they do not.
func (m modelFlags) isolation() *gpu.Isolation {
	if !m.Isolate {
		return nil
	}
	return &gpu.Isolation{Library: m.ORTLib, Patience: m.Timeout, Command: func() *exec.Cmd {
		// The very file that runs here, be it replaced meanwhile: both must be of one
		// version.
		self := "/proc/self/exe"
		if _, err := os.Stat(self); err != nil {
			if self, err = os.Executable(); err != nil {
				self = os.Args[0]
			}
		}
		cmd := exec.Command(self, serveName)
		cmd.Args[0] = os.Args[0] // as it was called
		return cmd
	}}
}
