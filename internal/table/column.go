package table

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
)

// Blob is a piece of media as Hugging Face's Image, Audio and Video features
// store it. Bytes == nil is a null.
type Blob struct {
	Bytes []byte
	// Path is a file name with the media's extension. Viewers and libraries
	// tell the format by it; no such file exists.
	Path string
}

// Feature is a Hugging Face feature, the JSON value that datasets expects for a
// column in the schema metadata key "huggingface".
type Feature map[string]any

// Features of media columns.
var (
	ImageFeature = Feature{"_type": "Image"}
	VideoFeature = Feature{"_type": "Video"}
)

// AudioFeature is the feature of sound stored at rate Hz.
func AudioFeature(rate int) Feature {
	return Feature{"_type": "Audio", "sampling_rate": rate}
}

// Scalar is a type that a [Value] column can hold.
type Scalar interface {
	string | bool | int32 | int64 | float32 | float64
}

// Column is one field of rows of type R, possibly nested.
type Column[R any] struct {
	field   arrow.Field
	feature Feature
	leaves  []leaf
	// shred appends the row's values to bufs, one buffer per leaf. A nil row is
	// a null whose nearest present ancestor has definition level def.
	shred func(row *R, bufs []*buffer, def, rep int16)
	// load sets the row's field from element i of a.
	load func(a arrow.Array, i int, row *R) error
}

// leaf is a physical Parquet column.
type leaf struct {
	path   string // dotted path below the column, as Parquet names it
	isBlob bool
}

// Value is a scalar column.
func Value[R any, T Scalar](name string, at func(*R) *T) Column[R] {
	kind := scalarType[T]()
	return Column[R]{
		field:   arrow.Field{Name: name, Type: kind, Nullable: true},
		feature: Feature{"_type": "Value", "dtype": featureName(kind)},
		leaves:  []leaf{{path: name}},
		shred: func(row *R, bufs []*buffer, def, rep int16) {
			if row == nil {
				bufs[0].null(def, rep)
				return
			}
			appendScalar(bufs[0], *at(row))
			bufs[0].levels(def+1, rep)
		},
		load: func(a arrow.Array, i int, row *R) error {
			if a.IsNull(i) {
				return nil
			}
			v, err := scalarAt[T](a, i)
			if err != nil {
				return fmt.Errorf("column %s: %w", name, err)
			}
			*at(row) = v
			return nil
		},
	}
}

// Media is a blob column with the given feature.
func Media[R any](name string, feature Feature, at func(*R) *Blob) Column[R] {
	return Column[R]{
		field: arrow.Field{Name: name, Nullable: true, Type: arrow.StructOf(
			arrow.Field{Name: "bytes", Type: arrow.BinaryTypes.Binary, Nullable: true},
			arrow.Field{Name: "path", Type: arrow.BinaryTypes.String, Nullable: true},
		)},
		feature: feature,
		leaves:  []leaf{{path: name + ".bytes", isBlob: true}, {path: name + ".path"}},
		shred: func(row *R, bufs []*buffer, def, rep int16) {
			if row == nil || at(row).Bytes == nil {
				bufs[0].null(def, rep)
				bufs[1].null(def, rep)
				return
			}
			b := at(row)
			bufs[0].bytes = append(bufs[0].bytes, b.Bytes)
			bufs[0].levels(def+2, rep)
			bufs[1].bytes = append(bufs[1].bytes, []byte(b.Path))
			bufs[1].levels(def+2, rep)
		},
		load: func(a arrow.Array, i int, row *R) error {
			if a.IsNull(i) {
				return nil
			}
			s, ok := a.(*array.Struct)
			if !ok || s.NumField() != 2 {
				return fmt.Errorf("column %s: is %s, not a struct of bytes and path", name, a.DataType())
			}
			data, ok1 := s.Field(0).(*array.Binary)
			path, ok2 := s.Field(1).(*array.String)
			if !ok1 || !ok2 {
				return fmt.Errorf("column %s: is %s, not a struct of binary and string", name, a.DataType())
			}
			if data.IsNull(i) {
				return nil
			}
			// Copied: the array's memory goes with its row group.
			*at(row) = Blob{Bytes: append([]byte{}, data.Value(i)...), Path: path.Value(i)}
			return nil
		},
	}
}

// List is a column of structs, any number a row.
func List[R, E any](name string, at func(*R) *[]E, cols ...Column[E]) Column[R] {
	inner := group("", cols)
	leaves := make([]leaf, len(inner.leaves))
	for i, l := range inner.leaves {
		leaves[i] = leaf{path: name + ".list.element" + l.path, isBlob: l.isBlob}
	}
	return Column[R]{
		field:   arrow.Field{Name: name, Nullable: true, Type: arrow.ListOf(inner.field.Type)},
		feature: Feature{"_type": "List", "feature": inner.feature},
		leaves:  leaves,
		shred: func(row *R, bufs []*buffer, def, rep int16) {
			if row == nil {
				inner.shred(nil, bufs, def, rep)
				return
			}
			elems := *at(row)
			if len(elems) == 0 {
				inner.shred(nil, bufs, def+1, rep) // present and empty
				return
			}
			for i := range elems {
				r := rep
				if i > 0 {
					r = 1 // lists do not nest, so there is one repetition level
				}
				inner.shred(&elems[i], bufs, def+2, r)
			}
		},
		load: func(a arrow.Array, i int, row *R) error {
			if a.IsNull(i) {
				return nil
			}
			l, ok := a.(*array.List)
			if !ok {
				return fmt.Errorf("column %s: is %s, not a list", name, a.DataType())
			}
			start, end := l.ValueOffsets(i)
			if start == end {
				return nil
			}
			elems := make([]E, end-start)
			for k := range elems {
				if err := inner.load(l.ListValues(), int(start)+k, &elems[k]); err != nil {
					return fmt.Errorf("column %s: %w", name, err)
				}
			}
			*at(row) = elems
			return nil
		},
	}
}

// Struct is a column of one optional struct; a nil pointer is a null.
func Struct[R, S any](name string, at func(*R) **S, cols ...Column[S]) Column[R] {
	inner := group(name, cols)
	return Column[R]{
		field:   arrow.Field{Name: name, Type: inner.field.Type, Nullable: true},
		feature: inner.feature,
		leaves:  inner.leaves,
		shred: func(row *R, bufs []*buffer, def, rep int16) {
			if row == nil {
				inner.shred(nil, bufs, def, rep)
				return
			}
			inner.shred(*at(row), bufs, def, rep)
		},
		load: func(a arrow.Array, i int, row *R) error {
			if a.IsNull(i) {
				return nil
			}
			s := new(S)
			*at(row) = s
			return inner.load(a, i, s)
		},
	}
}

// group joins columns into one optional struct under the Parquet path prefix.
func group[S any](prefix string, cols []Column[S]) Column[S] {
	var g Column[S]
	fields := make([]arrow.Field, len(cols))
	feature := Feature{}
	for i, c := range cols {
		fields[i] = c.field
		feature[c.field.Name] = c.feature
		for _, l := range c.leaves {
			g.leaves = append(g.leaves, leaf{path: prefix + "." + l.path, isBlob: l.isBlob})
		}
	}
	g.field = arrow.Field{Name: prefix, Type: arrow.StructOf(fields...), Nullable: true}
	g.feature = feature
	g.shred = func(row *S, bufs []*buffer, def, rep int16) {
		if row != nil {
			def++
		}
		k := 0
		for _, c := range cols {
			c.shred(row, bufs[k:k+len(c.leaves)], def, rep)
			k += len(c.leaves)
		}
	}
	g.load = func(a arrow.Array, i int, row *S) error {
		s, ok := a.(*array.Struct)
		if !ok {
			return fmt.Errorf("is %s, not a struct", a.DataType())
		}
		for _, c := range cols {
			f, ok := s.DataType().(*arrow.StructType).FieldIdx(c.field.Name)
			if !ok {
				return fmt.Errorf("field %s is missing", c.field.Name)
			}
			if err := c.load(s.Field(f), i, row); err != nil {
				return err
			}
		}
		return nil
	}
	return g
}

func scalarType[T Scalar]() arrow.DataType {
	switch any(*new(T)).(type) {
	case string:
		return arrow.BinaryTypes.String
	case bool:
		return arrow.FixedWidthTypes.Boolean
	case int32:
		return arrow.PrimitiveTypes.Int32
	case int64:
		return arrow.PrimitiveTypes.Int64
	case float32:
		return arrow.PrimitiveTypes.Float32
	default:
		return arrow.PrimitiveTypes.Float64
	}
}

// featureName is the name that datasets gives an Arrow type.
func featureName(t arrow.DataType) string {
	switch t.ID() {
	case arrow.STRING:
		return "string"
	default:
		return t.Name() // bool, int32, int64, float32 and float64 share their names
	}
}

func scalarAt[T Scalar](a arrow.Array, i int) (T, error) {
	var v any
	switch a := a.(type) {
	case *array.String:
		v = string(append([]byte{}, a.Value(i)...))
	case *array.Boolean:
		v = a.Value(i)
	case *array.Int32:
		v = a.Value(i)
	case *array.Int64:
		v = a.Value(i)
	case *array.Float32:
		v = a.Value(i)
	case *array.Float64:
		v = a.Value(i)
	}
	t, ok := v.(T)
	if !ok {
		return t, fmt.Errorf("is %s, not %T", a.DataType(), t)
	}
	return t, nil
}
