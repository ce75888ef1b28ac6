// Package scaledjpeg decodes JPEG pictures to planes of 1/1, 1/2, 1/4 or 1/8 of
// their size, from a stream, in memory that depends on the planes and not on
// the file. It is made for thumbnails: 200 pixels of 6000 need none of the detail that
// most of a decoder's time goes into.
//
// It reads baseline, extended and progressive pictures of 8 bits, of any
// sampling, gray, YCbCr, RGB, CMYK and YCCK, with restart markers, with scans
// interleaved or not, and with a height that comes late (DNL). It refuses 12
// bits, arithmetic coding, lossless and hierarchical pictures. Of a file with
// several pictures it reads the first.
//
// [Decode] serves one picture. A [Decoder] serves many with the same memory,
// and lets the header decide the scale. The planes keep the resolution that
// each component has in the file: resize each by itself, from its fractional
// extent, and put the results together with [Header.RGBRow].
//
// # What the scales give
//
// A block holds the amplitudes F(u,v) of 8x8 waves. At 1/s, n = 8/s, the
// samples of a block are
//
//	f(x,y) = Σ Σ r(u) r(v) F(u,v) c(u,x) c(v,y)	u, v < n
//	c(u,x) = sqrt(1/8) for u = 0, else cos((2x+1)uπ/2n) / 2
//
// that is: waves that n samples cannot carry are dropped, the others are drawn
// with n samples and damped by r. Were r(u) the response of a box average,
//
//	b(u) = cos(uπ/16) cos(2uπ/16) ...	one factor for each halving
//
// and nothing dropped, f were the box average of the full block, which is what
// libjpeg's reduced transforms compute. It is too soft: thumbnails of half the
// reduced size come out at 47 to 57 dB against those of the full picture, by
// Lanczos3. Dropping without damping (r = 1) is best where the thumbnail is
// much smaller, and overshoots at edges where it is not. So r(u) is the fourth
// root of b(u): 50 to 63 dB, at the same cost, for r is a factor in the
// dequantisation table. At 1/8 there is only F(0,0), and the sample is the box
// average of its block, exactly. [Image].Droop says what damping is left to put
// right.
//
// The samples are within 0.6 of f's true value: rounding, and a little for
// fixed point. At 1/1 they are within 1 of image/jpeg's.
//
// # The walk
//
// At 1/8 the 63 AC coefficients of a block are not needed, but the next
// block begins where they end, and only their codes tell where that is. So they
// are not decoded, they are walked over: a code and its magnitude are a number
// of bits to skip, and a number of places that the zig-zag index advances. A
// table can know both for several symbols at once. Its index is the next 12
// bits; all symbols whose codes lie in these bits are in the entry, with their
// sums, up to the end of the block, and the magnitude of the last may even
// reach out of them. A camera's picture takes 6 look-ups a block, where it has
// 14 symbols. See walktable.go for the entries, and for how an entry that holds
// too much is noticed.
//
// Codes of more bits than the index have a table of their own. With
// [Options].FineChroma luma is walked over, and chroma decoded as at 1/4.
//
// At 1/4 and 1/2 the walk begins behind the last coefficient that is wanted,
// number 4 or 24 in zig-zag order. Before that, another table finds two symbols
// a look-up, and what it takes to get both values out of the reservoir; see
// pairtable.go.
//
// # The refill
//
// The reservoir is a 64-bit word, acc, whose upper cnt bits are the next bits
// of the scan. A refill reads the next eight bytes of the buffer, wherever they
// begin, and ors them in below the valid bits:
//
//	acc |= bytes[pos:pos+8] >> cnt
//	pos += (63 - cnt) / 8
//	cnt |= 56
//
// For cnt = 8q+r, r < 8, there is room for 7-q whole bytes above the lowest 8-r
// bits, and (63-cnt)/8 is 7-q, rounded down: pos moves over these bytes, and
// cnt becomes 56+r, which is cnt with the bits of 56 set. The 8-r bits below
// are the first of the next byte, right but not counted; after the next shift,
// the next refill ors the same values over them. There is no branch, and 56 to
// 63 bits are valid.
//
// A walk is a chain: an index is looked up, the entry shifts the reservoir, and
// the shifted reservoir is the next index. Nothing in this chain can overlap,
// so its length is the speed: shift, look-up, shift, 7 cycles or so. The refill
// must not be in it. Therefore the index is taken from the reservoir before the
// refill is ored in, and bytes are fetched while the table is looked up. For
// that, the 12 bits of the index must be valid before the refill. With two
// look-ups a refill, of at most m bits each, they are if
//
//	56 - 2m >= 12, so m <= 22
//
// and an entry never holds more. A longer symbol, as rare as it is, has no
// entry and goes the slow way, as do codes of more than 12 bits.
//
// What each step brought, for 24 megapixels at 1/8, was found to be: a symbol
// at a time 35 ms; its magnitude skipped and not decoded 25; several symbols a
// look-up 20; a reservoir of 64 bits 17; the refill without a branch, every
// second look-up, 14; the index taken before it 12. Not fast, and measured: no
// branch at the end of a block either, with DC and AC look-ups in one chain and
// the differences decoded later. The chain grows to 10 cycles, and that is more
// than mispredicting the end of each block costs.
//
// The bytes lie in a buffer of 32 KiB, in which the zero bytes stuffed behind
// 0xff have been taken out, a search and a copy for each 0xff. When a buffer
// runs low, the rest moves to its front and more is filled in; so a stream
// needs no more memory than this. Behind the last byte of a scan come zeros,
// enough for one MCU: loops check for the end once an MCU, not once a bit.
//
// # Progressive pictures
//
// At 1/8 only DC scans are read. The others are jumped over, at the speed of a
// byte search for the next marker: 24 megapixels take 3 % of libjpeg's time.
// Behind the last of them nothing is read. At the other scales only the
// coefficients that the scale keeps are stored, with a bit for each other
// coefficient that is not zero: a refinement scan has a bit for each of these,
// and only who counts them can read it. Whole groups of such bits are then
// skipped by counting. [Options].Tolerance leaves scans out whose bits are
// worth little.
//
// # Limits and damage
//
// [Header.MemoryBytes] says what a decoding will take before it takes it.
// [Options] compare that with a budget, and bound pixels and scans. Every error
// carries the byte where it was seen.
//
// A file that is damaged behind its header still gives a picture, together with
// the error for the first fault; [Options].Strict gives the error alone, and
// stops there. What lies before the fault is right. From the fault on samples
// may be anything, for bits are often taken for other codes for a while before
// one is none, and differences add up; then they are gray. A progressive
// picture keeps what earlier scans told. With restart markers only the interval
// is lost: bytes that look like a marker no scan can be followed by are passed
// over, a restart marker that is not the next is believed to have lost one or
// two intervals, or to be late by as many. A fault that looks like a restart
// itself takes three more intervals along, and one that looks like the end of a
// scan ends it.
//
// Damage that makes other valid codes is not seen at all, nor is damage in
// scans that are jumped over, nor what is missing behind the last scan that
// matters: at 1/8 reading ends with the last bit of DC, which in a progressive
// file may be long before its end.
package scaledjpeg
