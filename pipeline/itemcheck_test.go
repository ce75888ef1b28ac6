package pipeline

import (
	"errors"
	"strings"
	"testing"
)

func TestCheckKeyLimits(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		key   Key
		field string // of the *ItemError; "" means valid
	}{
		{"short", Key{"p", "s"}, ""},
		{"at both limits", Key{strings.Repeat("p", 2048), strings.Repeat("s", 1024)}, ""},
		{"limits count bytes", Key{strings.Repeat("é", 1024), strings.Repeat("é", 512)}, ""},
		{"odd characters", Key{"\x00\u2028", "\U0010ffff"}, ""},
		{"no PK", Key{"", "s"}, "PK"},
		{"no SK", Key{"p", ""}, "SK"},
		{"long PK", Key{strings.Repeat("p", 2049), "s"}, "PK"},
		{"long SK", Key{"p", strings.Repeat("s", 1025)}, "SK"},
		{"long by bytes", Key{"p", strings.Repeat("é", 513)}, "SK"},
		{"PK not UTF-8", Key{"p\xff", "s"}, "PK"},
		{"SK cut in a character", Key{"p", "\xc3"}, "SK"},
		{"surrogate", Key{"p", "\xed\xa0\x80"}, "SK"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			wantItemError(t, CheckKey(tt.key), tt.key, tt.field)
			wantItemError(t, CheckItem(Item{Key: tt.key, Data: []byte(`{}`)}), tt.key, tt.field)
		})
	}
}

func TestCheckItemLimitsTheData(t *testing.T) {
	t.Parallel()
	const digits38 = "12345678901234567890123456789012345678"
	deep := func(levels int) string {
		return `{"deep":` + strings.Repeat("[", levels-1) + "1" + strings.Repeat("]", levels-1) + "}"
	}
	for _, tt := range []struct {
		name  string
		data  string
		field string // of the *ItemError; "" means valid
	}{
		{"empty object", `{}`, ""},
		{"every kind", `{"s":"","n":0,"t":true,"f":false,"0":null,"l":[],"m":{}}`, ""},
		{"spaces around", " \n{ \"a\" : 1 }\t", ""},
		{"reserved names below the top level", `{"m":{"PK":1,"version":2},"l":[{"expires":3}]}`, ""},
		{"reserved names in other case", `{"pk":1,"Version":2}`, ""},

		{"nothing", ``, "Data"},
		{"null", `null`, "Data"},
		{"list", `[]`, "Data"},
		{"string", `"x"`, "Data"},
		{"number", `1`, "Data"},
		{"cut off", `{"a":1`, "a"},
		{"cut off in a value", `{"a":[1,2`, "a"},
		{"no value", `{"a"}`, "a"},
		{"comma at the end", `{"a":1,}`, "a"},
		{"name without quotes", `{a:1}`, "Data"},
		{"two objects", `{}{}`, "Data"},
		{"extra bracket", `{}}`, "Data"},
		{"name twice", `{"a":1,"b":2,"a":3}`, "a"},
		{"name twice, escaped", `{"a":1,"\u0061":3}`, "a"},
		{"empty name", `{"":1}`, "Data"},
		{"empty name below the top", `{"a":[{"b":{"":1}}]}`, "a"},
		{"long name", `{"` + strings.Repeat("n", 65535) + `":1}`, ""},
		{"long name below the top", `{"m":{"` + strings.Repeat("n", 65536) + `":1}}`, "m"},
		{"string not UTF-8", "{\"a\":\"\xff\"}", "Data"},
		{"reserved PK", `{"PK":"x"}`, "PK"},
		{"reserved SK", `{"a":1,"SK":"x"}`, "SK"},
		{"reserved version", `{"version":null}`, "version"},
		{"reserved expires", `{"expires":1}`, "expires"},
		{"reserved name, escaped", `{"\u0050K":1}`, "PK"},

		{"32 levels", deep(32), ""},
		{"33 levels", deep(33), "deep"},
		{"100,000 levels", deep(100_000), "deep"},

		{"38 digits", `{"n":` + digits38 + `}`, ""},
		{"leading zeros", `{"n":000` + `}`, "n"}, // invalid JSON
		{"38 digits and trailing zeros", `{"n":` + digits38 + `0000}`, ""},
		{"38 digits after leading zeros", `{"n":0.000` + digits38 + `}`, ""},
		{"38 digits negative", `{"n":-` + digits38 + `e-38}`, ""},
		{"39 digits", `{"n":` + digits38 + `9}`, "n"},
		{"39 digits with a point", `{"n":1.` + digits38 + `}`, "n"},
		{"39 digits, zeros between", `{"n":1` + strings.Repeat("0", 37) + `1}`, "n"},
		{"zero in every form", `{"n":[0,-0,0.0,0e5,0e999999999999999999999,-0.00E-7]}`, ""},
		{"largest", `{"n":9.99e125}`, ""},
		{"largest in digits", `{"n":1` + strings.Repeat("0", 125) + `}`, ""},
		{"too large", `{"n":1e126}`, "n"},
		{"too large in digits", `{"n":1` + strings.Repeat("0", 126) + `}`, "n"},
		{"too large by its mantissa", `{"n":10e125}`, "n"},
		{"large mantissa, small exponent", `{"n":1000e122}`, ""},
		{"smallest", `{"n":[1e-130,-1E-130,0.1e-129,10e-131]}`, ""},
		{"too small", `{"n":1e-131}`, "n"},
		{"too small by its mantissa", `{"n":0.1e-130}`, "n"},
		{"exponent beyond int64", `{"n":1e99999999999999999999}`, "n"},
		{"exponent below int64", `{"n":1e-99999999999999999999}`, "n"},
		{"wrong deep inside", `{"a":1,"m":{"l":[0,{"n":1e126}]}}`, "m"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			it := Item{Key: Key{"p", "s"}, Data: []byte(tt.data)}
			wantItemError(t, CheckItem(it), it.Key, tt.field)
		})
	}
}

// The size of a value is measured by the longest string that fits in the item
// with it.
func TestCheckItemCountsAsDynamoDB(t *testing.T) {
	t.Parallel()
	key := Key{"p", "s"}
	// The size of the key and of the table's own attributes.
	const own = 1 + 1 + versionBytes
	for _, tt := range []struct {
		name  string
		value string // of an attribute "v"
		bytes int
	}{
		{"empty string", `""`, 0},
		{"string", `"abc"`, 3},
		{"string by its bytes", `"é😀"`, 6},
		{"string with escapes", `"\u00e9\n\""`, 4},
		{"bool", `true`, 1},
		{"null", `null`, 1},
		{"zero", `0.00`, 1},
		{"one digit", `7`, 2},
		{"two digits", `12`, 2},
		{"38 digits", `12345678901234567890123456789012345678`, 20},
		// Measured on DynamoDB Local 3.1.0.
		{"38 digits, shifted", `1234567890123456789012345678901234567.8`, 21},
		{"three digits", `123`, 3},
		{"zeros do not count", `100`, 2},
		{"zeros that shift the pairs", `120`, 3},
		{"a fraction", `1.5`, 3},
		{"a fraction below one", `0.5`, 2},
		{"a smaller fraction", `0.05`, 2},
		{"negative", `-1`, 3},
		{"negative, four digits", `-1234`, 4},
		{"with an exponent", `1e50`, 2},
		{"empty list", `[]`, 3},
		{"empty map", `{}`, 3},
		{"list", `["ab",null,true]`, 3 + (2 + 1) + (1 + 1) + (1 + 1)},
		{"map", `{"ab":"c","d":{}}`, 3 + (2 + 1 + 1) + (1 + 3 + 1)},
		{"list of lists", `[[],[""]]`, 3 + (3 + 1) + (3 + 0 + 1 + 1)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			room := MaxItemBytes - own - len("v") - tt.bytes - len("fill")
			for _, fill := range []struct {
				bytes int
				field string
			}{{room, ""}, {room + 1, "Data"}} {
				data := `{"v":` + tt.value + `,"fill":"` + strings.Repeat("x", fill.bytes) + `"}`
				wantItemError(t, CheckItem(Item{Key: key, Data: []byte(data)}), key, fill.field)
			}
		})
	}
}

func TestCheckItemCountsTheKey(t *testing.T) {
	t.Parallel()
	data := []byte(`{"fill":"` + strings.Repeat("x", MaxItemBytes-versionBytes-len("fill")-1024-2) + `"}`)
	short := Key{"p", strings.Repeat("s", 1024)}
	long := Key{"pp", strings.Repeat("s", 1024)}
	wantItemError(t, CheckItem(Item{Key: short, Data: data}), short, "")
	if err := CheckItem(Item{Key: Key{"ppp", short.SK}, Data: data}); err == nil {
		t.Error("got no error for an item that exceeds the limit with its key")
	}
	wantItemError(t, CheckItem(Item{Key: long, Data: data}), long, "")
}

// wantItemError expects an *ItemError for key and field, or no error if field is "".
func wantItemError(t *testing.T, err error, key Key, field string) {
	t.Helper()
	if field == "" {
		if err != nil {
			t.Errorf("got error %.200v, want none", err)
		}
		return
	}
	itemErr, ok := errors.AsType[*ItemError](err)
	if !ok {
		t.Fatalf("got error %.200v, want an *ItemError", err)
	}
	if itemErr.Key != key || itemErr.Field != field {
		t.Errorf("got field %q of %.80q, want %q of %.80q", itemErr.Field, itemErr.Key, field, key)
	}
	if strings.TrimSpace(itemErr.Reason) == "" {
		t.Error("the error has no reason")
	}
}
