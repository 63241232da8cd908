package runbook

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"

	"github.com/failoverbot/failoverbot/incident/runbook/strict"
)

// templated says whether s has anything to fill in.
func templated(s string) bool { return strings.Contains(s, "{{") }

// render fills in s from the facts. Inside a step that is repeated for each
// service, repeated is true and .Service may be used.
func render(s string, f Facts, repeated bool) (string, error) {
	if !templated(s) {
		return s, nil
	}
	t, err := template.New("").Option("missingkey=error").Funcs(template.FuncMap{"join": strings.Join}).Parse(s)
	if err != nil {
		return "", errors.New(trimTemplate(err.Error()))
	}
	if err := checkFields(t, f, repeated); err != nil {
		return "", err
	}
	var out limited
	if err := t.Execute(&out, f); err != nil {
		return "", errors.New(trimTemplate(err.Error()))
	}
	return out.String(), nil
}

// limited stops a text that grows without end, such as a range over a huge number.
type limited struct{ strings.Builder }

func (l *limited) Write(p []byte) (int, error) {
	if l.Len()+len(p) > 1<<16 {
		return 0, errors.New("the text grows beyond 64 kB")
	}
	return l.Builder.Write(p)
}

// The library puts the template's own name and position first. Ours has no name,
// and the position that counts is the one in the YAML file.
var templatePrefix = regexp.MustCompile(`^template: :?(\d+:)?(\d+:)?\s*(executing "" at <([^>]*)>: )?`)

func trimTemplate(s string) string {
	rest := templatePrefix.ReplaceAllString(s, "")
	if m := templatePrefix.FindStringSubmatch(s); m != nil && m[4] != "" && !strings.Contains(rest, m[4]) {
		rest = m[4] + ": " + rest
	}
	return rest
}

// checkFields follows every field chain through the types, also in branches that
// today's facts do not take. Inside range, with and define the dot is something
// else, and execution has to tell.
func checkFields(t *template.Template, f Facts, repeated bool) error {
	var faulty error
	var walk func(n parse.Node, root bool)
	chain := func(ident []string) {
		if faulty != nil || len(ident) == 0 {
			return
		}
		if ident[0] == "Service" && !repeated {
			faulty = errors.New("{{ .Service }} is only there in a step with each: services")
			return
		}
		if at, parts := f.parts(ident); at > 0 {
			faulty = followNames("."+strings.Join(ident[:at], "."), parts, ident[at:])
			return
		}
		faulty = followFields(reflect.TypeFor[Facts](), ident)
	}
	walk = func(n parse.Node, root bool) {
		switch n := n.(type) {
		case *parse.ListNode:
			if n != nil {
				for _, c := range n.Nodes {
					walk(c, root)
				}
			}
		case *parse.ActionNode:
			walk(n.Pipe, root)
		case *parse.PipeNode:
			if n != nil {
				for _, c := range n.Cmds {
					for _, a := range c.Args {
						walk(a, root)
					}
				}
			}
		case *parse.FieldNode:
			if root {
				chain(n.Ident)
			}
		case *parse.VariableNode:
			if n.Ident[0] == "$" {
				chain(n.Ident[1:])
			}
		case *parse.IfNode:
			walk(n.Pipe, root)
			walk(n.List, root)
			walk(n.ElseList, root)
		case *parse.WithNode:
			walk(n.Pipe, root)
			walk(n.List, false)
			walk(n.ElseList, root)
		case *parse.RangeNode:
			walk(n.Pipe, root)
			walk(n.List, false)
			walk(n.ElseList, root)
		}
	}
	if t.Tree != nil {
		walk(t.Root, true)
	}
	return faulty
}

// parts is what a chain that leads to what a system knows begins at, and how many
// of its words lead there; 0 for another chain.
func (f Facts) parts(ident []string) (int, map[string]any) {
	for i, parts := range map[string]map[string]any{"Parts": f.Parts, "Source Parts": f.Source.Parts, "Target Parts": f.Target.Parts} {
		if way := strings.Fields(i); len(ident) >= len(way) && slices.Equal(ident[:len(way)], way) {
			return len(way), parts
		}
	}
	return 0, nil
}

// followNames follows a chain through what the systems know, which has the names of
// the settings.
func followNames(at string, v any, ident []string) error {
	for _, name := range ident {
		m, ok := v.(map[string]any)
		if !ok {
			return fmt.Errorf("%s has no .%s: it is a %T", at, name, v)
		}
		next, ok := m[name]
		if !ok {
			var known []string
			for _, k := range slices.Sorted(maps.Keys(m)) {
				known = append(known, at+"."+k)
			}
			return errors.New("there is no " + at + "." + name + strict.DidYouMean(at+"."+name, known))
		}
		v, at = next, at+"."+name
	}
	return nil
}

func followFields(typ reflect.Type, ident []string) error {
	at := ""
	for _, name := range ident {
		for typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		switch typ.Kind() {
		case reflect.Map:
			typ = typ.Elem() // a key that is not there is for execution to find
		case reflect.Struct:
			field, ok := typ.FieldByName(name)
			if !ok {
				if _, method := typ.MethodByName(name); method {
					return nil
				}
				var known []string
				for f := range typ.Fields() {
					known = append(known, at+"."+f.Name)
				}
				return errors.New("there is no " + at + "." + name + strict.DidYouMean(at+"."+name, known))
			}
			typ = field.Type
		default:
			return errors.New(at + " has no ." + name + ": it is a " + typ.Kind().String())
		}
		at += "." + name
	}
	return nil
}
