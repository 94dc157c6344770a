package main

import (
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"micodata/dataset"
	"micodata/engine"
)

// meters count what a run does, in Prometheus' terms.
type meters struct{ set *metrics.Set }

func newMeters() *meters { return &meters{metrics.NewSet()} }

// part takes one event of a run.
func (m *meters) part(d engine.PartDone) {
	if d.Kept {
		m.count(1, "micodata_kept_parts_total", d.Stage)
		return
	}
	m.count(1, "micodata_parts_total", d.Stage)
	r := d.Report
	for status, n := range map[string]int{dataset.OK: r.OK, dataset.Failed: r.Failed, dataset.Skipped: r.Skipped, "passed_on": r.PassedOn} {
		m.rows("micodata_rows_total", d.Stage, "status", status, n)
	}
	for class, n := range r.Classes {
		m.rows("micodata_not_ok_rows_total", d.Stage, "error_class", string(class), n)
	}
	m.count(r.Seconds, "micodata_clip_seconds_total", d.Stage)
	m.count(r.Cost.CPU.Seconds(), "micodata_cpu_seconds_total", d.Stage)
	m.count(r.Cost.GPU.Seconds(), "micodata_gpu_seconds_total", d.Stage)
	m.count(r.Cost.Wall.Seconds(), "micodata_wall_seconds_total", d.Stage)
	m.count(float64(r.Cost.Bytes), "micodata_read_bytes_total", d.Stage)
}

func (m *meters) count(by float64, name, stage string) {
	m.set.GetOrCreateFloatCounter(fmt.Sprintf("%s{stage=%q}", name, stage)).Add(by)
}

func (m *meters) rows(name, stage, label, value string, n int) {
	m.set.GetOrCreateCounter(fmt.Sprintf("%s{stage=%q,%s=%q}", name, stage, label, value)).Add(n)
}

// ServeHTTP writes the metrics of the run and of the process.
func (m *meters) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	m.set.WritePrometheus(w)
	metrics.WriteProcessMetrics(w)
}

// serveMetrics serves them at addr for as long as the process lives, and says
// where.
func (a *app) serveMetrics(addr string) (*meters, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, usagef("--metrics %s: %v", addr, err)
	}
	m := newMeters()
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", m)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(l) }() // it ends with the process
	a.note(fmt.Sprintf("metrics at http://%s/metrics", l.Addr()))
	return m, nil
}
