// Package exif reads the orientation of a picture from an EXIF block.
//
// A camera stores the pixels as its sensor gives them, and notes how it was
// held. The eight orientations are the symmetries of a rectangle. Each is a
// choice of three: the columns run backwards, the rows run backwards, and the
// sides are exchanged afterwards.
package exif

import "encoding/binary"

// MaxBytes bounds an EXIF block in PNG and WebP. In JPEG a segment has at
// most 64 KB.
const MaxBytes = 1 << 20

// Orientation says how the stored pixels must be turned to stand upright. Zero
// and 1 are upright already; 2 is mirrored left to right, 3 upside down, 4
// mirrored top to bottom, 5 transposed, 6 needs a quarter turn to the right, 7
// is transposed along the other diagonal, 8 needs a quarter turn to the left. 5
// to 8 exchange width and height.
type Orientation int

func (o Orientation) swaps() bool { return o >= 5 && o <= 8 }

// Upright returns the size after orientation.
func (o Orientation) Upright(w, h int) (int, int) {
	if o.swaps() {
		return h, w
	}
	return w, h
}

// Flips reports which stored sides run backwards, and whether the sides are
// exchanged afterwards.
func (o Orientation) Flips() (x, y, transpose bool) {
	switch o {
	case 2:
		return true, false, false
	case 3:
		return true, true, false
	case 4:
		return false, true, false
	case 5:
		return false, false, true
	case 6:
		return false, true, true
	case 7:
		return true, true, true
	case 8:
		return true, false, true
	}
	return false, false, false
}

// The integer types of TIFF fields.
const (
	typeByte   = 1
	typeShort  = 3
	typeLong   = 4
	typeSByte  = 6
	typeSShort = 8
	typeSLong  = 9
)

// Parse returns tag 0x0112 in IFD0 of a TIFF structure, the content of an EXIF
// block. It returns 0 when there is none or the block is damaged: the picture
// is whole without it.
func Parse(tiff []byte) Orientation {
	if len(tiff) < 8 {
		return 0
	}
	var order binary.ByteOrder
	switch string(tiff[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return 0
	}
	offset := int64(order.Uint32(tiff[4:]))
	if offset < 8 || offset+2 > int64(len(tiff)) {
		return 0
	}
	entries := tiff[offset+2:]
	for range order.Uint16(tiff[offset:]) {
		if len(entries) < 12 {
			return 0
		}
		if order.Uint16(entries) == 0x0112 {
			return orientationValue(order, tiff, entries[2:12])
		}
		entries = entries[12:]
	}
	return 0
}

// orientationValue reads type, count and the first value of a field. The
// standard says one SHORT; some writers use another integer type, or several
// values. Values of more than four bytes lie elsewhere in the block.
func orientationValue(order binary.ByteOrder, tiff, field []byte) Orientation {
	size := 0
	kind := order.Uint16(field)
	switch kind {
	case typeByte, typeSByte:
		size = 1
	case typeShort, typeSShort:
		size = 2
	case typeLong, typeSLong:
		size = 4
	}
	count := uint64(order.Uint32(field[2:]))
	if size == 0 || count == 0 {
		return 0
	}
	data := field[6:]
	if n := count * uint64(size); n > 4 {
		offset := uint64(order.Uint32(data))
		if offset+n > uint64(len(tiff)) {
			return 0
		}
		data = tiff[offset:]
	}
	var v uint32 // a negative value is above 8
	switch size {
	case 1:
		v = uint32(data[0])
	case 2:
		v = uint32(order.Uint16(data))
	case 4:
		v = order.Uint32(data)
	}
	if v < 1 || v > 8 {
		return 0
	}
	return Orientation(v)
}
