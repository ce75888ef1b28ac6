package pipeline

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"strings"
	"unicode/utf8"
)

// The limits of DynamoDB, which every Table has.
const (
	MaxItemBytes = 400 << 10
	MaxPKBytes   = 2048
	MaxSKBytes   = 1024
	maxDepth     = 32
	maxDigits    = 38
	maxNameBytes = 65535
)

// Names of the table's own attributes, which no item's data may have.
const (
	AttrPK      = "PK"
	AttrSK      = "SK"
	AttrVersion = "version"
	AttrExpires = "expires"
)

// versionBytes is the size counted for the table's own attributes: their names, a
// version token and an expiry.
const versionBytes = len(AttrPK+AttrSK+AttrVersion+AttrExpires) + 32 + 8

// CheckKey returns an *ItemError if k exceeds a limit.
func CheckKey(k Key) error {
	for _, p := range []struct {
		field, value string
		limit        int
	}{{"PK", k.PK, MaxPKBytes}, {"SK", k.SK, MaxSKBytes}} {
		switch n := len(p.value); {
		case n == 0:
			return &ItemError{k, p.field, "is empty"}
		case n > p.limit:
			return &ItemError{k, p.field, fmt.Sprintf("has %d bytes, the limit is %d", n, p.limit)}
		case !utf8.ValidString(p.value):
			return &ItemError{k, p.field, "is not valid UTF-8"}
		}
	}
	return nil
}

// CheckItem returns an *ItemError if it exceeds a limit: the length of the key,
// data that is a JSON object, names of 1 to 65,535 bytes at every level, 32
// levels of nesting, 38 digits in a number, and 400 KB as DynamoDB counts them.
func CheckItem(it Item) error {
	if err := CheckKey(it.Key); err != nil {
		return err
	}
	if !utf8.Valid(it.Data) {
		return &ItemError{it.Key, "Data", "is not valid UTF-8"}
	}
	c := itemChecker{key: it.Key, dec: json.NewDecoder(bytes.NewReader(it.Data))}
	c.dec.UseNumber()
	size, err := c.object()
	if err != nil {
		return err
	}
	if size += len(it.Key.PK) + len(it.Key.SK) + versionBytes; size > MaxItemBytes {
		return &ItemError{it.Key, "Data", fmt.Sprintf("makes an item of %d bytes, the limit is %d", size, MaxItemBytes)}
	}
	return nil
}

// itemChecker reads the tokens of an item's data and adds up their sizes in
// DynamoDB: UTF-8 bytes for names and strings, one byte for each two digits of a
// number plus one, plus another if it is negative, and 3 bytes for a list or map
// plus one for each element.
type itemChecker struct {
	key   Key
	dec   *json.Decoder
	field string
}

func (c *itemChecker) errorf(format string, args ...any) error {
	field := c.field
	if field == "" {
		field = "Data"
	}
	return &ItemError{c.key, field, fmt.Sprintf(format, args...)}
}

func (c *itemChecker) object() (int, error) {
	tok, err := c.dec.Token()
	if err != nil {
		return 0, c.errorf("is not JSON: %v", err)
	}
	if tok != json.Delim('{') {
		return 0, c.errorf("is not a JSON object")
	}
	seen := make(map[string]bool)
	size := 0
	for c.dec.More() {
		name, err := c.dec.Token()
		if err != nil {
			return 0, c.errorf("is not JSON: %v", err)
		}
		c.field = name.(string)
		switch {
		case seen[c.field]:
			return 0, c.errorf("appears twice")
		case c.field == AttrPK || c.field == AttrSK || c.field == AttrVersion || c.field == AttrExpires:
			return 0, c.errorf("is reserved for the table")
		}
		if err := c.name(c.field); err != nil {
			return 0, err
		}
		seen[c.field] = true
		n, err := c.value(1)
		if err != nil {
			return 0, err
		}
		size += len(c.field) + n
	}
	if _, err := c.dec.Token(); err != nil {
		return 0, c.errorf("is not JSON: %v", err)
	}
	c.field = ""
	if _, err := c.dec.Token(); err != io.EOF {
		return 0, c.errorf("has bytes after its JSON object")
	}
	return size, nil
}

func (c *itemChecker) name(name string) error {
	switch n := len(name); {
	case n == 0:
		return c.errorf("has an empty name")
	case n > maxNameBytes:
		return c.errorf("has a name of %d bytes, the limit is %d", n, maxNameBytes)
	}
	return nil
}

func (c *itemChecker) value(depth int) (int, error) {
	if depth > maxDepth {
		return 0, c.errorf("is nested deeper than %d levels", maxDepth)
	}
	tok, err := c.dec.Token()
	if err != nil {
		return 0, c.errorf("is not JSON: %v", err)
	}
	switch v := tok.(type) {
	case string:
		return len(v), nil
	case json.Number:
		return c.number(v)
	case json.Delim:
		size := 3
		for c.dec.More() {
			if v == '{' {
				name, err := c.dec.Token()
				if err != nil {
					return 0, c.errorf("is not JSON: %v", err)
				}
				if err := c.name(name.(string)); err != nil {
					return 0, err
				}
				size += len(name.(string))
			}
			n, err := c.value(depth + 1)
			if err != nil {
				return 0, err
			}
			size += n + 1
		}
		if _, err := c.dec.Token(); err != nil {
			return 0, c.errorf("is not JSON: %v", err)
		}
		return size, nil
	default: // bool, nil
		return 1, nil
	}
}

// number checks DynamoDB's range: 38 significant digits, 1E-130 to 9.99E+125.
func (c *itemChecker) number(n json.Number) (int, error) {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(n.String()), "e")
	whole, fraction, _ := strings.Cut(strings.TrimPrefix(mantissa, "-"), ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	significant := strings.TrimRight(digits, "0")
	if significant == "" {
		return 1, nil
	}
	if len(significant) > maxDigits {
		return 0, c.errorf("is a number of %d digits, the limit is %d", len(significant), maxDigits)
	}
	e := new(big.Int)
	if exponent != "" {
		e.SetString(strings.TrimPrefix(exponent, "+"), 10)
	}
	// The power of ten of the leading digit.
	e.Add(e, big.NewInt(int64(len(digits)-len(fraction)-1)))
	if e.Cmp(big.NewInt(125)) > 0 || e.Cmp(big.NewInt(-130)) < 0 {
		return 0, c.errorf("is a number outside 1e-130 to 9.99e+125")
	}
	return numberBytes(int(e.Int64()), len(significant), strings.HasPrefix(mantissa, "-")), nil
}

// numberBytes returns the size of a number whose n significant digits begin at
// 10^e. DynamoDB stores two digits in a byte, paired from the decimal point, so
// 12 takes one byte and 1.2 takes two.
func numberBytes(e, n int, negative bool) int {
	first, last := e>>1, (e-n+1)>>1 // halves, rounded down
	size := first - last + 1 + 1
	if negative {
		size++
	}
	return size
}
