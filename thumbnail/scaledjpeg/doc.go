// Package scaledjpeg decodes a JPEG stream to planes of 1/1, 1/2, 1/4 or 1/8 of
// the picture's size. Its memory depends on the planes, not on the file. It
// serves thumbnails: 200 pixels of 6000 need none of the detail on which a full
// decoder spends most of its time.
//
// It reads baseline, extended and progressive pictures of 8 bits, of any
// sampling, in gray, YCbCr, RGB, CMYK and YCCK, with restart markers, with
// interleaved or separate scans, and with a height that follows the data (DNL).
// It refuses 12-bit, arithmetic-coded, lossless and hierarchical pictures. Of a
// file with several pictures it reads the first.
//
// [Decode] decodes one picture. A [Decoder] decodes many with the same memory,
// and its caller can choose the scale from the header. Each plane keeps the
// resolution of its component: resize each plane by itself, from its fractional
// extent, and combine the results with [Header.RGBRow].
//
// # What the scales give
//
// A block holds the amplitudes F(u,v) of 8x8 waves. At 1/s, n = 8/s, the
// samples of a block are
//
//	f(x,y) = Σ Σ r(u) r(v) F(u,v) c(u,x) c(v,y)	u, v < n
//	c(u,x) = sqrt(1/8) for u = 0, else cos((2x+1)uπ/2n) / 2
//
// Waves that n samples cannot carry are dropped. The others are drawn with n
// samples and damped by r. If r(u) were the response of a box average,
//
//	b(u) = cos(uπ/16) cos(2uπ/16) ...	one factor for each halving
//
// and no wave were dropped, f would be the box average of the full block, which
// libjpeg's reduced transforms compute. That is too soft: thumbnails of half the
// reduced size reach 47 to 57 dB against those of the full picture, by Lanczos3.
// Dropping without damping (r = 1) is best for much smaller thumbnails, and
// overshoots at edges for others. So r(u) is the fourth root of b(u), which
// reaches 50 to 63 dB at the same cost, because r is a factor in the
// dequantisation table. At 1/8 there is only F(0,0), and the sample is exactly
// the box average of its block. [Plane].Droop is the damping that remains.
//
// The samples are within 0.6 of the true value of f: rounding, and a little for
// fixed point. At 1/1 they are within 1 of image/jpeg's.
//
// # The walk
//
// At 1/8 the 63 AC coefficients of a block are not needed, but only their codes
// tell where the next block begins. The decoder therefore walks over them: a
// code and its magnitude are a number of bits to skip and a number of places by
// which the zig-zag index advances. A table holds both for several symbols at
// once. Its index is the next 12 bits; an entry has the sums over all symbols
// whose codes lie in these bits, up to the end of the block. The magnitude of
// the last symbol may extend beyond the index. A camera's picture takes 6
// look-ups a block for 14 symbols. See walktable.go for the entries, and for how
// the walk detects an entry that covers too much.
//
// Codes longer than the index have a table of their own. With
// [Options].FineChroma luma is walked over, and chroma is decoded as at 1/4.
//
// At 1/4 and 1/2 the walk begins after the last coefficient of interest, number
// 4 or 24 in zig-zag order. Before that, another table finds two symbols a
// look-up, and the positions of both values in the reservoir; see pairtable.go.
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
// are the first of the next byte, right but not counted. After the next shift,
// the next refill ors the same values over them. There is no branch, and 56 to
// 63 bits are valid.
//
// A walk is a chain: an index is looked up, the entry shifts the reservoir, and
// the shifted reservoir gives the next index. No two steps of this chain
// overlap, so its length is the speed: shift, look-up, shift, about 7 cycles.
// The refill must stay out of the chain. The index is therefore taken from the
// reservoir before the refill is ored in, and the bytes are fetched during the
// look-up. For that, the 12 bits of the index must be valid before the refill.
// With two look-ups a refill, of at most m bits each, they are if
//
//	56 - 2m >= 12, so m <= 22
//
// and no entry covers more than 22 bits. A longer symbol is rare; it has no
// entry and takes the slow path, as do codes of more than 12 bits.
//
// The measured steps, for 24 megapixels at 1/8: one symbol at a time takes 35
// ms, skipping its magnitude instead of decoding it 25, several symbols a
// look-up 20, a reservoir of 64 bits 17, the refill without a branch at every
// second look-up 14, and taking the index before it 12. One experiment was
// slower: no branch at the end of a block either, with DC and AC look-ups in
// one chain and the differences decoded later. The chain grows to 10 cycles,
// which costs more than mispredicting the end of each block.
//
// The bytes lie in a buffer of 32 KiB, without the zero bytes that are stuffed
// after 0xff, at one search and one copy for each 0xff. When the buffer runs
// low, the remaining bytes move to its front and more are read, so a stream
// needs no more memory than this. Zeros for one MCU follow the last byte of a
// scan, so that loops check for the end once an MCU instead of once a bit.
//
// # Progressive pictures
//
// At 1/8 only DC scans are read. The others are skipped at the speed of a byte
// search for the next marker: 24 megapixels take 3 % of libjpeg's time. Nothing
// is read after the last DC scan. The other scales store only the coefficients
// that they keep, and one bit for each other coefficient that is not zero: a
// refinement scan has a bit for each of these, so its reader must count them.
// Whole groups of such bits are then skipped by counting. [Options].Tolerance
// leaves out scans whose bits matter little.
//
// # Limits and damage
//
// [Header.MemoryBytes] returns the memory that decoding takes, before it takes
// it. [Options] compare it with a budget, and limit pixels and scans. Every
// error carries the byte offset of the fault.
//
// A file that is damaged after its header still gives a picture, together with
// the error for the first fault. With [Options].Strict decoding stops there and
// returns the error alone. Samples before the fault are right. Samples after it
// may have any value, because the bits are often valid codes for a while and
// differences add up; the rest is gray. A progressive picture keeps the
// coefficients of earlier scans. With restart markers only the interval is
// lost: bytes that look like a marker that cannot follow a scan are skipped. A
// restart marker out of order means that one or two intervals are missing, or
// that one or two came late. A fault that looks like a restart marker costs
// three more intervals, and one that looks like the end of a scan ends it.
//
// Three kinds of damage stay undetected: damage that forms other valid codes,
// damage in skipped scans, and missing data after the last scan that matters. At
// 1/8 reading ends with the last bit of DC, which in a progressive file may be
// long before its end.
package scaledjpeg
