package runbook

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/failoverbot/failoverbot/incident/runbook/strict"
)

// inputs decodes the `with` of one step into its action's struct.
type inputs struct {
	action string
	// asked has the nodes that were filled in, and what was written there.
	asked map[*yaml.Node]string
	// broken has those that could not be filled in, which was said already.
	broken map[*yaml.Node]bool
	// whose is " for order-service" in a repeated step.
	whose string
	fail  func(n *yaml.Node, kind strict.Kind, text string)
}

// decode fills what into points to. The texts of n were filled in before.
func (in *inputs) decode(n *yaml.Node, into any) {
	d := strict.Decoder{
		Words: strict.Words{
			Wants: in.wants,
			Unknown: func(_, key string, known []string) string {
				if len(known) == 0 {
					return fmt.Sprintf("unknown key %q: %s takes no input", key, in.action)
				}
				return fmt.Sprintf("unknown key %q for %s%s", key, in.action, strict.DidYouMean(key, known))
			},
			Lacks: func(_ string, _ any, key string) string {
				return fmt.Sprintf("the input lacks %q, which %s needs", key, in.action)
			},
			Empty: in.empty,
		},
		Report: func(n *yaml.Node, p strict.Problem) { in.fail(n, p.Kind, p.Text) },
		Skip:   func(n *yaml.Node) bool { return in.broken[n] },
	}
	d.Decode("the input", n, into)
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
			in.fail(n, strict.Other, fmt.Sprintf("text %q: %v", strict.Short(n.Value), err))
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

// empty is so for nothing at all, and for a text that came out empty. A text
// written as "" is a value.
func (in *inputs) empty(key string, _ reflect.Type, optional bool, n *yaml.Node) (bool, string) {
	_, asked := in.asked[n]
	switch {
	case n.Kind != yaml.ScalarNode, asked && strings.TrimSpace(n.Value) != "", !asked && n.ShortTag() != "!!null":
		return false, ""
	case optional:
		return true, ""
	}
	return true, fmt.Sprintf("%s is empty%s, and %s needs it%s", key, in.whose, in.action, in.written(n))
}

func (in *inputs) written(n *yaml.Node) string {
	if s, ok := in.asked[n]; ok {
		return fmt.Sprintf(" (written %s)", strict.Short(s))
	}
	return ""
}

var wanted = map[strict.Want]string{
	strict.WantText: "text", strict.WantBool: "true or false", strict.WantWhole: "a whole number",
	strict.WantNatural: "a whole number that is not negative", strict.WantNumber: "a number",
	strict.WantDuration: "a duration like 30s or 15m", strict.WantTime: "a time like 2026-03-03T14:00:00Z",
	strict.WantList: "a list", strict.WantMapping: "a mapping",
}

func (in *inputs) wants(key string, want strict.Want, _ reflect.Type, n *yaml.Node) string {
	got := strict.Describe(n)
	if _, ok := in.asked[n]; ok {
		got = strconv.Quote(strict.Short(n.Value))
	}
	return fmt.Sprintf("%s wants %s, not %s%s", key, wanted[want], got, in.written(n))
}
