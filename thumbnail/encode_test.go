package thumbnail

import (
	"bytes"
	"testing"

	"sluice/thumbnail/internal/testpicture"
)

func TestQualityBySize(t *testing.T) {
	t.Parallel()
	notUnderRace(t)
	sizes := []Size{{Width: 64, Height: 64}, {Width: 200, Height: 200}, {Width: 1600, Height: 1600}}
	data := testpicture.EncodePNG(redLines(10)) // 2000 x 1500
	bySize, err := Make(t.Context(), bytes.NewReader(data), Options{Sizes: sizes})
	if err != nil {
		t.Fatal(err)
	}
	for i, quality := range []int{77, 80, 75} {
		fixed, err := Make(t.Context(), bytes.NewReader(data), Options{Sizes: sizes, Quality: quality})
		if err != nil {
			t.Fatal(err)
		}
		for k := range sizes {
			if same := bytes.Equal(fixed.Thumbnails[k].Data, bySize.Thumbnails[k].Data); same != (i == k) {
				t.Errorf("size %s at quality %d and by size: the same is %t", sizes[k], quality, same)
			}
		}
	}
}
