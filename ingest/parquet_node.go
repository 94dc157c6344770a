package ingest

import (
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/schema"

	"micodata/internal/table"
)

// parquetNode is a part of a column's type, which makes its values of the
// leaves below it. Values are as encoding/json would give them: nil, bool,
// int64, uint64, float64, string, []any, map[string]any.
type parquetNode struct {
	name               string
	optional, repeated bool
	def                int16 // level from which on it is there
	rep                int16 // level of its next element, if it is repeated
	list               bool  // its only field is repeated, and is all it says
	wrapped            bool  // repeated, and its only field is the element
	fields             []*parquetNode
	leaf               *parquetLeaf   // of one that has no fields
	leaves             []*parquetLeaf // all below
}

// newParquetNode makes the node of a type below a node of those levels.
func newParquetNode(s *schema.Schema, t schema.Node, def, rep int16, row *parquetRow) (*parquetNode, error) {
	n := &parquetNode{name: t.Name(), def: def, rep: rep}
	switch t.RepetitionType() {
	case parquet.Repetitions.Optional:
		n.optional = true
		n.def++
	case parquet.Repetitions.Repeated:
		n.repeated = true
		n.def++
		n.rep++
	}
	g, ok := t.(*schema.GroupNode)
	if !ok {
		l, err := newParquetLeaf(s, t, row)
		n.leaf, n.leaves = l, []*parquetLeaf{l}
		return n, err
	}
	for i := range g.NumFields() {
		f, err := newParquetNode(s, g.Field(i), n.def, n.rep, row)
		if err != nil {
			return nil, err
		}
		n.fields = append(n.fields, f)
		n.leaves = append(n.leaves, f.leaves...)
	}
	if len(n.leaves) == 0 {
		return nil, fmt.Errorf("column %s is a group of nothing", t.Path())
	}
	switch g.LogicalType().(type) {
	case schema.ListLogicalType, schema.MapLogicalType:
		n.list = len(n.fields) == 1 && n.fields[0].repeated && !n.repeated
	}
	if n.list {
		// The format's rules for lists of older writers, whose repeated field is
		// the element itself.
		e := n.fields[0]
		e.wrapped = len(e.fields) == 1 && !e.fields[0].repeated && e.name != "array" && e.name != n.name+"_tuple"
	}
	return n, nil
}

// value takes the node's value in what is above it, which is there.
func (n *parquetNode) value() any {
	switch {
	case n.repeated:
		return n.elements()
	case n.optional && n.leaves[0].entry.Def < n.def:
		n.pass()
		return nil
	}
	return n.present()
}

// elements takes the values of a repeated node.
func (n *parquetNode) elements() any {
	list := []any{}
	if n.leaves[0].entry.Def < n.def {
		n.pass()
		return list
	}
	for {
		if n.wrapped {
			list = append(list, n.fields[0].value())
		} else {
			list = append(list, n.present())
		}
		if n.leaves[0].entry.Rep != n.rep {
			return list
		}
	}
}

// present takes the value of a node that is there, or of one element.
func (n *parquetNode) present() any {
	for _, l := range n.leaves {
		if l.entry.Def < n.def {
			l.row.fail(errParquetFit)
		}
	}
	switch {
	case n.leaf != nil:
		return n.leaf.take()
	case n.list:
		return n.fields[0].elements()
	}
	m := make(map[string]any, len(n.fields))
	for _, f := range n.fields {
		m[f.name] = f.value()
	}
	return m
}

// pass takes the entries that say that the node is not there.
func (n *parquetNode) pass() {
	for _, l := range n.leaves {
		if l.entry.Def >= n.def {
			l.row.fail(errParquetFit)
		}
		l.take()
	}
}

// parquetLeaf stands at an entry of a leaf.
type parquetLeaf struct {
	index   int
	convert func(any) any
	row     *parquetRow
	reader  *table.LeafReader
	entry   table.Entry
	ended   bool
}

func newParquetLeaf(s *schema.Schema, t schema.Node, row *parquetRow) (*parquetLeaf, error) {
	i := s.ColumnIndexByNode(t)
	if i < 0 {
		return nil, fmt.Errorf("column %s is no leaf", t.Path())
	}
	convert, err := converter(s.Column(i))
	return &parquetLeaf{index: i, convert: convert, row: row}, err
}

// entryBytes is what an entry costs besides its bytes: an element of []any.
const entryBytes = 16

// take takes the entry's value, nil if it has none.
func (l *parquetLeaf) take() (v any) {
	if l.ended {
		l.row.fail(errParquetEnd)
		return nil
	}
	l.row.size += entryBytes
	if b, ok := l.entry.Value.([]byte); ok {
		l.row.size += len(b)
	}
	if l.row.size > l.row.max {
		l.row.fail(tooLong(l.row.max))
		l.end()
		return nil
	}
	if l.entry.Value != nil {
		v = l.convert(l.entry.Value)
	}
	l.advance()
	return v
}

// advance goes to the next entry.
func (l *parquetLeaf) advance() {
	e, err := l.reader.Next()
	if err != nil {
		if err != io.EOF {
			l.row.fail(err)
		}
		l.end()
		return
	}
	l.entry, l.ended = e, false
}

// end leaves an entry that is of no list and has no value.
func (l *parquetLeaf) end() { l.entry, l.ended = table.Entry{Def: -1}, true }
