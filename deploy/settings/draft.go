package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/runbook/strict"
)

// Draft is a settings file as far as it is filled in.
type Draft struct {
	// Settings that are there. Nothing has been weighed, no default is filled in, and there
	// are no secrets.
	*Settings
	// Values are all that the file has, by path: a string for a single value, and for a list
	// a []any of strings and of map[string]string. What is still to be filled in is not here.
	Values map[string]any
}

// Texts are the single values.
func (d *Draft) Texts() map[string]string {
	out := map[string]string{}
	for path, v := range d.Values {
		if s, ok := v.(string); ok {
			out[path] = s
		}
	}
	return out
}

// Unfinished reads a settings file that may lack keys, and have some that are still to be
// filled in. Its error is a [strict.Faults] with what cannot be read of the rest.
func Unfinished(path string, parts []runbook.Part) (*Draft, error) {
	data, err := strict.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no settings file %s", path)
	}
	if err != nil {
		return nil, fmt.Errorf("read the settings: %w", err)
	}
	doc, faults := strict.Parse(path, data, "here")
	if doc.Root == nil {
		return nil, faults
	}
	f := file{Platform: platform{Parts: strict.Parts{}}}
	for _, p := range parts {
		f.Platform.Parts[p.Key] = p.New()
	}
	r := strict.Read(doc, strict.Decoder{Words: wordsOf(parts), OneSlip: true, Lax: true, Skip: unfilled}, "the file", &f)
	if faults := r.Faults(); len(faults) > 0 {
		return nil, faults
	}
	d := &Draft{Settings: &f.Settings, Values: map[string]any{}}
	d.Platform = f.Platform.Topology
	for region, k := range d.Kubernetes {
		if k.Kubeconfig != "" && !filepath.IsAbs(k.Kubeconfig) {
			k.Kubeconfig = filepath.Join(filepath.Dir(path), k.Kubeconfig)
			d.Kubernetes[region] = k
		}
	}
	keep(d.Values, "", doc.Root)
	return d, nil
}

// unfilled says that a value is still to be given.
func unfilled(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && strings.HasPrefix(n.Value, Open)
}

// keep puts what a node holds under its path.
func keep(values map[string]any, path string, n *yaml.Node) {
	switch {
	case unfilled(n):
	case n.Kind == yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			keep(values, strict.Join(path, n.Content[i].Value), n.Content[i+1])
		}
	case n.Kind == yaml.SequenceNode:
		list := []any{}
		for _, c := range n.Content {
			if c.Kind != yaml.MappingNode {
				list = append(list, c.Value)
				continue
			}
			item := map[string]string{}
			for i := 0; i+1 < len(c.Content); i += 2 {
				item[c.Content[i].Value] = c.Content[i+1].Value
			}
			list = append(list, item)
		}
		values[path] = list
	default:
		values[path] = n.Value
	}
}

// IsRegion says whether a name could be that of an AWS Region.
func IsRegion(name string) bool { return regionName.MatchString(name) }
