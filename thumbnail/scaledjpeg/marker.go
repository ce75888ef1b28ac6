package scaledjpeg

// Markers, the byte after 0xff (T.81, table B.1).
const (
	mSOF0 = 0xc0 // baseline
	mSOF1 = 0xc1 // extended, Huffman
	mSOF2 = 0xc2 // progressive, Huffman
	mDHT  = 0xc4
	mDAC  = 0xcc
	mRST0 = 0xd0
	mRST7 = 0xd7
	mSOI  = 0xd8
	mEOI  = 0xd9
	mSOS  = 0xda
	mDQT  = 0xdb
	mDNL  = 0xdc
	mDRI  = 0xdd
	mDHP  = 0xde
	mAPP0 = 0xe0
	mAPP1 = 0xe1
	mAPP2 = 0xe2
	mAPPE = 0xee
	mAPPF = 0xef
	mCOM  = 0xfe
	mTEM  = 0x01
	mSOFJ = 0xf7 // JPEG-LS
)

// endsScan reports whether marker m may follow a scan's data. Any other, but a
// restart marker, is damage inside of it.
func endsScan(m byte) bool {
	switch {
	case m == mDHT || m == mDAC || m == mEOI || m == mSOS || m == mDQT || m == mDNL || m == mDRI:
		return true
	case m >= mAPP0 && m <= mAPPF || m == mCOM || m == markerEOF:
		return true
	}
	return false
}

// unsupportedFrame names the frames that are refused.
func unsupportedFrame(m byte) string {
	switch m {
	case 0xc3:
		return "lossless frame"
	case 0xc5, 0xc6, 0xc7, mDHP:
		return "hierarchical frame"
	case 0xc8:
		return "JPG extension frame"
	case 0xc9, 0xca, 0xcb, 0xcd, 0xce, 0xcf:
		return "arithmetic coding"
	case mSOFJ:
		return "JPEG-LS frame"
	}
	return ""
}
