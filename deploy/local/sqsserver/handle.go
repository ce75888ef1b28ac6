package sqsserver

import (
	"encoding/base64"
	"encoding/binary"
)

// handle is a receipt handle: it names one receive of one message of one queue.
type handle struct {
	queue uint64 // config.ID
	key   key
	nonce uint64 // of the receive
}

const handleLen = 8 + 16 + 8

func (h handle) String() string {
	b := make([]byte, 0, handleLen)
	b = binary.BigEndian.AppendUint64(b, h.queue)
	b = append(b, h.key[:]...)
	b = binary.BigEndian.AppendUint64(b, h.nonce)
	return base64.StdEncoding.EncodeToString(b)
}

// parseHandle reads a handle of this queue. One of another queue, also of an earlier one with the same name, is invalid.
func (q *queue) parseHandle(s string) (handle, error) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(b) != handleLen {
		return handle{}, errHandle(s)
	}
	h := handle{binary.BigEndian.Uint64(b), key(b[8:24]), binary.BigEndian.Uint64(b[24:])}
	if h.queue != q.conf.ID {
		return handle{}, errHandle(s)
	}
	return h, nil
}
