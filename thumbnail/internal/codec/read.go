package codec

import "io"

// ReadClaimed reads n bytes. The buffer grows with what has arrived, because a
// small file may claim a large chunk: beyond 64 KiB, all buffers together take
// less than four times that.
func ReadClaimed(r io.Reader, n int64) ([]byte, error) {
	const first = 64 << 10
	data := make([]byte, min(n, first))
	for have := 0; ; {
		if _, err := io.ReadFull(r, data[have:]); err != nil {
			return nil, err
		}
		if have = len(data); int64(have) == n {
			return data, nil
		}
		data = append(make([]byte, 0, min(n, 2*int64(have))), data...)
		data = data[:cap(data)]
	}
}
