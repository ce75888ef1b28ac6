package vp8l

import (
	"bytes"
	"testing"

	"sluice/thumbnail/internal/testpicture"
)

// Data that the look-ahead cannot read counts as the worst case, because a
// flipped bit may stop the look-ahead but not the decoder.
func FuzzReadGroups(f *testing.F) {
	f.Add(testpicture.OneGroup(20, 20)[5:], 20, 20)
	f.Add(testpicture.ManyGroups(20, 20, 7, 11)[25:], 20, 20)
	f.Fuzz(func(t *testing.T, data []byte, w, h int) {
		if w < 1 || h < 1 || w > 1<<14 || h > 1<<14 {
			return
		}
		g, taken := ReadGroups(bytes.NewReader(data), w, h)
		if g.count < 1 || g.count > maxTiles || g.cacheBits > 11 || !bytes.HasPrefix(data, taken) {
			t.Fatalf("got %+v after %d bytes", g, len(taken))
		}
	})
}
