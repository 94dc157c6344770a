package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"micodata/dataset"
	"micodata/engine"
)

func (a *app) statusCommand() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "status DATASET",
		Short: "Per stage: done, failed by class, left, and what it cost",
		Args:  exactly("DATASET"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			store, err := openStore(ctx, args[0], datasetMark, false)
			if err != nil {
				return err
			}
			frozen, err := dataset.LoadFrozen(ctx, store)
			if err != nil {
				return err
			}
			parts, err := engine.PartCount(ctx, store, dataset.StageIngest)
			if err != nil {
				return err
			}
			var lines []stageLine
			for _, stage := range stagesOf(frozen) {
				st, err := stageReport(ctx, store, stage, dataset.Failed)
				if err != nil {
					return err
				}
				lines = append(lines, stageLine{Stage: stage, stageState: st, Left: parts - st.Parts})
			}
			if asJSON {
				enc := json.NewEncoder(a.out)
				enc.SetIndent("", "  ")
				return enc.Encode(lines)
			}
			a.printStatus(lines)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

type stageLine struct {
	Stage string `json:"stage"`
	stageState
	Left int `json:"parts_left"` // of those that are ingested
}

func (a *app) printStatus(lines []stageLine) {
	w := tabwriter.NewWriter(a.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "stage\tparts\tleft\trows\tok\tfailed\tskipped\tpassed on\tcost")
	for _, l := range lines {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%s\n", l.Stage, l.Parts, l.Left, l.Rows, l.OK, l.Failed, l.Skipped, l.PassedOn, costs(l.Cost))
	}
	_ = w.Flush() // standard output's own error shows at exit
	for _, l := range lines {
		if len(l.Classes) > 0 {
			fmt.Fprintf(a.out, "%s: %s\n", l.Stage, classes(l.Classes))
		}
		for _, e := range l.Errors {
			fmt.Fprintf(a.out, "  %s\n", e)
		}
		if hidden := l.Failed - len(l.Errors); hidden > 0 {
			fmt.Fprintf(a.out, "  and %d more\n", hidden)
		}
	}
}

func platform() string { return runtime.GOOS + "/" + runtime.GOARCH }
