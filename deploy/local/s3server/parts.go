package s3server

// partRun is a run of parts of one size. Most uploads have two: all parts but the last, and the last.
type partRun struct {
	Count int64 `json:"count"`
	Size  int64 `json:"size"`
}

// addPart notes the next part of an object.
func (r *record) addPart(size int64) {
	if n := len(r.Parts); n > 0 && r.Parts[n-1].Size == size {
		r.Parts[n-1].Count++
		return
	}
	r.Parts = append(r.Parts, partRun{1, size})
}

// parts is the number of parts, 0 if the object was uploaded in one piece.
func (r *record) parts() int64 {
	n := int64(0)
	for _, run := range r.Parts {
		n += run.Count
	}
	return n
}

// part is the place of part number n, counted from 1 whatever numbers the upload used. An object uploaded in one piece is its own
// part 1.
func (r *record) part(n int64) (*window, error) {
	if len(r.Parts) == 0 && n == 1 {
		return &window{0, r.Size}, nil
	}
	w := window{}
	for _, run := range r.Parts {
		w.length = run.Size
		if n <= run.Count {
			w.start += (n - 1) * run.Size
			return &w, nil
		}
		n -= run.Count
		w.start += run.Count * run.Size
	}
	return nil, errInvalidPartNumber
}
