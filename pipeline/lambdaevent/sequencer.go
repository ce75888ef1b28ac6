package lambdaevent

// CompareSequencers orders two notices of one key: -1 if a is the earlier, 0 if
// they are the same, 1 if a is the later. Sequencers of different keys say
// nothing about each other. "" is earlier than all.
//
// S3 asks for the shorter one to be padded with zeros on the right and for both
// to be compared as text. They are hexadecimal; S3's own notices write them in
// capitals and EventBridge has used both cases, so the case is not looked at.
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
