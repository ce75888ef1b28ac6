package notify

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"
	"time"
	"unicode"
)

// maxTemplateBytes limits the text of a template.
const maxTemplateBytes = 64 << 10

// maxSubjectText limits a rendered subject before it is truncated. A key in the
// subject can be longer than a subject.
const maxSubjectText = 8 << 10

// maxLineBytes limits the result of the template function line.
const maxLineBytes = 1000

// templateFuncs are the functions of templates beside those of text/template.
var templateFuncs = template.FuncMap{
	"line": func(v any) (string, error) {
		if v == nil {
			return "", errors.New("uses a missing value")
		}
		return cut(oneLine(strings.ToValidUTF8(fmt.Sprint(v), "\uFFFD")), maxLineBytes), nil
	},
}

// fieldTemplate is the template of one field of a rule.
type fieldTemplate struct {
	template *template.Template
	limit    int // of the rendered text, in bytes
}

// newFieldTemplate parses text, checks its fields for events of kind, and executes
// it on sample values if they can represent all attributes.
func newFieldTemplate(kind Kind, text string, limit int) (*fieldTemplate, error) {
	if len(text) > maxTemplateBytes {
		return nil, fmt.Errorf("template: got %d bytes, want at most %d", len(text), maxTemplateBytes)
	}
	t, err := template.New("").Option("missingkey=error").Funcs(templateFuncs).Parse(text)
	if err != nil {
		return nil, plainTemplateError(err)
	}
	if len(t.Templates()) > 1 {
		return nil, errors.New("template: define and block are not available in rules")
	}
	f := &fieldTemplate{template: t, limit: limit}
	if t.Tree == nil { // only comments
		return f, nil
	}
	c := templateCheck{kind: kind, tryable: true}
	c.node(t.Root, true)
	if err := errors.Join(c.problems...); err != nil {
		return nil, err
	}
	if c.tryable {
		if _, err := f.execute(c.sample()); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// render executes the template on e. It replaces invalid UTF-8 in attributes, and
// treats null attributes as missing.
func (f *fieldTemplate) render(e Event) (string, error) {
	e.Old, e.New = withoutNulls(e.Old), withoutNulls(e.New)
	return f.execute(e)
}

func (f *fieldTemplate) execute(e Event) (string, error) {
	w := limitedText{left: f.limit}
	if err := f.template.Execute(&w, e); err != nil {
		if errors.Is(err, errTooLong) {
			return "", fmt.Errorf("rendered to more than %d bytes", f.limit)
		}
		return "", plainTemplateError(err)
	}
	text := strings.ToValidUTF8(w.text.String(), "\uFFFD")
	switch {
	case strings.Contains(text, "<no value>"):
		// text/template prints this for a missing value of index or of a map
		// within an attribute.
		return "", errors.New("uses a missing value")
	case len(text) > f.limit:
		return "", fmt.Errorf("rendered to more than %d bytes", f.limit)
	}
	return text, nil
}

func withoutNulls(image map[string]any) map[string]any {
	for _, v := range image {
		if v == nil {
			image = maps.Clone(image)
			maps.DeleteFunc(image, func(_ string, v any) bool { return v == nil })
			return image
		}
	}
	return image
}

// plainTemplateError removes the empty template name from the text of err.
func plainTemplateError(err error) error {
	return &templateError{text: strings.TrimPrefix(strings.Replace(err.Error(), `executing "" at `, "at ", 1), "template: :"), err: err}
}

type templateError struct {
	text string
	err  error
}

func (e *templateError) Error() string { return "template: line " + e.text }
func (e *templateError) Unwrap() error { return e.err }

// oneLine replaces white space, control characters and marks that change the
// direction of text by single spaces, so that an attribute cannot start a new
// header line or show as another text.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)
	}), " ")
}

// cut truncates s to limit bytes, including a final "…".
func cut(s string, limit int) string {
	const mark = "…"
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit-len(mark)], "") + mark
}

var errTooLong = errors.New("too long")

// limitedText is a string builder with a limit.
type limitedText struct {
	text strings.Builder
	left int
}

func (w *limitedText) Write(p []byte) (int, error) {
	if len(p) > w.left {
		return 0, errTooLong
	}
	w.left -= len(p)
	return w.text.Write(p)
}

// templateCheck checks a parsed template. It knows the dot only outside of with
// and range; the execution checks the rest.
type templateCheck struct {
	kind     Kind
	problems []error
	paths    [][]string // attributes read: image, name, deeper names
	tryable  bool       // sample strings can represent all attributes
}

// printers are the functions that accept any value, including a sample string.
var printers = []string{"and", "or", "not", "print", "printf", "println", "html", "js", "urlquery", "index", "line"}

func (c *templateCheck) node(n parse.Node, rootDot bool) {
	switch n := n.(type) {
	case *parse.ListNode:
		if n != nil {
			for _, child := range n.Nodes {
				c.node(child, rootDot)
			}
		}
	case *parse.ActionNode:
		c.node(n.Pipe, rootDot)
	case *parse.IfNode:
		c.branch(&n.BranchNode, rootDot, rootDot)
	case *parse.WithNode:
		c.tryable = false
		c.branch(&n.BranchNode, rootDot, false)
	case *parse.RangeNode:
		c.tryable = false
		c.branch(&n.BranchNode, rootDot, false)
	case *parse.TemplateNode:
		c.problems = append(c.problems, fmt.Errorf("template %q: the template action is not available in rules", n.Name))
	case *parse.PipeNode:
		if n != nil {
			if len(n.Decl) > 0 {
				c.tryable = false
			}
			for _, cmd := range n.Cmds {
				c.node(cmd, rootDot)
			}
		}
	case *parse.CommandNode:
		c.call(n)
		for _, arg := range n.Args {
			c.node(arg, rootDot)
		}
	case *parse.FieldNode:
		if rootDot {
			c.field(n.Ident)
		}
	case *parse.VariableNode:
		if n.Ident[0] == "$" && len(n.Ident) > 1 {
			c.field(n.Ident[1:])
		}
	case *parse.ChainNode:
		c.tryable = false
		c.node(n.Node, rootDot)
	}
}

// branch checks if, with and range. The else part has the outer dot.
func (c *templateCheck) branch(n *parse.BranchNode, outside, inside bool) {
	c.node(n.Pipe, outside)
	c.node(n.List, inside)
	c.node(n.ElseList, outside)
}

// call decides whether sample values can represent the arguments of a function.
// index on an image reads an optional attribute, or one whose name is not an
// identifier. index on an attribute depends on its type.
func (c *templateCheck) call(n *parse.CommandNode) {
	f, ok := n.Args[0].(*parse.IdentifierNode)
	if !ok {
		return
	}
	if !slices.Contains(printers, f.Ident) {
		c.tryable = false
	}
	if f.Ident != "index" {
		return
	}
	if len(n.Args) == 3 {
		image, isField := n.Args[1].(*parse.FieldNode)
		name, isText := n.Args[2].(*parse.StringNode)
		if isField && isText && len(image.Ident) == 1 {
			c.paths = append(c.paths, []string{image.Ident[0], name.Text})
			return
		}
	}
	c.tryable = false
}

// field checks a path that begins at the event.
func (c *templateCheck) field(path []string) {
	if path[0] == "Change" {
		if path = path[1:]; len(path) == 0 {
			return
		}
	}
	name := path[0]
	if !slices.Contains(eventFields, name) {
		c.problems = append(c.problems, fmt.Errorf("template: unknown field .%s, want one of .%s", name, strings.Join(eventFields, ", .")))
		return
	}
	gone := c.kind == Removed || c.kind == Expired
	switch {
	case name == "Old" && c.kind == Created:
		c.problems = append(c.problems, fmt.Errorf("template: .Old is not available when a record is %s", c.kind))
	case name == "New" && gone:
		c.problems = append(c.problems, fmt.Errorf("template: .New is not available when a record is %s: use .Old or .Item", c.kind))
	case name == "Attribute" && c.kind != AttributeRemoved:
		c.problems = append(c.problems, fmt.Errorf("template: .Attribute is only available with %q", AttributeRemoved))
	}
	if (name == "Old" || name == "New" || name == "Item") && len(path) > 1 {
		c.paths = append(c.paths, path)
	}
}

// eventFields are the names with which a path can begin.
var eventFields = func() []string {
	var names []string
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Event]()) {
		if !f.Anonymous {
			names = append(names, f.Name)
		}
	}
	return append(names, "Item")
}()

// sample returns an event of the kind whose images have a string for every
// attribute that the template reads.
func (c *templateCheck) sample() Event {
	image := map[string]any{}
	for _, path := range c.paths {
		m := image
		for i, name := range path[1:] {
			deeper, ok := m[name].(map[string]any)
			switch {
			case i < len(path)-2 && !ok:
				deeper = map[string]any{}
				m[name] = deeper
			case i == len(path)-2 && !ok:
				m[name] = "x"
			}
			m = deeper
		}
	}
	e := Event{
		Kind: c.kind, From: "x", To: "y", Attribute: "x",
		Change: Change{ID: "x", Key: "x", At: time.Unix(0, 0).UTC(), Old: image, New: image},
	}
	switch c.kind {
	case Created:
		e.Old, e.From = nil, ""
	case Removed, Expired:
		e.New, e.To = nil, ""
	}
	return e
}
