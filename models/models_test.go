package models

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"micodata/pseudolabel/card"
)

func TestUnpackedModelsAreWholeAndFound(t *testing.T) {
	cache := t.TempDir()
	dirs := make([]string, 4)
	var wg sync.WaitGroup
	for i := range dirs { // several processes may start at once
		wg.Go(func() {
			dir, err := Unpack(cache)
			if err != nil {
				t.Error(err)
			}
			dirs[i] = dir
		})
	}
	wg.Wait()
	c, err := card.Find("small", dirs[:1])
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Verify(context.Background()); err != nil {
		t.Error(err)
	}
	for _, d := range dirs {
		if d != dirs[0] {
			t.Errorf("%s and %s", d, dirs[0])
		}
	}
	left, err := filepath.Glob(filepath.Join(cache, "builtin-models", "*"))
	if err != nil || len(left) != 1 {
		t.Errorf("left: %v, %v", left, err)
	}
	if hidden, err := os.ReadDir(filepath.Join(cache, "builtin-models")); err != nil || len(hidden) != 1 {
		t.Errorf("left: %v, %v", hidden, err)
	}
}
