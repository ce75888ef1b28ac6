package dynamotable

import (
	"strconv"
	"strings"
)

// maxPower bounds the zeros that plainNumber writes. DynamoDB's own range ends at
// 125 and -130.
const maxPower = 200

// plainNumber writes a JSON number as DynamoDB returns it: digits and a point,
// without an exponent or zeros that change nothing. So an item's stream images
// are the same whether it went through DynamoDB or not. A number far outside
// DynamoDB's range is returned as it is.
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
	point := len(digits) - len(fraction) + power // where it stands in digits
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
