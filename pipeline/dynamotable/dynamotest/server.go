// Package dynamotest serves the part of DynamoDB that dynamotable uses, in memory:
// five actions of the JSON protocol, with the expressions that dynamotable
// writes. It is for replays and tests without an engine such as DynamoDB Local.
package dynamotest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"sluice/pipeline"
)

// Server is a DynamoDB endpoint. A write creates its table. The zero value is
// usable. It is safe for concurrent use.
type Server struct {
	mu     sync.Mutex
	tables map[string]map[pipeline.Key]item
}

// item is an item in DynamoDB JSON, by attribute.
type item map[string]json.RawMessage

// Items returns the items of a table by key, in DynamoDB JSON.
func (s *Server) Items(table string) map[pipeline.Key]map[string]json.RawMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[pipeline.Key]map[string]json.RawMessage)
	for k, it := range s.tables[table] {
		out[k] = maps.Clone(it)
	}
	return out
}

// request has the parameters of all actions.
type request struct {
	TableName                 string
	Key, Item                 item
	ConditionExpression       string
	KeyConditionExpression    string
	ExpressionAttributeNames  map[string]string
	ExpressionAttributeValues item
	ExclusiveStartKey         item
	Limit                     int
}

// apiError is an error response.
type apiError struct {
	Type    string `json:"__type"`
	Message string `json:"message"`
	Item    item   `json:"Item,omitempty"` // of a failed condition
}

func (e *apiError) Error() string { return e.Type + ": " + e.Message }

const apiVersion = "com.amazonaws.dynamodb.v20120810#"

func invalid(format string, args ...any) *apiError {
	return &apiError{Type: "com.amazon.coral.validate#ValidationException", Message: fmt.Sprintf(format, args...)}
}

// ServeHTTP handles one action.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	var in request
	var out any
	err := invalid("body")
	if bad := json.NewDecoder(http.MaxBytesReader(w, r.Body, 2<<20)).Decode(&in); bad != nil {
		err.Message = bad.Error()
	} else {
		out, err = s.do(action, in)
	}
	code := http.StatusOK
	if err != nil {
		out, code = err, http.StatusBadRequest
	}
	body, bad := json.Marshal(out)
	if bad != nil {
		http.Error(w, bad.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.Header().Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(body)), 10))
	w.WriteHeader(code)
	_, _ = w.Write(body)
}

func (s *Server) do(action string, in request) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tables == nil {
		s.tables = make(map[string]map[pipeline.Key]item)
	}
	if s.tables[in.TableName] == nil {
		s.tables[in.TableName] = make(map[pipeline.Key]item)
	}
	table := s.tables[in.TableName]
	switch action {
	case "GetItem":
		k, err := keyOf(in.Key)
		if it, ok := table[k]; ok && err == nil {
			return map[string]item{"Item": it}, nil
		}
		return struct{}{}, err
	case "PutItem":
		k, err := keyOf(in.Item)
		if err == nil {
			err = in.check(table, k)
		}
		if err == nil {
			table[k] = in.Item
		}
		return struct{}{}, err
	case "DeleteItem":
		k, err := keyOf(in.Key)
		if err == nil {
			err = in.check(table, k)
		}
		if err == nil {
			delete(table, k)
		}
		return struct{}{}, err
	case "Query":
		return in.query(table)
	case "Scan":
		return in.scan(table)
	}
	return nil, &apiError{Type: "com.amazon.coral.service#UnknownOperationException", Message: action}
}

// check evaluates the two conditions that dynamotable writes.
func (in request) check(table map[pipeline.Key]item, k pipeline.Key) *apiError {
	current, exists := table[k]
	holds := false
	switch in.ConditionExpression {
	case "":
		holds = true
	case "attribute_not_exists(" + pipeline.AttrPK + ")":
		holds = !exists
	case "#version = :version":
		have, _ := text(current[in.ExpressionAttributeNames["#version"]])
		want, ok := text(in.ExpressionAttributeValues[":version"])
		holds = exists && ok && have == want
	default:
		return invalid("condition %q", in.ConditionExpression)
	}
	if holds {
		return nil
	}
	return &apiError{Type: apiVersion + "ConditionalCheckFailedException", Message: "The conditional request failed", Item: current}
}

func (in request) query(table map[pipeline.Key]item) (any, *apiError) {
	pk, ok := text(in.ExpressionAttributeValues[":pk"])
	prefix, _ := text(in.ExpressionAttributeValues[":prefix"])
	if !ok || !strings.HasPrefix(in.KeyConditionExpression, pipeline.AttrPK+" = :pk") {
		return nil, invalid("key condition %q", in.KeyConditionExpression)
	}
	var after string
	if in.ExclusiveStartKey != nil {
		k, err := keyOf(in.ExclusiveStartKey)
		if err != nil {
			return nil, err
		}
		after = k.SK
	}
	keys := slices.SortedFunc(maps.Keys(table), func(a, b pipeline.Key) int { return cmp.Compare(a.SK, b.SK) })
	const pageBytes = 1 << 20
	out := struct {
		Items            []item
		Count            int
		LastEvaluatedKey item `json:",omitempty"`
	}{Items: []item{}}
	size := 0
	for _, k := range keys {
		if k.PK != pk || !strings.HasPrefix(k.SK, prefix) || k.SK <= after && after != "" {
			continue
		}
		if size > pageBytes || in.Limit > 0 && len(out.Items) == in.Limit {
			last := out.Items[len(out.Items)-1]
			out.LastEvaluatedKey = item{pipeline.AttrPK: last[pipeline.AttrPK], pipeline.AttrSK: last[pipeline.AttrSK]}
			break
		}
		for name, v := range table[k] {
			size += len(name) + len(v)
		}
		out.Items = append(out.Items, table[k])
	}
	out.Count = len(out.Items)
	return out, nil
}

// scan returns one item a page, so that a caller has several pages.
func (in request) scan(table map[pipeline.Key]item) (any, *apiError) {
	keys := slices.SortedFunc(maps.Keys(table), compareKeys)
	if in.ExclusiveStartKey != nil {
		after, err := keyOf(in.ExclusiveStartKey)
		if err != nil {
			return nil, err
		}
		keys = slices.DeleteFunc(keys, func(k pipeline.Key) bool { return compareKeys(k, after) <= 0 })
	}
	out := map[string]any{"Items": []item{}}
	if len(keys) > 0 {
		it := table[keys[0]]
		out["Items"] = []item{it}
		out["LastEvaluatedKey"] = item{pipeline.AttrPK: it[pipeline.AttrPK], pipeline.AttrSK: it[pipeline.AttrSK]}
	}
	return out, nil
}

func compareKeys(a, b pipeline.Key) int {
	return cmp.Or(cmp.Compare(a.PK, b.PK), cmp.Compare(a.SK, b.SK))
}

func keyOf(it item) (pipeline.Key, *apiError) {
	pk, okPK := text(it[pipeline.AttrPK])
	sk, okSK := text(it[pipeline.AttrSK])
	if !okPK || !okSK {
		return pipeline.Key{}, invalid("key: want two strings, PK and SK")
	}
	return pipeline.Key{PK: pk, SK: sk}, nil
}

// text returns the value of a string attribute.
func text(raw json.RawMessage) (string, bool) {
	var v struct{ S *string }
	if json.Unmarshal(raw, &v) != nil || v.S == nil {
		return "", false
	}
	return *v.S, true
}
