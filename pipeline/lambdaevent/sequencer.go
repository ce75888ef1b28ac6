package lambdaevent

// CompareSequencers orders two S3 events of one key by their sequencers. It
// returns -1 if a is earlier, 0 if they are equal, 1 if a is later. Sequencers of
// different keys are not comparable. "" is earlier than any other.
//
// The S3 documentation says to pad the shorter one with zeros on the right and to
// compare them as text. They are hexadecimal. S3 writes capital letters, and
// EventBridge has used both cases, so the comparison ignores case.
func CompareSequencers(a, b string) int {
	for i := range max(len(a), len(b)) {
		switch x, y := digit(a, i), digit(b, i); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
	}
	return 0
}

func digit(s string, i int) byte {
	switch {
	case i >= len(s):
		return '0'
	case 'A' <= s[i] && s[i] <= 'Z':
		return s[i] | 0x20
	}
	return s[i]
}
