package vp8

import "testing"

func TestLevelTablesMeetTheEnds(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ video, luma, chroma uint8 }{
		{0, 0, 0}, {16, 0, 0}, {128, 130, 128}, {235, 255, 250}, {240, 255, 255}, {255, 255, 255},
	} {
		if LumaLevels[tt.video] != tt.luma || ChromaLevels[tt.video] != tt.chroma {
			t.Errorf("%d: got luma %d, chroma %d, want %d, %d", tt.video, LumaLevels[tt.video], ChromaLevels[tt.video], tt.luma, tt.chroma)
		}
	}
}
