package table

import (
	"encoding/json"

	"github.com/apache/arrow/go/v15/arrow"
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

// fieldFeatures are the features of a struct's fields: a JSON object in the
// order of the fields. In another order datasets takes the features for those of
// another type, and drops them without a word.
type fieldFeatures []fieldFeature

type fieldFeature struct {
	name    string
	feature any
}

// MarshalJSON implements [json.Marshaler].
func (f fieldFeatures) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, field := range f {
		if i > 0 {
			b = append(b, ',')
		}
		name, err := json.Marshal(field.name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(field.feature)
		if err != nil {
			return nil, err
		}
		b = append(append(append(b, name...), ':'), value...)
	}
	return append(b, '}'), nil
}

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
	feature any // a Feature, or fieldFeatures of a struct
	leaves  []leaf
	// shred appends the row's values to bufs, one buffer per leaf. A nil row is
	// a null whose nearest present ancestor has definition level def.
	shred func(row *R, bufs []*buffer, def, rep int16)
	// assemble undoes shred: it takes one occurrence of the column off the
	// cursors, one per leaf, and sets the row's field. A nil row only takes.
	assemble func(row *R, cur []*cursor, def int16)
}

// leaf is a physical Parquet column.
type leaf struct {
	path   string // dotted path, as Parquet names it
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
		assemble: func(row *R, cur []*cursor, def int16) {
			if v, ok := takeScalar[T](cur[0], def+1); ok && row != nil {
				*at(row) = v
			}
		},
	}
}

// Optional is a scalar column that may be null; a nil pointer is a null.
func Optional[R any, T Scalar](name string, at func(*R) **T) Column[R] {
	c := Value(name, func(*R) *T { return nil })
	c.shred = func(row *R, bufs []*buffer, def, rep int16) {
		if row == nil || *at(row) == nil {
			bufs[0].null(def, rep)
			return
		}
		appendScalar(bufs[0], **at(row))
		bufs[0].levels(def+1, rep)
	}
	c.assemble = func(row *R, cur []*cursor, def int16) {
		if v, ok := takeScalar[T](cur[0], def+1); ok && row != nil {
			*at(row) = &v
		}
	}
	return c
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
		assemble: func(row *R, cur []*cursor, def int16) {
			data, ok := cur[0].takeBytes(def + 2)
			path, named := cur[1].takeBytes(def + 2)
			if (ok || named && cur[0].off) && row != nil {
				*at(row) = Blob{Bytes: data, Path: string(path)}
			}
		},
	}
}

// ElementPath is the path in the file's schema under which the columns of a [List] lie.
func ElementPath(list string) string { return list + ".list.element" }

// List is a column of structs, any number a row.
func List[R, E any](name string, at func(*R) *[]E, cols ...Column[E]) Column[R] {
	inner := group("", cols)
	leaves := make([]leaf, len(inner.leaves))
	for i, l := range inner.leaves {
		leaves[i] = leaf{path: ElementPath(name) + l.path, isBlob: l.isBlob}
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
		assemble: func(row *R, cur []*cursor, def int16) {
			shape := cur[0] // any leaf that is read
			for _, c := range cur {
				if shape.off {
					shape = c
				}
			}
			if shape.level() < def+2 {
				inner.assemble(nil, cur, def) // null or empty: one entry in every leaf
				return
			}
			var elems []E
			for more := true; more; more = shape.continues() {
				elems = append(elems, *new(E))
				inner.assemble(&elems[len(elems)-1], cur, def+2)
			}
			if row != nil {
				*at(row) = elems
			}
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
		assemble: func(row *R, cur []*cursor, def int16) {
			if row == nil || cur[0].level() <= def {
				inner.assemble(nil, cur, def)
				return
			}
			s := new(S)
			*at(row) = s
			inner.assemble(s, cur, def)
		},
	}
}

// group joins columns into one optional struct under the Parquet path prefix.
func group[S any](prefix string, cols []Column[S]) Column[S] {
	var g Column[S]
	fields := make([]arrow.Field, len(cols))
	feature := make(fieldFeatures, len(cols))
	for i, c := range cols {
		fields[i] = c.field
		feature[i] = fieldFeature{c.field.Name, c.feature}
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
	g.assemble = func(row *S, cur []*cursor, def int16) {
		k := 0
		for _, c := range cols {
			c.assemble(row, cur[k:k+len(c.leaves)], def+1)
			k += len(c.leaves)
		}
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
