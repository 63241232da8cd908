package strict

import (
	"errors"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Document is one YAML file, taken apart but not yet understood.
type Document struct {
	Name string
	// Root is the file's one value; nil when the file cannot be read as YAML.
	Root *yaml.Node
	// Lines are those of the file, for places inside a long text.
	Lines []string
}

// Parse reads a file of one document without aliases. what the file belongs to is
// said where aliases are refused: "in a runbook". With faults there is no Root.
//
// Aliases are kept out because the reader at night should see what stands there
// without looking it up elsewhere, and because an alias may contain itself or grow
// without end.
func Parse(name string, data []byte, what string) (*Document, Faults) {
	d := &Document{Name: name, Lines: strings.Split(string(data), "\n")}
	var faults Faults
	var doc yaml.Node
	if err := yaml.Load(data, &doc); err != nil {
		for _, e := range loadErrors(err) {
			at := Place{name, max(1, e.Mark.Line), max(1, e.Mark.Column)}
			faults = append(faults, at.Fault("%s", plain(e.Message)))
		}
		return d, faults
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return d, Faults{Place{name, 1, 1}.Fault("%s", empty)}
	}
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		if n.Kind == yaml.AliasNode {
			faults = append(faults, d.At(n).Fault("aliases (*%s) are not allowed %s: write the value out", n.Value, what))
			return
		}
		for _, c := range n.Content {
			walk(c)
		}
	}
	walk(doc.Content[0])
	if len(faults) == 0 {
		d.Root = doc.Content[0]
	}
	return d, faults
}

// At is the place of a node of this document.
func (d *Document) At(n *yaml.Node) Place { return Place{d.Name, n.Line, n.Column} }

const empty = "the file is empty"

// loadErrors takes the library's errors apart; each has its place.
func loadErrors(err error) []*yaml.LoadError {
	if many, ok := errors.AsType[*yaml.LoadErrors](err); ok {
		return many.Errors
	}
	if one, ok := errors.AsType[*yaml.LoadError](err); ok {
		return []*yaml.LoadError{one}
	}
	return []*yaml.LoadError{{Message: err.Error()}}
}

func plain(message string) string {
	switch {
	case strings.Contains(message, "no documents in stream"):
		return empty
	case strings.Contains(message, "found multiple"):
		return "the file has more than one document: remove the --- between them"
	}
	return "not readable as YAML: " + strings.TrimPrefix(message, "yaml: ")
}
