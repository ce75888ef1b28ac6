package queue

import (
	"encoding/base64"
	"encoding/binary"

	"sluice/deploy/local/sqsserver/sqserr"
)

// handle is a receipt handle: it names one receive of one message of one queue.
type handle struct {
	queue uint64 // the queue's Settings.ID
	key   key
	nonce uint64 // of the receive
}

const handleLen = 8 + 16 + 8

// String returns the form that clients receive.
func (h handle) String() string {
	b := make([]byte, 0, handleLen)
	b = binary.BigEndian.AppendUint64(b, h.queue)
	b = append(b, h.key[:]...)
	b = binary.BigEndian.AppendUint64(b, h.nonce)
	return base64.StdEncoding.EncodeToString(b)
}

// parseHandle parses a handle of this queue. A handle of another queue, or of a
// deleted queue with the same name, is invalid.
func (q *queue) parseHandle(s string) (handle, error) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(b) != handleLen {
		return handle{}, sqserr.ReceiptHandleIsInvalid(s)
	}
	h := handle{binary.BigEndian.Uint64(b), key(b[8:24]), binary.BigEndian.Uint64(b[24:])}
	if h.queue != q.conf.ID {
		return handle{}, sqserr.ReceiptHandleIsInvalid(s)
	}
	return h, nil
}
