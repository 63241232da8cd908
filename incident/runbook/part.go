package runbook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook/strict"
)

// Part is what one system has to know of the platform: a struct of its own, which
// only that system's package understands. It stands in the settings under its key,
// is frozen with a run as data, and is read there with [PartOf].
//
// What is there once in each Region stands under "regions", by the Region's name,
// never by its role: roles swap at every failover. A text or a condition of a
// runbook reaches all of it by the names of the settings: {{ .Parts.KEY.NAME }}, and
// what belongs to the Region that is left or takes over as
// {{ .Source.Parts.KEY.NAME }} and {{ .Target.Parts.KEY.NAME }}.
type Part struct {
	// Key under which it stands in the settings, below platform.
	Key string
	// Formerly is the key that it had in earlier settings; empty for none. Whoever
	// uses that one is told.
	Formerly string
	// Example is such a struct with a value in every field, for us-east-1 and
	// us-west-2: what a runbook is judged with when there is no incident. Keys are
	// its yaml tags, and its json tags are the same; a key without omitempty has to
	// be given. If the struct is a [Checker] it is asked what cannot be right.
	Example any
}

// New returns a pointer to an empty struct of the part's type.
func (p Part) New() any { return reflect.New(p.typ()).Interface() }

func (p Part) typ() reflect.Type { return reflect.TypeOf(p.Example) }

// regional is the type of what a part has in each Region; nil for a part that has
// nothing there.
func (p Part) regional() reflect.Type {
	for _, f := range strict.Fields(p.typ()) {
		if f.Key == inRegions && f.Type.Kind() == reflect.Map {
			return f.Type.Elem()
		}
	}
	return nil
}

// Freeze keeps settings of the part's type in a topology.
func (p Part) Freeze(t *Topology, settings any) error {
	data, err := json.Marshal(settings)
	if err != nil {
		return fmt.Errorf("keep the settings for %s: %w", p.Key, err)
	}
	if t.Parts == nil {
		t.Parts = map[string]json.RawMessage{}
	}
	t.Parts[p.Key] = data
	return nil
}

const inRegions = "regions"

// Where are the places in the settings, below platform, at which the part has a key.
func (p Part) Where(key string) []string {
	var out []string
	look := func(at string, typ reflect.Type) {
		if slices.ContainsFunc(strict.Fields(typ), func(f strict.Field) bool { return f.Key == key && key != inRegions }) {
			out = append(out, at)
		}
	}
	look(p.Key, p.typ())
	if typ := p.regional(); typ != nil {
		look(p.Key+"."+inRegions+".<Region>", typ)
	}
	return out
}

// Checker is a part that knows what cannot be right about it although each value
// by itself can be read.
type Checker interface{ Check(c Checks) }

// Checks are what a [Checker] is handed: a report whose paths begin at its own
// part, and the platform around it.
type Checks struct {
	*strict.Report
	Topology Topology
}

// EachRegion wants something for each Region of the platform, and for no other.
// names are those under "regions".
func (c Checks) EachRegion(names []string) {
	c.OnlyRegions(names)
	for _, name := range slices.Sorted(maps.Keys(c.Topology.Regions)) {
		if !slices.Contains(names, name) && c.Given(inRegions) {
			c.Fault(inRegions, `"regions" does not say what there is in %s`, name)
		}
	}
}

// OnlyRegions wants nothing for what is no Region of the platform.
func (c Checks) OnlyRegions(names []string) {
	known := slices.Sorted(maps.Keys(c.Topology.Regions))
	for _, name := range slices.Sorted(slices.Values(names)) {
		if !slices.Contains(known, name) && len(known) > 0 {
			c.Fault(inRegions+"."+name, "%q is none of the platform's Regions%s", name, strict.DidYouMean(name, known))
		}
	}
}

// Unique wants each Region to have a value of its own under that key.
func (c Checks) Unique(key string, values map[string]string) {
	first := map[string]string{}
	for _, region := range slices.Sorted(maps.Keys(values)) {
		v := values[region]
		if other, twice := first[v]; twice && v != "" {
			c.Fault(inRegions+"."+region+"."+key, "%q has the same value in %s and %s: each Region has its own", key, other, region)
		}
		first[v] = region
	}
}

// PartOf is what the topology has under that key, decoded into a T. A topology
// that has nothing there, or something else, needs a person: its error is an
// [incident.CallError]. What a later version added to the part is left out.
func PartOf[T any](t Topology, key string) (T, error) {
	var part T
	data, ok := t.Parts[key]
	if !ok {
		return part, &incident.CallError{
			NeedsPerson: true, Err: fmt.Errorf("this run was frozen without settings for %s", key),
			Hint: "set platform." + key + " in the settings; a run that has begun keeps those that it began with",
		}
	}
	if err := json.NewDecoder(bytes.NewReader(data)).Decode(&part); err != nil {
		return part, &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("read the frozen settings for %s: %w", key, err)}
	}
	return part, nil
}

// Parts are those of all actions, by their keys.
func (c Catalog) Parts() []Part {
	all := map[string]Part{}
	for _, a := range c {
		if a.Part != nil {
			all[a.Part.Key] = *a.Part
		}
	}
	var out []Part
	for _, key := range slices.Sorted(maps.Keys(all)) {
		out = append(out, all[key])
	}
	return out
}

// withParts makes what the systems know reachable for texts and conditions.
func (f Facts) withParts(parts []Part) (Facts, error) {
	f.Parts, f.Source.Parts, f.Target.Parts = map[string]any{}, map[string]any{}, map[string]any{}
	for _, p := range parts {
		data, ok := f.Topology.Parts[p.Key]
		if !ok {
			continue
		}
		v := p.New()
		if err := json.Unmarshal(data, v); err != nil {
			return f, fmt.Errorf("read the settings for %s: %w", p.Key, err)
		}
		whole, _ := byName(reflect.ValueOf(v)).(map[string]any)
		f.Parts[p.Key] = whole
		regions, _ := whole[inRegions].(map[string]any)
		for _, r := range []*Region{&f.Source, &f.Target} {
			if own, ok := regions[r.Name]; ok {
				r.Parts[p.Key] = own
			}
		}
	}
	return f, nil
}

// byName is a value with its structs as maps, by the names that their fields have
// in YAML.
func byName(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return byName(v.Elem())
	case reflect.Struct:
		out := map[string]any{}
		for _, f := range strict.Fields(v.Type()) {
			out[f.Key] = byName(f.Of(v))
		}
		return out
	case reflect.Map:
		out := map[string]any{}
		for k, one := range v.Seq2() {
			out[k.String()] = byName(one)
		}
		return out
	case reflect.Slice:
		out := make([]any, v.Len())
		for i := range out {
			out[i] = byName(v.Index(i))
		}
		return out
	default:
		return v.Interface()
	}
}
