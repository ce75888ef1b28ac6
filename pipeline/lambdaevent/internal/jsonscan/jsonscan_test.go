package jsonscan

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// anything decodes the next value with the methods of the scanner, into the types
// that encoding/json uses for an any under UseNumber.
func anything(s *Scanner) any {
	switch c := s.Peek(); {
	case c == '{':
		m := make(map[string]any)
		for name := range s.Members() {
			m[name] = anything(s)
		}
		return m
	case c == '[':
		list := []any{}
		for range s.Elements() {
			list = append(list, anything(s))
		}
		return list
	case c == '"':
		return s.Str()
	case c == '-' || '0' <= c && c <= '9':
		return json.Number(s.Number())
	case c == 't' || c == 'f':
		s.Skip()
		return c == 't'
	default:
		s.Skip()
		return nil
	}
}

// compare decodes data with the scanner and with encoding/json.
func compare(t *testing.T, data []byte) {
	t.Helper()
	before := bytes.Clone(data)
	s := New(data)
	got := anything(s)
	s.End()

	var want any
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if valid := json.Valid(data); valid != (s.Err == nil) {
		t.Fatalf("%.200q: valid for encoding/json is %v, the scanner says %v", data, valid, s.Err)
	} else if valid {
		if err := d.Decode(&want); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%.200q:\n got %#v\nwant %#v", data, got, want)
		}
	}

	if asBytes := New(data); asBytes.Peek() == '"' {
		content := asBytes.Bytes()
		asBytes.End()
		if (asBytes.Err == nil) != (s.Err == nil) || s.Err == nil && string(content) != want {
			t.Fatalf("%.200q: read as bytes %q with %v", data, content, asBytes.Err)
		}
	}
	skipping := New(data)
	skipping.Skip()
	skipping.End()
	if (skipping.Err == nil) != (s.Err == nil) {
		t.Fatalf("%.200q: skipped with %v, read with %v", data, skipping.Err, s.Err)
	}
	if !bytes.Equal(before, data) {
		t.Fatalf("%.200q: the scanner changed its input", before)
	}
}

var texts = []string{
	``, ` `, `null`, `true`, `false`, `nul`, `nulll`, `tru`, `True`, `0`, `-0`, `01`, `-`, `1.`, `.5`, `1e`, `1e+`, `1E-7`, `12.50e3`, `9007199254740993`, `+1`, `1 2`,
	`""`, `"a"`, `"a`, `"`, `"\"`, `"\\"`, `"\`, `"\u"`, `"\u12"`, `"\u00e9"`, `"\uD83D\uDE00"`, `"\uD83D"`, `"\ud800\n"`, `"\x"`, `"\/\b\f\n\r\t\""`,
	"\"\x01\"", "\"a\nb\"", "\"12345678\x1f\"", "\"1234567\x7f\"", "\"caf\xc3\xa9 and more\"", "\"\xff\"", "\"a\xc3\"", "\"\xe2\x82\\n\"", "\"1234567\xc3\xa9\\\"1234567\"",
	"[\"\xff\",\"12345678\"]", "[\"ab\xc3\\n\",\"12345678\"]", `"12345678"`, `"1234567\"890\\"`, `"\"\"\"\"\"\"\"\"\"\"\"\""`, `"123456\\89"`,
	`[]`, `[ ]`, `[1]`, `[1,]`, `[,1]`, `[1 2]`, `[1,2`, `[`, `]`, `[}`, `[[[]]]`, `[null, true ,"x",{}]`,
	`{}`, `{ }`, `{"a":1}`, `{"a":1,}`, `{"a"}`, `{"a":}`, `{a:1}`, `{"a":1 "b":2}`, `{,}`, `{"a":1`, `{`, `}`, `{]`, `{"a":{"b":[{"c":null}]}}`, `{"a":1,"a":2}`, `{"":0}`,
	`{"\u0061":1,"b\n":2}`, "\ufeff{}", "{}\x00", "[1]\x00", "\x00",
	"\t\r\n {\t\"a\"\r:\n1 } ",
}

func TestScanAgreesWithEncodingJSON(t *testing.T) {
	t.Parallel()
	for _, text := range texts {
		compare(t, []byte(text))
	}
	for _, depth := range []int{maxNesting, maxNesting + 1} {
		compare(t, []byte(strings.Repeat("[", depth)+strings.Repeat("]", depth)))
		compare(t, []byte(strings.Repeat(`{"a":`, depth)+"1"+strings.Repeat("}", depth)))
	}
	// Every byte at every position of a word.
	for c := range 256 {
		for at := range 20 {
			b := []byte(`"` + strings.Repeat("x", 20) + `"`)
			b[1+at] = byte(c)
			compare(t, b)
			compare(t, []byte(`"\"\"`+string(b[1:])))
			compare(t, []byte(`[`+string(b[:2+at])+`","more than a word"]`))
		}
	}
}

func FuzzScan(f *testing.F) {
	for _, text := range texts {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) { compare(t, data) })
}

func TestScannerSkipsOtherTypes(t *testing.T) {
	t.Parallel()
	s := New([]byte(`{"a":{"x":[1]},"b":"two","c":3,"d":null,"e":"last"}`))
	got := map[string]any{}
	for name := range s.Members() {
		switch name {
		case "a":
			got[name] = s.Str("top", name)
		case "b":
			got[name] = s.Number("top", name)
		case "c":
			for range s.Members("top", name) {
				t.Error("got a member of a number, want none")
			}
			got[name] = nil
		default:
			got[name] = s.Str("top", name)
		}
	}
	s.End()
	if want := (map[string]any{"a": "", "b": "", "c": nil, "d": "", "e": "last"}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if err := s.Failed(); err == nil || err.Error() != "top.a is not a string" {
		t.Errorf("got %v, want the first value of the wrong type, by name", err)
	}
}

func TestAppendingToAScannedValueKeepsThePayload(t *testing.T) {
	t.Parallel()
	data := []byte(`["plain","esc\"aped","` + strings.Repeat(`\"long\n`, 10_000) + `","\tlast"]`)
	before := bytes.Clone(data)
	s := New(data)
	var got [][]byte
	for range s.Elements() {
		got = append(got, s.Bytes())
	}
	// Appending to a value must not overwrite the payload after it.
	_ = append(got[0], "!!!!"...)
	if !bytes.Equal(data, before) {
		t.Errorf("the payload became %s", data)
	}
	_ = append(got[1], "!!!!"...)
	if string(got[1]) != `esc"aped` || string(got[2]) != strings.Repeat("\"long\n", 10_000) || string(got[3]) != "\tlast" {
		t.Errorf("got %q, %.50q and %q", got[1], got[2], got[3])
	}
}
