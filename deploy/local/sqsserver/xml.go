package sqsserver

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"sluice/deploy/local/sqsserver/attribute"
	"sluice/deploy/local/sqsserver/queue"
	"sluice/deploy/local/sqsserver/sqserr"
)

// xmlSpace is the XML namespace of responses.
const xmlSpace = "http://queue.amazonaws.com/doc/2012-11-05/"

// elements are the XML elements of the members of lists and objects, by their
// field in JSON.
var elements = map[string]shape{
	"Attributes":        {"Attribute", "Name", "Value"},
	"MessageAttributes": {"MessageAttribute", "Name", "Value"},
	"Tags":              {"Tag", "Key", "Value"},
	"Messages":          {field: "Message"},
	"QueueUrls":         {field: "QueueUrl"},
	"queueUrls":         {field: "QueueUrl"},
	"Failed":            {field: "BatchResultErrorEntry"},
	"Results":           {field: "ListMessageMoveTasksResultEntry"},
	"Successful":        {field: "ResultEntry"}, // behind the name of the action
	"StringListValues":  {field: "StringListValue"},
	"BinaryListValues":  {field: "BinaryListValue"},
}

// appendResponse appends the output of an action. Its elements have the names that
// the fields have in the JSON protocol.
func appendResponse(b []byte, action string, out any, id string) []byte {
	w := xmlWriter{b: append(b, xml.Header...), action: action}
	w.open(action + `Response xmlns="` + xmlSpace + `"`)
	if out != nil {
		w.open(action + "Result")
		w.fields(reflect.ValueOf(out).Elem())
		w.close(action + "Result")
	}
	w.open("ResponseMetadata")
	w.text("RequestId", id)
	w.close("ResponseMetadata")
	w.close(action + "Response")
	return w.b
}

type xmlWriter struct {
	b      []byte
	action string
}

func (w *xmlWriter) open(name string)  { w.b = append(append(append(w.b, '<'), name...), '>') }
func (w *xmlWriter) close(name string) { w.b = append(append(append(w.b, '<', '/'), name...), '>') }

func (w *xmlWriter) text(name, value string) {
	w.open(name)
	var buf bytes.Buffer
	_ = xml.EscapeText(&buf, []byte(value)) // a buffer returns no error
	w.b = append(w.b, buf.Bytes()...)
	w.close(name)
}

// fields appends the fields of a struct and of structs that it embeds.
func (w *xmlWriter) fields(v reflect.Value) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Anonymous {
			w.fields(v.Field(i))
			continue
		}
		name, rest, _ := strings.Cut(f.Tag.Get("json"), ",")
		if rest == "omitempty" && v.Field(i).IsZero() {
			continue
		}
		w.member(name, v.Field(i))
	}
}

// member appends a field. Of a list or an object it appends one element for each
// member.
func (w *xmlWriter) member(name string, v reflect.Value) {
	e := elements[name]
	if name == "Successful" {
		e.field = w.action + e.field
	}
	switch m := v.Interface().(type) {
	case []byte:
		w.text(name, base64.StdEncoding.EncodeToString(m))
	case queue.SystemAttributes:
		for _, a := range m {
			w.pair(e, a.Name, func() { w.text(e.value, a.Value) })
		}
	case map[string]string:
		for _, key := range slices.Sorted(maps.Keys(m)) {
			w.pair(e, key, func() { w.text(e.value, m[key]) })
		}
	case map[string]attribute.Value:
		for _, key := range slices.Sorted(maps.Keys(m)) {
			w.pair(e, key, func() { w.value(e.value, reflect.ValueOf(m[key])) })
		}
	default:
		if v.Kind() != reflect.Slice {
			w.value(name, v)
			return
		}
		for i := range v.Len() {
			w.value(e.field, v.Index(i))
		}
	}
}

func (w *xmlWriter) pair(e shape, key string, value func()) {
	w.open(e.field)
	w.text(e.key, key)
	value()
	w.close(e.field)
}

// value appends one element.
func (w *xmlWriter) value(name string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		w.value(name, v.Elem())
	case reflect.Struct:
		w.open(name)
		w.fields(v)
		w.close(name)
	case reflect.Int, reflect.Int64:
		w.text(name, strconv.FormatInt(v.Int(), 10))
	case reflect.Bool:
		w.text(name, strconv.FormatBool(v.Bool()))
	default:
		w.text(name, v.String())
	}
}

// appendError appends an error response.
func appendError(b []byte, e *sqserr.Error, id string) []byte {
	w := xmlWriter{b: append(b, xml.Header...)}
	w.open(`ErrorResponse xmlns="` + xmlSpace + `"`)
	w.open("Error")
	w.text("Type", fault(e))
	w.text("Code", e.Code)
	w.text("Message", e.Message)
	w.text("Detail", "")
	w.close("Error")
	w.text("RequestId", id)
	w.close("ErrorResponse")
	return w.b
}

func writeXML(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "text/xml")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone
}
