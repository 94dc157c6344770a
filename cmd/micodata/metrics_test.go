package main

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"micodata/dataset"
	"micodata/engine"
)

func TestMetricsCountWhatARunDoes(t *testing.T) {
	m := newMeters()
	r := dataset.Report{Seconds: 12.5, Cost: dataset.Cost{CPU: 3 * time.Second, Wall: 2 * time.Second, Bytes: 1000}}
	r.Count(dataset.Outcome{Status: dataset.OK})
	r.Count(dataset.OutcomeOf(dataset.Failed, dataset.Fail(dataset.Corrupt, "x")))
	m.part(engine.PartDone{Stage: "extract", Report: r})
	m.part(engine.PartDone{Stage: "extract", Part: 1, Report: r})
	m.part(engine.PartDone{Stage: "ingest", Kept: true})

	answer := httptest.NewRecorder()
	m.ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	got := answer.Body.String()
	for _, want := range []string{
		`micodata_parts_total{stage="extract"} 2`,
		`micodata_kept_parts_total{stage="ingest"} 1`,
		`micodata_rows_total{stage="extract",status="ok"} 2`,
		`micodata_rows_total{stage="extract",status="failed"} 2`,
		`micodata_rows_total{stage="extract",status="skipped"} 0`,
		`micodata_not_ok_rows_total{stage="extract",error_class="corrupt"} 2`,
		`micodata_clip_seconds_total{stage="extract"} 25`,
		`micodata_cpu_seconds_total{stage="extract"} 6`,
		`micodata_wall_seconds_total{stage="extract"} 4`,
		`micodata_read_bytes_total{stage="extract"} 2000`,
		"process_resident_memory_bytes ",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
}
