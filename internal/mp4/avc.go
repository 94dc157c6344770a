package mp4

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/Eyevinn/mp4ff/avc"
	mp4ff "github.com/Eyevinn/mp4ff/mp4"
)

// Types of NAL units (H.264, table 7-1).
const (
	naluSPS = 7
	naluPPS = 8
)

// config is a stream's parameter sets.
type config struct {
	record mp4ff.AvcCBox
	annexB bool // samples have start codes
}

func parseConfig(data []byte) (*config, error) {
	if len(data) > 0 && data[0] == 1 { // configurationVersion; Annex B begins with 0
		record, err := avc.DecodeAVCDecConfRec(data)
		if err != nil {
			return nil, fmt.Errorf("avcC: %w", err)
		}
		return &config{record: mp4ff.AvcCBox{DecConfRec: record}}, nil
	}
	var sps, pps [][]byte
	for _, nalu := range splitAnnexB(data) {
		switch nalu[0] & 0x1f {
		case naluSPS:
			sps = append(sps, nalu)
		case naluPPS:
			pps = append(pps, nalu)
		}
	}
	if len(sps) == 0 || len(pps) == 0 {
		return nil, errors.New("no parameter sets")
	}
	parsed, err := avc.ParseSPSNALUnit(sps[0], false)
	if err != nil {
		return nil, fmt.Errorf("sequence parameter set: %w", err)
	}
	record, err := mp4ff.CreateAvcC(sps, pps, true)
	if err != nil {
		return nil, fmt.Errorf("avcC: %w", err)
	}
	record.ChromaFormat = parsed.ChromaFormatIDC // mp4ff takes 4:2:0 of 8 bits for granted
	record.BitDepthLumaMinus1 = byte(parsed.BitDepthLumaMinus8)
	record.BitDepthChromaMinus1 = byte(parsed.BitDepthChromaMinus8)
	return &config{record: *record, annexB: true}, nil
}

// checkSize makes sure that the parameter sets are of pictures of that size.
func (c *config) checkSize(width, height int) error {
	for _, nalu := range c.record.SPSnalus {
		sps, err := avc.ParseSPSNALUnit(nalu, false)
		if err != nil {
			return fmt.Errorf("sequence parameter set: %w", err)
		}
		if int(sps.Width) != width || int(sps.Height) != height {
			return fmt.Errorf("the parameter sets are of %dx%d, not %dx%d", sps.Width, sps.Height, width, height)
		}
	}
	return nil
}

func (c *config) sampleEntry(v *Video) *mp4ff.VisualSampleEntryBox {
	entry := mp4ff.CreateVisualSampleEntryBox("avc1", uint16(v.Width), uint16(v.Height), &c.record)
	entry.CompressorName = ""
	if v.Color != nil {
		entry.AddChild(&mp4ff.ColrBox{
			ColorType:      mp4ff.ColorTypeOnScreenColors,
			ColorPrimaries: v.Color.Primaries, TransferCharacteristics: v.Color.Transfer,
			MatrixCoefficients: v.Color.Matrix, FullRangeFlag: v.Color.FullRange,
		})
	}
	entry.AddChild(&mp4ff.PaspBox{HSpacing: 1, VSpacing: 1})
	return entry
}

var errNoNALU = errors.New("no NAL unit")

// sample is an access unit with its NAL units' lengths before them, as "avc1"
// has it: parameter sets, which are in the sample entry, are left out.
func (c *config) sample(data []byte) ([]byte, error) {
	if !c.annexB {
		return data, checkLengths(data)
	}
	out := make([]byte, 0, len(data)+16)
	for _, nalu := range splitAnnexB(data) {
		switch nalu[0] & 0x1f {
		case naluSPS, naluPPS:
			if !c.has(nalu) {
				return nil, errors.New("parameter sets change within the stream")
			}
			continue
		}
		out = binary.BigEndian.AppendUint32(out, uint32(len(nalu)))
		out = append(out, nalu...)
	}
	if len(out) == 0 {
		return nil, errNoNALU
	}
	return out, nil
}

func (c *config) has(nalu []byte) bool {
	equal := func(other []byte) bool { return bytes.Equal(nalu, other) }
	return slices.ContainsFunc(c.record.SPSnalus, equal) || slices.ContainsFunc(c.record.PPSnalus, equal)
}

func checkLengths(data []byte) error {
	if len(data) == 0 {
		return errNoNALU
	}
	for len(data) > 0 {
		if len(data) < 4 {
			return errors.New("NAL unit length cut short")
		}
		n := binary.BigEndian.Uint32(data)
		if n == 0 || uint64(n) > uint64(len(data)-4) {
			return fmt.Errorf("NAL unit of %d bytes in %d", n, len(data)-4)
		}
		data = data[4+n:]
	}
	return nil
}

// splitAnnexB finds the NAL units between start codes (00 00 01). Zeros before
// a start code belong to none. There are no empty ones in the result.
func splitAnnexB(data []byte) [][]byte {
	startCode := []byte{0, 0, 1}
	var units [][]byte
	at := bytes.Index(data, startCode)
	for at >= 0 {
		data = data[at+len(startCode):]
		unit := data
		if at = bytes.Index(data, startCode); at >= 0 {
			unit = data[:at]
		}
		if unit = bytes.TrimRight(unit, "\x00"); len(unit) > 0 {
			units = append(units, unit)
		}
	}
	return units
}

// IsIDR tells whether an access unit in Annex B form is an IDR picture: nothing
// that is decoded after it needs what was before.
func IsIDR(data []byte) bool {
	const naluIDR = 5
	return slices.ContainsFunc(splitAnnexB(data), func(nalu []byte) bool { return nalu[0]&0x1f == naluIDR })
}
