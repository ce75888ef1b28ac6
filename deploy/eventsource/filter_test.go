package eventsource

import (
	"strings"
	"testing"
)

func TestPattern(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		pattern string
		match   []string
		not     []string
	}{
		{
			"equals", `{"a":["x"]}`,
			[]string{`{"a":"x"}`, `{"a":"x","b":1}`, `{"a":["y","x"]}`},
			[]string{`{"a":"X"}`, `{"a":"xx"}`, `{}`, `{"a":null}`, `{"a":{"x":"x"}}`, `"x"`, `[]`},
		},
		{"equals a number", `{"a":[1]}`, []string{`{"a":1}`, `{"a":1.0}`, `{"a":10e-1}`}, []string{`{"a":"1"}`, `{"a":2}`}},
		{"equals a boolean", `{"a":[true]}`, []string{`{"a":true}`}, []string{`{"a":false}`, `{"a":"true"}`}},
		{"equals ignore case", `{"a":[{"equals-ignore-case":"alice"}]}`, []string{`{"a":"ALICE"}`}, []string{`{"a":"alices"}`, `{"a":1}`}},
		{"null", `{"a":[null]}`, []string{`{"a":null}`}, []string{`{}`, `{"a":""}`, `{"a":0}`}},
		{"empty", `{"a":[""]}`, []string{`{"a":""}`}, []string{`{"a":null}`, `{}`}},
		{"or", `{"a":["x",{"prefix":"y"}]}`, []string{`{"a":"x"}`, `{"a":"yes"}`}, []string{`{"a":"z"}`}},
		{"and", `{"a":["x"],"b":{"c":[1]}}`, []string{`{"a":"x","b":{"c":1}}`}, []string{`{"a":"x"}`, `{"a":"x","b":{"c":2}}`, `{"b":{"c":1}}`}},
		{"or between fields", `{"$or":[{"a":["x"]},{"b":["y"]}]}`, []string{`{"a":"x"}`, `{"b":"y"}`}, []string{`{"a":"y","b":"x"}`}},
		{"or between fields, and", `{"c":[1],"$or":[{"a":["x"]},{"b":["y"]}]}`, []string{`{"a":"x","c":1}`}, []string{`{"a":"x"}`, `{"c":1}`}},
		{"or between nested fields", `{"n":{"$or":[{"a":["x"]},{"b":["y"]}]}}`, []string{`{"n":{"b":"y"}}`}, []string{`{"b":"y"}`}},
		{"not", `{"a":[{"anything-but":["x",1]}]}`, []string{`{"a":"y"}`, `{"a":2}`, `{"a":null}`}, []string{`{"a":"x"}`, `{"a":1}`, `{}`}},
		{"not one", `{"a":[{"anything-but":"x"}]}`, []string{`{"a":"y"}`}, []string{`{"a":"x"}`}},
		{"numeric equals", `{"a":[{"numeric":["=",100]}]}`, []string{`{"a":100}`, `{"a":1e2}`}, []string{`{"a":"100"}`, `{"a":101}`}},
		{"numeric range", `{"a":[{"numeric":[">",10,"<=",20]}]}`, []string{`{"a":11}`, `{"a":20}`}, []string{`{"a":10}`, `{"a":20.5}`, `{"a":null}`}},
		{"numeric from and below", `{"a":[{"numeric":[">=",10,"<",20]}]}`, []string{`{"a":10}`, `{"a":19.9}`}, []string{`{"a":9.9}`, `{"a":20}`}},
		{"exists", `{"a":[{"exists":true}]}`, []string{`{"a":1}`, `{"a":null}`, `{"a":["x"]}`}, []string{`{}`, `{"a":{"b":1}}`, `{"a":[]}`}},
		{"does not exist", `{"a":[{"exists":false}]}`, []string{`{}`, `{"b":1}`, `{"a":[]}`, `{"a":{"b":1}}`}, []string{`{"a":1}`, `{"a":null}`}},
		{"nested does not exist", `{"a":{"b":[{"exists":false}]}}`, []string{`{}`, `{"a":1}`, `{"a":{}}`, `{"a":[]}`}, []string{`{"a":{"b":1}}`, `{"a":[{"b":1}]}`}},
		{"begins with", `{"a":[{"prefix":"us-"}]}`, []string{`{"a":"us-east-1"}`}, []string{`{"a":"eu-us-"}`, `{"a":1}`}},
		{"ends with", `{"a":[{"suffix":".png"}]}`, []string{`{"a":"x.png"}`}, []string{`{"a":"x.png.jpg"}`}},
		{
			"one element of a list as a whole", `{"l":{"a":[1],"b":[2]}}`,
			[]string{`{"l":[{"a":9},{"a":1,"b":2}]}`},
			[]string{`{"l":[{"a":1},{"b":2}]}`},
		},
		{
			"a change's image", `{"dynamodb":{"NewImage":{"status":{"S":["ready"]}}}}`,
			[]string{`{"dynamodb":{"NewImage":{"status":{"S":"ready"}}}}`},
			[]string{`{"dynamodb":{"OldImage":{"status":{"S":"ready"}}}}`, `not JSON`, `{}{}`},
		},
		{"a table's number is text", `{"n":{"N":[{"numeric":[">",1]}]}}`, nil, []string{`{"n":{"N":"5"}}`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			fs, errs := compileFilters([]string{tt.pattern})
			if errs != nil {
				t.Fatal(errs)
			}
			for _, text := range tt.match {
				if !fs.matchRecord([]byte(text)) {
					t.Errorf("%s does not match %s", text, tt.pattern)
				}
			}
			for _, text := range tt.not {
				if fs.matchRecord([]byte(text)) {
					t.Errorf("%s matches %s", text, tt.pattern)
				}
			}
		})
	}
}

func TestPatternRefused(t *testing.T) {
	t.Parallel()
	tests := []struct{ pattern, want string }{
		{``, "not JSON"},
		{`{"a":["x"]`, "not JSON"},
		{`{"a":["x"]} {}`, "more after"},
		{`["a"]`, "not an object"},
		{`{}`, "empty object"},
		{`{"a":{}}`, "a: empty object"},
		{`{"a":[]}`, "a: empty list"},
		{`{"a":"x"}`, "a: the value stands in a list"},
		{`{"a":{"b":5}}`, "a.b: the value stands in a list"},
		{`{"a":[["x"]]}`, "a: "},
		{`{"a":[{"prefix":"x","suffix":"y"}]}`, "one operator"},
		{`{"a":[{}]}`, "one operator"},
		{`{"a":[{"prefix":1}]}`, "a: prefix: wants text"},
		{`{"a":[{"exists":"yes"}]}`, "a: exists: wants true or false"},
		{`{"a":[{"wildcard":"*.png"}]}`, "a: wildcard: unknown operator"},
		{`{"a":[{"cidr":"10.0.0.0/24"}]}`, "a: cidr: unknown operator"},
		{`{"a":[{"anything-but":{"prefix":"x"}}]}`, "a: anything-but: wants"},
		{`{"a":[{"anything-but":[]}]}`, "a: anything-but: empty list"},
		{`{"a":[{"numeric":[">"]}]}`, "a: numeric: wants pairs"},
		{`{"a":[{"numeric":["!=",1]}]}`, "is not one of"},
		{`{"a":[{"numeric":["=","1"]}]}`, "is not a number"},
		{`{"$or":[{"a":["x"]}]}`, "two or more"},
		{`{"$or":["a","b"]}`, "$or[0]: not an object"},
		{`{"a":["` + strings.Repeat("x", MaxFilterBytes) + `"]}`, "at most 4096"},
	}
	for _, tt := range tests {
		_, err := compilePattern(tt.pattern)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.60s: got %v, want %q", tt.pattern, err, tt.want)
		}
	}
}

func TestBodyFilter(t *testing.T) {
	t.Parallel()
	const jsonFilter, textFilter = `{"body":{"type":["order"]}}`, `{"body":[{"prefix":"order"}]}`
	tests := []struct {
		name    string
		filters []string
		body    string
		want    bool
	}{
		{"no filter", nil, "anything", true},
		{"JSON filter, JSON body that matches", []string{jsonFilter}, `{"type":"order"}`, true},
		{"JSON filter, JSON body that does not", []string{jsonFilter}, `{"type":"user"}`, false},
		{"JSON filter drops a plain body", []string{jsonFilter}, `order 5`, false},
		{"JSON filter drops a body of a JSON scalar", []string{`{"body":{"type":[{"exists":false}]}}`}, `5`, false},
		{"text filter, plain body that matches", []string{textFilter}, `order 5`, true},
		{"text filter, plain body that does not", []string{textFilter}, `user 5`, false},
		{"text filter drops a JSON body", []string{`{"body":[{"anything-but":"x"}]}`}, `{"type":"order"}`, false},
		{"text filter drops a JSON list", []string{textFilter}, `["order 5"]`, false},
		{"one of two filters is enough", []string{textFilter, jsonFilter}, `{"type":"order"}`, true},
		{"none of two filters", []string{textFilter, jsonFilter}, `{"type":"user"}`, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			fs, errs := compileFilters(tt.filters)
			if errs != nil {
				t.Fatal(errs)
			}
			if got := fs.matchBody(tt.body); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
		})
	}
}

func FuzzPattern(f *testing.F) {
	f.Add(`{"a":[{"numeric":[">",1]}],"$or":[{"b":["x"]},{"c":[null]}]}`, `{"a":2,"b":["x",{}]}`)
	f.Fuzz(func(t *testing.T, pattern, record string) {
		if p, err := compilePattern(pattern); err == nil {
			v, err := decodeJSON([]byte(record))
			if err == nil {
				p.match(v)
			}
		}
	})
}
