package ingest

import (
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"

	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/schema"
)

// converter is how a leaf's values become those that encoding/json would give.
// Text is copied out of the page.
func converter(c *schema.Column) (func(any) any, error) {
	switch t := c.LogicalType().(type) {
	case *schema.DecimalLogicalType:
		return func(v any) any { return decimal(v, int(t.Scale())) }, nil
	case *schema.TimeLogicalType:
		unit := map[schema.TimeUnitType]float64{schema.TimeUnitMillis: 1e3, schema.TimeUnitMicros: 1e6, schema.TimeUnitNanos: 1e9}[t.TimeUnit()]
		return func(v any) any { return float64(integer(v)) / unit }, nil
	case *schema.IntLogicalType:
		if !t.IsSigned() {
			return unsigned, nil
		}
	case schema.UUIDLogicalType:
		return uuid, nil
	}
	switch kind := c.PhysicalType(); kind {
	case parquet.Types.Boolean, parquet.Types.Double:
		return func(v any) any { return v }, nil
	case parquet.Types.Int32, parquet.Types.Int64:
		return func(v any) any { return integer(v) }, nil
	case parquet.Types.Float:
		return func(v any) any { return float64(v.(float32)) }, nil
	case parquet.Types.ByteArray:
		return func(v any) any { return string(v.([]byte)) }, nil
	case parquet.Types.FixedLenByteArray:
		return func(v any) any { return hex.EncodeToString(v.([]byte)) }, nil
	default:
		return nil, fmt.Errorf("column %s is %s, which has no text form here", c.Path(), kind)
	}
}

func integer(v any) int64 {
	if n, ok := v.(int32); ok {
		return int64(n)
	}
	return v.(int64)
}

func unsigned(v any) any {
	if n, ok := v.(int32); ok {
		return int64(uint32(n))
	}
	return uint64(v.(int64))
}

func uuid(v any) any {
	s := hex.EncodeToString(v.([]byte))
	if len(s) != 32 {
		return s
	}
	return strings.Join([]string{s[:8], s[8:12], s[12:16], s[16:20], s[20:]}, "-")
}

// decimal writes an unscaled integer, which bytes hold as big-endian two's
// complement.
func decimal(v any, scale int) any {
	n := new(big.Int)
	if b, ok := v.([]byte); ok {
		if len(b) > 32 { // 256 bits are the most that any reader has
			return hex.EncodeToString(b)
		}
		n.SetBytes(b)
		if len(b) > 0 && b[0] >= 0x80 {
			n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(len(b))*8))
		}
	} else {
		n.SetInt64(integer(v))
	}
	scale = min(max(scale, 0), 256)
	digits := new(big.Int).Abs(n).String()
	if len(digits) <= scale {
		digits = strings.Repeat("0", scale+1-len(digits)) + digits
	}
	if scale > 0 {
		digits = digits[:len(digits)-scale] + "." + digits[len(digits)-scale:]
	}
	if n.Sign() < 0 {
		digits = "-" + digits
	}
	return digits
}
