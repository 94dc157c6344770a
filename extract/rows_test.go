package extract

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"micodata/dataset"
	"micodata/internal/table"
)

type recorder struct{ keys []string }

func (r *recorder) Write(c *dataset.Clip) error {
	if len(c.Video.Bytes) > 100 {
		return &table.TooLargeError{Column: "video.bytes", Bytes: len(c.Video.Bytes)}
	}
	r.keys = append(r.keys, fmt.Sprintln(c.Key, c.Status, len(c.Video.Bytes), c.Frames, c.Audio.Bytes == nil))
	return nil
}

func TestRowsComeOutInOrder(t *testing.T) {
	dir := t.TempDir()
	var want []string
	var todo [][2]int
	row := func(source, number int) *dataset.Clip {
		return &dataset.Clip{Key: fmt.Sprint(source, ".", number), Outcome: dataset.Outcome{Status: dataset.OK},
			Video: table.Blob{Bytes: make([]byte, number*number)}, Frames: []dataset.Frame{{Time: float64(number)}}}
	}
	for source := range 4 {
		for number := range 3 * (source % 3) * 2 { // the first and last have none
			todo = append(todo, [2]int{source, number})
			status, size, frames := dataset.OK, number*number, fmt.Sprint(row(source, number).Frames)
			if size > 100 {
				status, size, frames = dataset.Failed, 0, "[]"
			}
			want = append(want, fmt.Sprintln(row(source, number).Key, status, size, frames, true))
		}
	}
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		r.Shuffle(len(todo), func(i, j int) { todo[i], todo[j] = todo[j], todo[i] })
		out := &recorder{}
		rows := newRows(out, dir, 4)
		for _, k := range todo {
			if err := rows.add(k[0], k[1], row(k[0], k[1])); err != nil {
				t.Fatal(err)
			}
		}
		for _, source := range r.Perm(4) {
			if err := rows.end(source, &damage{}); err != nil {
				t.Fatal(err)
			}
		}
		if fmt.Sprint(out.keys) != fmt.Sprint(want) {
			t.Fatalf("seed %d:\n%v, want\n%v", seed, out.keys, want)
		}
		if rows.report.Rows != len(want) || rows.report.Classes[dataset.TooLarge] == 0 {
			t.Errorf("report %+v", rows.report)
		}
		if err := rows.close(); err != nil {
			t.Error(err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v %v", left, err)
	}
}

func TestMissingRows(t *testing.T) {
	rows := newRows(&recorder{}, t.TempDir(), 1)
	for _, n := range []int{0, 1, 4} {
		if err := rows.add(0, n, &dataset.Clip{}); err != nil {
			t.Fatal(err)
		}
	}
	if got := fmt.Sprint(rows.missing(0, 6)); got != "[2 3 5]" {
		t.Errorf("missing %s", got)
	}
	if err := rows.end(0, &damage{}); err == nil {
		t.Error("a source with a hole in its rows has ended")
	}
	if err := rows.close(); err != nil {
		t.Error(err)
	}
}
