// Package strict reads the YAML that people write: runbooks, the inputs of their
// steps, settings, scenarios.
//
// [Parse] takes a file apart and a [Decoder] fills a struct from it by its yaml
// tags. It does the walking itself: the library stops at the first fault and at
// types that read themselves, cannot tell a missing key from an empty one, and
// names Go types to people who write YAML. Here all faults are found at once, each
// with its file, line and column; a key without meaning and a key that is there
// twice are faults, and a key whose tag lacks omitempty has to be given.
//
// What the four kinds of files say differently is in their [Words]. Only regular
// files of a sane size are read; see [ReadFile].
package strict

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/failoverbot/failoverbot/incident/text"
)

// Want is what a key takes.
type Want int

// What a key can take.
const (
	WantText Want = iota
	WantBool
	WantWhole
	WantNatural // a whole number that is not negative
	WantNumber
	WantDuration
	WantTime
	WantList
	WantMapping
)

// Kind of a [Problem].
type Kind int

// The kinds of problems.
const (
	Other    Kind = iota
	Unknown       // a key has no meaning where it stands
	Twice         // a key is there twice
	Lacks         // a key that is needed is not there
	Empty         // it is there and has no value
	Wants         // the value is of another kind than its key takes
	Unfilled      // it is still to be given
)

// Problem is one thing that is wrong with a node.
type Problem struct {
	Kind Kind
	// Key that it is about; empty when it is about the whole.
	Key  string
	Text string
}

// Words are how faults are said, where one kind of file differs from another.
type Words struct {
	// Wants says that n is not what key takes; typ is the type that is filled.
	Wants func(key string, want Want, typ reflect.Type, n *yaml.Node) string
	// Unknown says that a key has no meaning in a mapping that knows those; at is
	// the path of the mapping.
	Unknown func(at, key string, known []string) string
	// Lacks says that a mapping lacks a key. whose is what the mapping is called,
	// and owner points to the struct that was filled from it.
	Lacks func(whose string, owner any, key string) string
	// Empty says whether nothing is given by n where key takes a typ, and what is
	// to be said about it; nothing if that is right.
	Empty func(key string, typ reflect.Type, optional bool, n *yaml.Node) (nothing bool, say string)
	// Open says whether somebody has left a mark in place of a value that is still to be
	// given, and what is to be said about it. Nil: nobody does.
	Open func(key string, n *yaml.Node) (open bool, say string)
	// Item names the item at an index of the list that key takes. Nil: as the list.
	Item func(key string, i int) string
}

// Decoder fills structs from nodes. Its zero value lacks Words and Report.
type Decoder struct {
	Words
	// File is its name, for the places of [Text].
	File string
	// Report takes each problem as it is found.
	Report func(n *yaml.Node, p Problem)
	// Skip says that a node is known to be wrong and was reported. Nil: none is.
	Skip func(n *yaml.Node) bool
	// Part names the part of the file that a path lies in. Of one with a value that is
	// still to be given nothing is said but that: the rest may follow from it. Nil: all is
	// said.
	Part func(path string) string
	// OneSlip takes an unknown key for the nearest that is known, so that one
	// misspelling is not told as a missing key as well.
	OneSlip bool
	// Lax lets every key be left out.
	Lax bool
	// Places are the nodes of values by their path: "people[2].name"; Keys those of
	// their keys. They are filled if they are made.
	Places, Keys map[string]*yaml.Node
}

// Parts is an inlined field whose keys are decoded into what each points to.
type Parts map[string]any

// Text is a text and where it stands. Its zero value was not given.
type Text struct {
	Value string
	At    Place
	Node  *yaml.Node
}

// Texts are several of them. A single text stands for a list of one.
type Texts []Text

// Field is one key of a struct.
type Field struct {
	Key      string
	Optional bool
	Type     reflect.Type
	index    []int
	part     string // the key of [Parts] that it stands for
}

// Fields lists the keys of a struct by their yaml tags, inlined structs included.
func Fields(typ reflect.Type) []Field {
	var out []Field
	for f := range typ.Fields() {
		key, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if !f.IsExported() || key == "-" || f.Type == reflect.TypeFor[Parts]() {
			continue
		}
		if strings.Contains(options, "inline") && f.Type.Kind() == reflect.Struct {
			for _, in := range Fields(f.Type) {
				in.index = append([]int{f.Index[0]}, in.index...)
				out = append(out, in)
			}
			continue
		}
		if key == "" {
			key = strings.ToLower(f.Name)
		}
		out = append(out, Field{Key: key, Optional: strings.Contains(options, "omitempty"), Type: f.Type, index: f.Index})
	}
	return out
}

// AllOptional says whether all keys of a struct may be left out.
func AllOptional(typ reflect.Type) bool {
	for _, f := range Fields(typ) {
		if !f.Optional {
			return false
		}
	}
	return true
}

// parts are the fields that a struct has by its [Parts].
func parts(v reflect.Value) []Field {
	var out []Field
	for f, v := range v.Fields() {
		if !f.IsExported() {
			continue
		}
		if all, ok := reflect.TypeAssert[Parts](v); ok {
			for _, key := range slices.Sorted(maps.Keys(all)) {
				typ := reflect.TypeOf(all[key]).Elem()
				out = append(out, Field{Key: key, Optional: AllOptional(typ), Type: typ, index: f.Index, part: key})
			}
		}
	}
	return out
}

// Of is the field's value in a struct of the type that it was listed for.
func (f Field) Of(v reflect.Value) reflect.Value { return v.FieldByIndex(f.index) }

func (f Field) in(v reflect.Value) reflect.Value {
	v = v.FieldByIndex(f.index)
	if f.part == "" {
		return v
	}
	return v.MapIndex(reflect.ValueOf(f.part)).Elem().Elem()
}

// Decode fills what into points to from n. whose is what the whole is called in
// faults: "the file". It may be called for several nodes one after the other.
func (d *Decoder) Decode(whose string, n *yaml.Node, into any) {
	d.value("", whose, n, reflect.ValueOf(into).Elem())
}

func (d *Decoder) say(n *yaml.Node, kind Kind, key, text string) {
	d.Report(n, Problem{kind, key, text})
}

func (d *Decoder) wants(key string, want Want, n *yaml.Node, out reflect.Value) {
	d.say(n, Wants, key, d.Words.Wants(key, want, out.Type(), n))
}

func (d *Decoder) skip(n *yaml.Node) bool { return d.Skip != nil && d.Skip(n) }

func (d *Decoder) place(path string, key, value *yaml.Node) {
	if d.Places != nil {
		d.Places[path] = value
	}
	if d.Keys != nil && key != nil {
		d.Keys[path] = key
	}
}

// pairs goes through the keys of a mapping, each once.
func (d *Decoder) pairs(n *yaml.Node, see func(k, v *yaml.Node)) {
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		switch {
		case k.Kind != yaml.ScalarNode:
			d.say(k, Other, "", "a key has to be a word, not "+Describe(k))
		case seen[k.Value]:
			d.say(k, Twice, k.Value, fmt.Sprintf("key %q is there twice", k.Value))
		default:
			seen[k.Value] = true
			see(k, n.Content[i+1])
		}
	}
}

func (d *Decoder) structure(path, whose string, n *yaml.Node, out reflect.Value) {
	if n.Kind != yaml.MappingNode {
		d.wants(whose, WantMapping, n, out)
		return
	}
	known := map[string]Field{}
	var order []string
	fields := append(Fields(out.Type()), parts(out)...)
	for _, f := range fields {
		known[f.Key] = f
		order = append(order, f.Key)
	}
	given := map[string]bool{}
	d.pairs(n, func(k, v *yaml.Node) {
		f, ok := known[k.Value]
		if !ok {
			d.say(k, Unknown, k.Value, d.Words.Unknown(path, k.Value, order))
			if d.OneSlip {
				given[text.Nearest(k.Value, order)] = true
			}
			return
		}
		given[k.Value] = true
		d.place(Join(path, k.Value), k, v)
		if d.skip(v) {
			return
		}
		if nothing, say := d.Words.Empty(strconv.Quote(f.Key), f.Type, f.Optional, v); nothing {
			if say != "" {
				d.say(v, Empty, f.Key, say)
			}
			if t, ok := reflect.TypeAssert[*Text](f.in(out).Addr()); ok {
				t.Node, t.At = v, Place{d.File, v.Line, v.Column} // given, though empty
			}
			return
		}
		d.value(Join(path, k.Value), strconv.Quote(f.Key), v, f.in(out))
	})
	for _, f := range fields {
		if !d.Lax && !f.Optional && !given[f.Key] {
			d.say(n, Lacks, f.Key, d.Words.Lacks(whose, out.Addr().Interface(), f.Key))
		}
	}
}

// Unmarshaler is a type that reads itself.
type Unmarshaler interface{ UnmarshalYAML(n *yaml.Node) error }

// value reads one node. key is how the value is called in faults.
func (d *Decoder) value(path, key string, n *yaml.Node, out reflect.Value) {
	d.place(path, nil, n)
	if d.skip(n) {
		return
	}
	if d.Open != nil {
		if open, say := d.Open(key, n); open {
			d.say(n, Unfilled, key, say)
			return
		}
	}
	if out.Kind() == reflect.Pointer && out.Type() != reflect.TypeFor[*yaml.Node]() {
		out.Set(reflect.New(out.Type().Elem()))
		d.value(path, key, n, out.Elem())
		return
	}
	if d.special(key, n, out) {
		return
	}
	switch out.Kind() {
	case reflect.Struct:
		d.structure(path, key, n, out)
	case reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			d.wants(key, WantList, n, out)
			return
		}
		list := reflect.MakeSlice(out.Type(), len(n.Content), len(n.Content))
		for i, c := range n.Content {
			item := key
			if d.Item != nil {
				item = d.Item(key, i)
			}
			d.value(fmt.Sprintf("%s[%d]", path, i), item, c, list.Index(i))
		}
		out.Set(list)
	case reflect.Map:
		d.mapping(path, key, n, out)
	case reflect.Interface:
		d.anything(path, key, n, out)
	default:
		d.scalar(key, n, out)
	}
}

// special reads the types that are more than their Go kind, and says whether it
// was one.
func (d *Decoder) special(key string, n *yaml.Node, out reflect.Value) bool {
	switch to := out.Addr().Interface().(type) {
	case **yaml.Node:
		*to = n
	case *Text:
		to.Node, to.At = n, Place{d.File, n.Line, n.Column}
		d.scalar(key, n, reflect.ValueOf(&to.Value).Elem())
	case *Texts:
		d.texts(key, n, to)
	case *time.Duration:
		v, err := time.ParseDuration(n.Value)
		if n.Kind != yaml.ScalarNode || err != nil {
			d.wants(key, WantDuration, n, out)
			return true
		}
		*to = v
	case *time.Time:
		if n.Kind != yaml.ScalarNode || n.Load(to) != nil {
			d.wants(key, WantTime, n, out)
		}
	case *json.RawMessage:
		var v any
		d.anything("", key, n, reflect.ValueOf(&v).Elem())
		data, err := json.Marshal(v)
		if err != nil {
			d.own(key, n, err)
			return true
		}
		*to = data
	case Unmarshaler, encoding.TextUnmarshaler:
		if err := n.Load(to, yaml.WithKnownFields()); err != nil {
			d.own(key, n, err)
		}
	default:
		return false
	}
	return true
}

func (d *Decoder) texts(key string, n *yaml.Node, out *Texts) {
	list := n.Content
	switch {
	case n.Kind == yaml.ScalarNode && n.Tag != "!!null":
		list = []*yaml.Node{n}
	case n.Kind != yaml.SequenceNode:
		d.wants(key, WantList, n, reflect.ValueOf(out).Elem())
		return
	}
	for _, c := range list {
		var t Text
		nothing, say := d.Words.Empty(key, reflect.TypeOf(t), false, c)
		switch {
		case say != "":
			d.say(c, Empty, key, say)
		case !nothing:
			d.value("", key, c, reflect.ValueOf(&t).Elem())
		}
		if t.Value != "" {
			*out = append(*out, t)
		}
	}
}

func (d *Decoder) scalar(key string, n *yaml.Node, out reflect.Value) {
	want, ok := WantText, n.Kind == yaml.ScalarNode
	switch out.Kind() {
	case reflect.String:
		if ok = ok && n.Tag != "!!null"; ok {
			out.SetString(n.Value)
		}
	case reflect.Bool:
		var v any // a text that was filled in carries no tag
		want = WantBool
		ok = ok && n.Load(&v) == nil
		if is, isBool := v.(bool); ok && isBool {
			out.SetBool(is)
		} else {
			ok = false
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		var v int64
		want = WantWhole
		if ok = ok && number(n, &v) == nil && !out.OverflowInt(v); ok {
			out.SetInt(v)
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		var v uint64
		want = WantNatural
		if ok = ok && number(n, &v) == nil && !out.OverflowUint(v); ok {
			out.SetUint(v)
		}
	case reflect.Float32, reflect.Float64:
		var v float64
		want = WantNumber
		if ok = ok && number(n, &v) == nil && !out.OverflowFloat(v); ok {
			out.SetFloat(v)
		}
	default:
		d.say(n, Other, key, fmt.Sprintf("%s cannot be given in YAML (it is a %s)", key, out.Type()))
		return
	}
	if !ok {
		d.wants(key, want, n, out)
	}
}

// number loads a number, and only from what YAML reads as one: the library would
// also take 3.0 or "3" for a whole number.
func number(n *yaml.Node, out any) error {
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

func (d *Decoder) mapping(path, key string, n *yaml.Node, out reflect.Value) {
	if n.Kind != yaml.MappingNode || out.Type().Key().Kind() != reflect.String {
		d.wants(key, WantMapping, n, out)
		return
	}
	m := reflect.MakeMap(out.Type())
	d.pairs(n, func(k, v *yaml.Node) {
		name := reflect.New(out.Type().Key()).Elem()
		name.SetString(k.Value)
		one := reflect.New(out.Type().Elem()).Elem()
		d.place(Join(path, k.Value), k, v)
		d.value(Join(path, k.Value), strconv.Quote(k.Value), v, one)
		m.SetMapIndex(name, one)
	})
	out.Set(m)
}

// anything decodes into an interface, keeping to what JSON can hold.
func (d *Decoder) anything(path, key string, n *yaml.Node, out reflect.Value) {
	var v any
	switch n.Kind {
	case yaml.MappingNode:
		m := map[string]any{}
		d.mapping(path, key, n, reflect.ValueOf(&m).Elem())
		v = m
	case yaml.SequenceNode:
		l := make([]any, len(n.Content))
		for i, c := range n.Content {
			d.anything(path, key, c, reflect.ValueOf(&l[i]).Elem())
		}
		v = l
	default:
		if err := n.Load(&v); err != nil {
			d.own(key, n, err)
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
		d.say(n, Other, key, fmt.Sprintf("%s cannot be given in YAML (it is a %s)", key, out.Type()))
		return
	}
	out.Set(reflect.ValueOf(v))
}

// unknownField is how the library speaks of a key that a type does not have.
var unknownField = regexp.MustCompile(`^field (\S+) not found in type .*$`)

// own reports what a type's own reading found.
func (d *Decoder) own(key string, n *yaml.Node, err error) {
	for _, e := range loadErrors(err) {
		at := *n
		if e.Mark.Line > 0 {
			at.Line, at.Column = e.Mark.Line, max(1, e.Mark.Column)
		}
		d.say(&at, Other, key, key+": "+unknownField.ReplaceAllString(e.Message, `unknown key "$1"`))
	}
}

// Join is the path of a key below another.
func Join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// Describe names what stands there instead of what was wanted.
func Describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		if n.Style&yaml.FlowStyle != 0 && len(n.Content) > 0 && n.Content[0].Kind == yaml.MappingNode {
			return "a mapping (put a text with {{ }} in quotes)"
		}
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		switch n.ShortTag() {
		case "!!null":
			return "nothing"
		case "!!str":
			return fmt.Sprintf("the text %q", Short(n.Value))
		}
		return Short(n.Value)
	default: // aliases were refused before, and documents do not nest
		return "something else"
	}
}

// Short is a text that fits into a sentence.
func Short(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:37]) + "..."
	}
	return s
}
