package runbook

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// inputs decodes the `with` of one step into its action's struct. It does the
// walking itself: the library stops at a type with its own UnmarshalYAML, cannot
// tell a missing key from an empty one, and names Go types to people who write
// YAML. All faults are found at once.
type inputs struct {
	action string
	// asked has the nodes that were filled in, and what was written there.
	asked map[*yaml.Node]string
	// broken has those that could not be filled in, which was said already.
	broken map[*yaml.Node]bool
	// whose is " for order-service" in a repeated step.
	whose string
	fail  func(n *yaml.Node, format string, args ...any)
}

// fill copies the tree of an input with its texts filled in. A scalar that had
// something to fill in is read again as a plain one, so that "{{ .Service.Replicas }}"
// is a number.
func (in *inputs) fill(n *yaml.Node, f Facts, repeated bool) *yaml.Node {
	c := *n
	if n.Kind == yaml.ScalarNode {
		if !templated(n.Value) {
			return &c
		}
		out, err := render(n.Value, f, repeated)
		filled := &yaml.Node{Kind: yaml.ScalarNode, Value: out, Line: n.Line, Column: n.Column}
		in.asked[filled] = n.Value
		if err != nil {
			in.fail(n, "text %q: %v", short(n.Value), err)
			in.broken[filled] = true
		}
		return filled
	}
	c.Content = slices.Clone(n.Content)
	for i := range c.Content {
		if n.Kind == yaml.SequenceNode || i%2 == 1 {
			c.Content[i] = in.fill(n.Content[i], f, repeated)
		}
	}
	return &c
}

type input struct {
	key      string
	optional bool
	index    []int
	typ      reflect.Type
}

// inputsOf lists the keys of a struct by their yaml tags, inlined structs included.
func inputsOf(typ reflect.Type) []input {
	var out []input
	for f := range typ.Fields() {
		if !f.IsExported() {
			continue
		}
		key, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if key == "-" {
			continue
		}
		if strings.Contains(options, "inline") && f.Type.Kind() == reflect.Struct {
			for _, in := range inputsOf(f.Type) {
				in.index = append([]int{f.Index[0]}, in.index...)
				out = append(out, in)
			}
			continue
		}
		if key == "" {
			key = strings.ToLower(f.Name)
		}
		out = append(out, input{key, strings.Contains(options, "omitempty"), f.Index, f.Type})
	}
	return out
}

// structOf is the struct type behind an action's With, or nil for one without.
func structOf(with any) reflect.Type {
	typ := reflect.TypeOf(with)
	for typ != nil && typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	if typ == nil || typ.Kind() != reflect.Struct {
		return nil
	}
	return typ
}

func (in *inputs) structure(n *yaml.Node, out reflect.Value) {
	if n.Kind != yaml.MappingNode {
		in.fail(n, "wants a mapping of keys to values, not %s", describe(n))
		return
	}
	known := map[string]input{}
	var names []string
	for _, i := range inputsOf(out.Type()) {
		known[i.key] = i
		names = append(names, i.key)
	}
	seen := map[string]bool{}
	for k := 0; k+1 < len(n.Content); k += 2 {
		key, value := n.Content[k], n.Content[k+1]
		field, ok := known[key.Value]
		switch {
		case !ok && len(names) == 0:
			in.fail(key, "unknown key %q: %s takes no input", key.Value, in.action)
			continue
		case !ok:
			in.fail(key, "unknown key %q for %s%s", key.Value, in.action, meant(key.Value, names))
			continue
		case seen[key.Value]:
			in.fail(key, "key %q is there twice", key.Value)
			continue
		}
		seen[key.Value] = true
		if in.broken[value] {
			continue
		}
		if in.empty(value) {
			if !field.optional {
				in.fail(value, "%q is empty%s, and %s needs it%s", field.key, in.whose, in.action, in.written(value))
			}
			continue
		}
		in.value(field.key, value, out.FieldByIndex(field.index))
	}
	for _, i := range inputsOf(out.Type()) {
		if !i.optional && !seen[i.key] {
			in.fail(n, "the input lacks %q, which %s needs", i.key, in.action)
		}
	}
}

// empty is so for nothing at all, and for a text that came out empty. A text
// written as "" is a value.
func (in *inputs) empty(n *yaml.Node) bool {
	if n.Kind != yaml.ScalarNode {
		return false
	}
	if _, asked := in.asked[n]; asked {
		return strings.TrimSpace(n.Value) == ""
	}
	return n.ShortTag() == "!!null"
}

func (in *inputs) written(n *yaml.Node) string {
	if s, ok := in.asked[n]; ok {
		return fmt.Sprintf(" (written %s)", short(s))
	}
	return ""
}

func (in *inputs) wants(key string, n *yaml.Node, what string) {
	got := describe(n)
	if _, ok := in.asked[n]; ok {
		got = strconv.Quote(short(n.Value))
	}
	in.fail(n, "%q wants %s, not %s%s", key, what, got, in.written(n))
}

type unmarshaler interface{ UnmarshalYAML(n *yaml.Node) error }

func (in *inputs) value(key string, n *yaml.Node, out reflect.Value) {
	if in.broken[n] {
		return
	}
	if out.Kind() == reflect.Pointer {
		out.Set(reflect.New(out.Type().Elem()))
		in.value(key, n, out.Elem())
		return
	}
	if out.CanAddr() {
		switch out.Addr().Interface().(type) {
		case *json.RawMessage:
			in.raw(key, n, out)
			return
		case unmarshaler, encoding.TextUnmarshaler:
			if err := n.Load(out.Addr().Interface(), yaml.WithKnownFields()); err != nil {
				in.own(key, n, err)
			}
			return
		}
	}
	if out.Type() == reflect.TypeFor[time.Duration]() {
		d, err := duration(n)
		if err != nil {
			in.wants(key, n, "a duration like 30s or 15m")
			return
		}
		out.SetInt(int64(d))
		return
	}
	scalar := n.Kind == yaml.ScalarNode
	switch out.Kind() {
	case reflect.Struct:
		if n.Kind != yaml.MappingNode {
			in.wants(key, n, "a mapping")
			return
		}
		in.structure(n, out)
	case reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			in.wants(key, n, "a list")
			return
		}
		out.Set(reflect.MakeSlice(out.Type(), len(n.Content), len(n.Content)))
		for i, c := range n.Content {
			in.value(key, c, out.Index(i))
		}
	case reflect.Map:
		in.mapping(key, n, out)
	case reflect.String:
		if !scalar || n.Tag == "!!null" {
			in.wants(key, n, "text")
			return
		}
		out.SetString(n.Value)
	case reflect.Bool:
		var v bool
		if !scalar || n.Load(&v) != nil || n.Value == "" {
			in.wants(key, n, "true or false")
			return
		}
		out.SetBool(v)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		var v int64
		if !scalar || plainly(n, &v) != nil || out.OverflowInt(v) {
			in.wants(key, n, "a whole number")
			return
		}
		out.SetInt(v)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		var v uint64
		if !scalar || plainly(n, &v) != nil || out.OverflowUint(v) {
			in.wants(key, n, "a whole number that is not negative")
			return
		}
		out.SetUint(v)
	case reflect.Float32, reflect.Float64:
		var v float64
		if !scalar || plainly(n, &v) != nil || out.OverflowFloat(v) {
			in.wants(key, n, "a number")
			return
		}
		out.SetFloat(v)
	case reflect.Interface:
		in.anything(key, n, out)
	default:
		in.fail(n, "%q cannot be given in YAML (it is a %s)", key, out.Type())
	}
}

// plainly loads a number, and only from what YAML reads as one: the library
// would also take 3.0 or "3" for a whole number.
func plainly(n *yaml.Node, out any) error {
	var v any
	if err := n.Load(&v); err != nil {
		return fmt.Errorf("read a number: %w", err)
	}
	switch v.(type) {
	case int, int64, uint64:
	case float64:
		if _, ok := out.(*float64); !ok {
			return errors.New("not a whole number")
		}
	default:
		return errors.New("not a number")
	}
	return n.Load(out)
}

func duration(n *yaml.Node) (time.Duration, error) {
	if n.Kind != yaml.ScalarNode {
		return 0, errors.New("not a duration")
	}
	return time.ParseDuration(n.Value)
}

func (in *inputs) mapping(key string, n *yaml.Node, out reflect.Value) {
	if n.Kind != yaml.MappingNode || out.Type().Key().Kind() != reflect.String {
		in.wants(key, n, "a mapping")
		return
	}
	out.Set(reflect.MakeMap(out.Type()))
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		name := reflect.New(out.Type().Key()).Elem()
		name.SetString(k.Value)
		if k.Kind != yaml.ScalarNode || out.MapIndex(name).IsValid() {
			in.fail(k, "key %q of %q is there twice, or is no word", k.Value, key)
			continue
		}
		one := reflect.New(out.Type().Elem()).Elem()
		in.value(k.Value, v, one)
		out.SetMapIndex(name, one)
	}
}

// anything decodes into an interface, keeping to what JSON can hold.
func (in *inputs) anything(key string, n *yaml.Node, out reflect.Value) {
	var v any
	switch n.Kind {
	case yaml.MappingNode:
		m := map[string]any{}
		in.mapping(key, n, reflect.ValueOf(&m).Elem())
		v = m
	case yaml.SequenceNode:
		l := make([]any, len(n.Content))
		for i, c := range n.Content {
			in.anything(key, c, reflect.ValueOf(&l[i]).Elem())
		}
		v = l
	default:
		if err := n.Load(&v); err != nil {
			in.own(key, n, err)
			return
		}
		if _, date := v.(time.Time); date {
			v = n.Value
		}
	}
	if v == nil {
		return
	}
	if !reflect.TypeOf(v).AssignableTo(out.Type()) {
		in.fail(n, "%q cannot be given in YAML (it is a %s)", key, out.Type())
		return
	}
	out.Set(reflect.ValueOf(v))
}

func (in *inputs) raw(key string, n *yaml.Node, out reflect.Value) {
	var v any
	in.anything(key, n, reflect.ValueOf(&v).Elem())
	data, err := json.Marshal(v)
	if err != nil {
		in.own(key, n, err)
		return
	}
	out.SetBytes(data)
}

// unknownField is how the library speaks of a key that a type does not have.
var unknownField = regexp.MustCompile(`^field (\S+) not found in type .*$`)

// own reports what a type's own reading found.
func (in *inputs) own(key string, n *yaml.Node, err error) {
	for _, e := range loadErrors(err) {
		at := *n
		if e.Mark.Line > 0 {
			at.Line, at.Column = e.Mark.Line, max(1, e.Mark.Column)
		}
		in.fail(&at, "%q: %s", key, unknownField.ReplaceAllString(e.Message, `unknown key "$1"`))
	}
}
