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
		{"not", `{"a":[{"anything-but":["x","y"]}]}`, []string{`{"a":"z"}`, `{"a":2}`, `{"a":null}`, `{"a":["x","z"]}`}, []string{`{"a":"x"}`, `{"a":"y"}`, `{}`, `{"a":["x"]}`, `{"a":[["y"]]}`, `{"a":[]}`, `{"a":{"b":"z"}}`}},
		{"not a number", `{"a":[{"anything-but":[1,2]}]}`, []string{`{"a":3}`, `{"a":"1"}`}, []string{`{"a":1}`, `{"a":2.0}`}},
		{"not a long number", `{"a":[{"anything-but":[9007199254740993]}]}`, []string{`{"a":9007199254740992}`}, []string{`{"a":9007199254740993}`}},
		{"equals a long number", `{"a":[9007199254740993]}`, []string{`{"a":9007199254740993}`}, []string{`{"a":9007199254740992}`}},
		{"equals one in nested lists", `{"a":["x"]}`, []string{`{"a":[["x"]]}`, `{"a":["y",[["x"]]]}`}, []string{`{"a":[["y"]]}`, `{"a":[{"b":"x"}]}`}},
		{"prefix in nested lists", `{"a":[{"prefix":"x"}]}`, []string{`{"a":[["xy"]]}`}, []string{`{"a":[["y"]]}`}},
		{"exists in nested lists", `{"a":[{"exists":true}]}`, []string{`{"a":[["x"]]}`, `{"a":[[],[null]]}`}, []string{`{"a":[[]]}`, `{"a":[[{"b":1}]]}`}},
		{"does not exist in nested lists", `{"a":[{"exists":false}]}`, []string{`{"a":[[]]}`, `{"a":[[{"b":1}]]}`}, []string{`{"a":[["x"]]}`, `{"a":[[],[[1]]]}`}},
		{"does not exist in any element", `{"l":{"a":[{"exists":false}]}}`, []string{`{"l":[{"b":1},{"c":2}]}`, `{"l":[1]}`}, []string{`{"l":[{"a":1},{"b":2}]}`, `{"l":[[{"b":2}],[{"a":1}]]}`}},
		{"does not exist, beside a field that does", `{"l":{"a":[{"exists":false}],"b":[2]}}`, []string{`{"l":[{"b":2}]}`}, []string{`{"l":[{"a":1},{"b":2}]}`}},
		{"is or does not exist", `{"a":["x",{"exists":false}]}`, []string{`{"a":"x"}`, `{}`}, []string{`{"a":"y"}`}},
		{"null or does not exist", `{"a":[null,{"exists":false}]}`, []string{`{"a":null}`, `{}`}, []string{`{"a":""}`}},
		{"or between fields, one of which does not exist", `{"n":{"$or":[{"a":[{"exists":false}]},{"b":["y"]}]}}`, []string{`{"n":{"c":1}}`, `{"n":{"a":1,"b":"y"}}`, `{}`}, []string{`{"n":{"a":1}}`}},
		{"or within or", `{"$or":[{"a":["x"]},{"$or":[{"b":["y"]},{"c":["z"]}]}]}`, []string{`{"a":"x"}`, `{"b":"y"}`, `{"c":"z"}`}, []string{`{"a":"y"}`}},
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
		{`{"a":[{"anything-but":{"suffix":"x"}}]}`, "a: anything-but: wants"},
		{`{"a":[{"anything-but":["x",1]}]}`, "a: anything-but: wants a list of texts or of numbers"},
		{`{"a":[{"anything-but":null}]}`, "a: anything-but: wants"},
		{`{"a":[{"anything-but":[true]}]}`, "a: anything-but: wants"},
		{`{"a":[{"prefix":{"equals-ignore-case":"x"}}]}`, "a: prefix: wants text"},
		{`{"a":[{"equals-ignore-case":["x"]}]}`, "a: equals-ignore-case: wants text"},
		{`{"a":[{"suffix":null}]}`, "a: suffix: wants text"},
		{`{"a":[{"exists":null}]}`, "a: exists: wants true or false"},
		{`{"a":[{"exists":false,"prefix":"x"}]}`, "one operator"},
		{`{"a":["x",{"Prefix":"y"}]}`, "a: Prefix: unknown operator"},
		{`{"$or":[{"a":["x"]},{"b":[{"wildcard":"*"}]}]}`, "b: wildcard: unknown operator"},
		{`{"$or":[{"a":["x"]},{}]}`, "empty object"},
		{`{"a":{"$or":[{"b":["x"]},{"c":[]}]}}`, "a.c: empty list"},
		{`{"a":[{"numeric":[">",1,">",2]}]}`, "not a range"},
		{`{"a":[{"numeric":["<",1,">",2]}]}`, "not a range"},
		{`{"a":[{"numeric":[">",2,"<",1]}]}`, "not a range"},
		{`{"a":[{"numeric":[">",1,"<",1]}]}`, "not a range"},
		{`{"a":[{"numeric":["=",1,"<",2]}]}`, "not a range"},
		{`{"a":[{"numeric":[">",0,"<",9,"<",8]}]}`, "wants a comparison or a range"},
		{`{"a":[{"numeric":["<",5000000001]}]}`, "is not within"},
		{`{"a":[{"anything-but":[]}]}`, "a: anything-but: empty list"},
		{`{"a":[{"numeric":[">"]}]}`, "a: numeric: wants a comparison"},
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
	const orFilter = `{"$or":[{"body":{"type":["order"]}},{"body":{"urgent":[true]}}]}`
	const mixedFilter = `{"$or":[{"body":{"type":["order"]}},{"body":[{"prefix":"order"}]}]}`
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
		{"or at the root, JSON", []string{orFilter}, `{"type":"order"}`, true},
		{"or at the root, the other", []string{orFilter}, `{"urgent":true}`, true},
		{"or at the root, neither", []string{orFilter}, `{"type":"user"}`, false},
		{"or at the root drops a plain body", []string{orFilter}, `order`, false},
		{"or between formats, JSON", []string{mixedFilter}, `{"type":"order"}`, true},
		{"or between formats, plain", []string{mixedFilter}, `order 5`, true},
		{"or between formats, neither", []string{mixedFilter}, `user 5`, false},
		{"or between formats, a JSON list", []string{mixedFilter}, `["order 5"]`, false},
		{"and beside or at the root", []string{`{"body":{"a":[1]},"$or":[{"body":{"b":[1]}},{"body":{"c":[1]}}]}`}, `{"a":1,"c":1}`, true},
		{"and beside or at the root, one is missing", []string{`{"body":{"a":[1]},"$or":[{"body":{"b":[1]}},{"body":{"c":[1]}}]}`}, `{"a":1}`, false},
		{"does not exist", []string{`{"body":{"a":[{"exists":false}]}}`}, `{"a":[["x"]]}`, false},
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
				p.match(v, v)
			}
		}
	})
}
