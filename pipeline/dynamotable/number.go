package dynamotable

import (
	"strconv"
	"strings"
)

// maxPower limits the zeros that plainNumber writes. The range of DynamoDB ends at
// 125 and -130.
const maxPower = 200

// plainNumber returns a JSON number as DynamoDB does: digits and a point, without
// an exponent or redundant zeros. The stream images of the local stack are
// therefore equal to those of DynamoDB. A number far outside the range of
// DynamoDB is returned unchanged.
func plainNumber(n string) string {
	unsigned, negative := strings.CutPrefix(n, "-")
	mantissa, power := unsigned, 0
	if at := strings.IndexAny(unsigned, "eE"); at >= 0 {
		var err error
		if power, err = strconv.Atoi(unsigned[at+1:]); err != nil || power > maxPower || power < -maxPower {
			return n
		}
		mantissa = unsigned[:at]
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	point := len(digits) - len(fraction) + power // its position in digits
	digits = strings.TrimRight(digits, "0")
	switch {
	case digits == "":
		return "0"
	case point <= 0:
		digits = "0." + strings.Repeat("0", -point) + digits
	case point >= len(digits):
		digits += strings.Repeat("0", point-len(digits))
	default:
		digits = digits[:point] + "." + digits[point:]
	}
	if negative {
		return "-" + digits
	}
	return digits
}
