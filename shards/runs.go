package shards

import "encoding/binary"

// run is a stretch of rows of a part that go to the same shard.
type run struct {
	Part     int
	First, N int64
}

// runList is runs by part and row. All but the last are coded in some three bytes each:
// of every other row of 100 million, as a condition may leave them, they take 150 MB.
type runList struct {
	code []byte // of each run: parts on, rows passed over, rows
	end  run    // of what is coded: the part, and its first row after it
	last run    // N is 0 while there is none
}

// add adds a row behind those that are there.
func (l *runList) add(part int, row int64) {
	if l.last.N > 0 && l.last.Part == part && l.last.First+l.last.N == row {
		l.last.N++
		return
	}
	if l.last.N > 0 {
		if l.last.Part != l.end.Part {
			l.end.First = 0
		}
		for _, v := range []int64{int64(l.last.Part - l.end.Part), l.last.First - l.end.First, l.last.N} {
			l.code = binary.AppendUvarint(l.code, uint64(v))
		}
		l.end = run{Part: l.last.Part, First: l.last.First + l.last.N}
	}
	l.last = run{part, row, 1}
}

// all are the runs.
func (l *runList) all() (runs []run) {
	if l.last.N == 0 {
		return nil
	}
	var end run
	code := l.code
	take := func() int64 {
		v, n := binary.Uvarint(code)
		code = code[n:]
		return int64(v)
	}
	for len(code) > 0 {
		if on := take(); on > 0 {
			end = run{Part: end.Part + int(on)}
		}
		r := run{Part: end.Part, First: end.First + take()}
		r.N = take()
		runs = append(runs, r)
		end.First = r.First + r.N
	}
	return append(runs, l.last)
}
