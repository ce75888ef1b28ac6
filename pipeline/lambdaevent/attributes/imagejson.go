package attributes

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"sluice/pipeline/lambdaevent"
	"sluice/pipeline/lambdaevent/internal/jsonscan"
	"sluice/pipeline/lambdaevent/streamchange"
)

// ImageJSON encodes an item as DynamoDB JSON, the form of stream events. The
// attributes are sorted by name, so equal items have equal encodings.
// streamchange.DecodeImage decodes it without loss. A nil image is encoded as
// null. The error is a *lambdaevent.EventError with the path of the attribute.
func ImageJSON(image map[string]types.AttributeValue) ([]byte, error) {
	if image == nil {
		return []byte("null"), nil
	}
	var e imageEncoder
	e.attributes(image, 0)
	if e.err != nil {
		return nil, e.err
	}
	return e.out.Bytes(), nil
}

type imageEncoder struct {
	out  bytes.Buffer
	path []string
	err  *lambdaevent.EventError
}

func (e *imageEncoder) problem(reason string) {
	if e.err == nil {
		e.err = &lambdaevent.EventError{Form: "image", Field: jsonscan.Path(e.path), Reason: reason}
	}
}

func (e *imageEncoder) attributes(m map[string]types.AttributeValue, depth int) {
	e.out.WriteByte('{')
	for i, name := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			e.out.WriteByte(',')
		}
		e.path = append(e.path, name)
		e.text(name)
		e.out.WriteByte(':')
		e.attribute(m[name], depth)
		e.path = e.path[:len(e.path)-1]
	}
	e.out.WriteByte('}')
}

func (e *imageEncoder) attribute(v types.AttributeValue, depth int) {
	if depth > streamchange.MaxDepth {
		e.problem(fmt.Sprintf("is nested deeper than %d levels", streamchange.MaxDepth))
	}
	if e.err != nil {
		return
	}
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		e.member("S", func() { e.text(v.Value) })
	case *types.AttributeValueMemberN:
		e.member("N", func() { e.digits(v.Value) })
	case *types.AttributeValueMemberB:
		e.member("B", func() { e.binary(v.Value) })
	case *types.AttributeValueMemberBOOL:
		e.member("BOOL", func() { e.out.WriteString(strconv.FormatBool(v.Value)) })
	case *types.AttributeValueMemberNULL:
		e.member("NULL", func() { e.out.WriteString(strconv.FormatBool(v.Value)) })
	case *types.AttributeValueMemberSS:
		e.member("SS", func() { encodeList(e, v.Value, e.text) })
	case *types.AttributeValueMemberNS:
		e.member("NS", func() { encodeList(e, v.Value, e.digits) })
	case *types.AttributeValueMemberBS:
		e.member("BS", func() { encodeList(e, v.Value, e.binary) })
	case *types.AttributeValueMemberL:
		e.member("L", func() {
			encodeList(e, v.Value, func(v types.AttributeValue) { e.attribute(v, depth+1) })
		})
	case *types.AttributeValueMemberM:
		e.member("M", func() { e.attributes(v.Value, depth+1) })
	default:
		e.problem(fmt.Sprintf("has the unknown type %T", v))
	}
}

func (e *imageEncoder) member(typ string, value func()) {
	e.out.WriteString(`{"` + typ + `":`)
	value()
	e.out.WriteByte('}')
}

func encodeList[T any](e *imageEncoder, all []T, element func(T)) {
	e.out.WriteByte('[')
	for i, v := range all {
		if i > 0 {
			e.out.WriteByte(',')
		}
		e.path = append(e.path, "["+strconv.Itoa(i)+"]")
		element(v)
		e.path = e.path[:len(e.path)-1]
	}
	e.out.WriteByte(']')
}

func (e *imageEncoder) text(s string) {
	if !utf8.ValidString(s) {
		e.problem("is not UTF-8")
		return
	}
	text, err := json.Marshal(s)
	if err != nil {
		e.problem(err.Error())
	}
	e.out.Write(text)
}

func (e *imageEncoder) digits(n string) {
	if !jsonscan.IsNumber(n) {
		e.problem(fmt.Sprintf("is %q, want a number", n))
	}
	e.out.WriteString(`"` + n + `"`)
}

func (e *imageEncoder) binary(b []byte) {
	e.out.WriteString(`"` + base64.StdEncoding.EncodeToString(b) + `"`)
}
