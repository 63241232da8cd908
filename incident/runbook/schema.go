package runbook

import (
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/failoverbot/failoverbot/incident/runbook/strict"
)

// Schema is the JSON Schema of the runbook's files, for editors that complete and
// check while one types: of the file that lists the sections, and of a section
// with its steps. What it lets through may still be refused by [Source.Lint],
// which knows conditions, texts and the order of steps.
func Schema(cat Catalog) ([]byte, error) {
	ids := slices.Sorted(maps.Keys(cat))
	actions := make([]any, len(ids))
	var inputs []*jsonschema.Schema
	for n, id := range ids {
		actions[n] = id
		inputs = append(inputs, schemaOfUse(id, cat[id]))
	}
	step := object([]string{"id", "title", "runbook", "uses"}, map[string]*jsonschema.Schema{
		"id":          named("Unique in the runbook; needs and covers refer to it."),
		"title":       sentence("What the step does, for people. May be filled in: {{ .Target.Name }}."),
		"runbook":     sentence("The section of the source document that the step carries out."),
		"uses":        {Description: "The action that carries the step out.", Enum: actions},
		"with":        {Type: "object", Description: "The action's input."},
		"when":        sentence(`A condition in CEL over the run's facts: mode == "unplanned".`),
		"each":        {Description: "Repeats the step.", Enum: []any{"services"}},
		"where":       sentence("A condition in CEL that chooses among the services: service.writes."),
		"needs":       oneOrMany("Ids of steps that have to be finished first; a repeated step's id means all its copies."),
		"needs_of":    sentence("A condition in CEL: of the copies of a repeated step that it needs, only those of these services: service.needed."),
		"gate":        {Description: "Whether a failure stops the branch (required, the default) or is only shown (advice).", Enum: []any{string(Required), string(Advice)}},
		"advice_when": sentence(`A condition in CEL over the run's facts: where it holds a failure is only shown, elsewhere it stops the branch: mode == "unplanned".`),
		"timeout":     durationText("How long the step may take."),
		"usually":     durationText("How long the step takes when all goes well; the plan's estimate is made from these."),
		"rerun":       oneOrMany("Ids of steps that are carried out again when a person retries this one; they only read."),
		"without":     sentence("What it comes to when somebody goes on without the step: read by whoever overrides it, and by whoever approves after. May be filled in."),
		"locked":      {Type: "boolean", Description: "The step can be retried, never skipped."},
		"closing":     {Type: "boolean", Description: "The step is carried out when the incident is resolved."},
		"turned":      {Type: "boolean", Description: "The step looks at source and target as if they were exchanged: a check, a wait or a change."},
		"awaits":      oneOrMany("Of a wait: the step whose change it waits for, of several the one that takes part. If that will not come about, it can be asked for again."),
		"each_of":     named("The check that finds, while the run is under way, the list of what this step is carried out for."),
		"asks": object([]string{"role"}, map[string]*jsonschema.Schema{
			"role":    {Description: "Who may answer.", Enum: anys(roles)},
			"count":   people("How many different people have to answer."),
			"choices": oneOrMany("What they can answer; \"done\" if nothing is given."),
		}),
		"approval": object([]string{"by", "expires"}, map[string]*jsonschema.Schema{
			"by":      {Description: "The role that may approve.", Enum: anys(roles)},
			"count":   people("How many different people have to agree."),
			"confirm": {Description: "What has to be typed.", Enum: []any{"region"}},
			"expires": durationText("How long the question stands before it is asked again."),
			"covers":  oneOrMany("Ids of later steps that need no approval of their own."),
		}),
	})
	step.AllOf = inputs
	section := object([]string{"section", "title", "steps"}, map[string]*jsonschema.Schema{
		"section": named("The section's name, which is its file's name."),
		"title":   sentence("The heading, for people."),
		"kind":    {Description: "What a run has to be for, for the section to be part of it; without it the section is part of those that move users.", Enum: anys(kinds)},
		"steps":   {Type: "array", Items: &jsonschema.Schema{Ref: "#/$defs/step"}},
	})
	runbook := object([]string{"runbook", "title", "modes", "sections"}, map[string]*jsonschema.Schema{
		"runbook": named("The runbook's name."),
		"title":   sentence("The title, for people."),
		"modes":   {Type: "array", MinItems: jsonschema.Ptr(1), UniqueItems: true, Items: &jsonschema.Schema{Enum: anys(modes)}},
		"sections": {
			Type: "array", Description: "Names of files in the folder sections, or sections written out.",
			Items: &jsonschema.Schema{AnyOf: []*jsonschema.Schema{named("A file in the folder sections, without .yaml."), {Ref: "#/$defs/section"}}},
		},
	})
	whole := &jsonschema.Schema{
		Schema: "https://json-schema.org/draft/2020-12/schema",
		Title:  "failoverbot runbook",
		// Which of the two it is shows in its first key. if/then gives better
		// messages in editors than anyOf.
		If:   &jsonschema.Schema{Required: []string{"runbook"}},
		Then: &jsonschema.Schema{Ref: "#/$defs/runbook"},
		Else: &jsonschema.Schema{Ref: "#/$defs/section"},
		Defs: map[string]*jsonschema.Schema{"runbook": runbook, "section": section, "step": step},
	}
	if _, err := whole.Resolve(nil); err != nil {
		return nil, fmt.Errorf("make the schema of a runbook: %w", err)
	}
	data, err := json.MarshalIndent(whole, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("make the schema of a runbook: %w", err)
	}
	return append(data, '\n'), nil
}

// schemaOfUse says: who uses this action gives these inputs.
func schemaOfUse(id string, a Action) *jsonschema.Schema {
	with := object(nil, nil)
	if typ := structOf(a.With); typ != nil {
		with = schemaOfStruct(typ, nil)
	}
	with.Description = a.About
	then := &jsonschema.Schema{Properties: map[string]*jsonschema.Schema{"with": with}}
	if len(with.Required) > 0 {
		then.Required = []string{"with"}
	}
	return &jsonschema.Schema{
		If:   &jsonschema.Schema{Properties: map[string]*jsonschema.Schema{"uses": {Const: jsonschema.Ptr(any(id))}}, Required: []string{"uses"}},
		Then: then,
	}
}

// schemaOfStruct follows the yaml tags, as decoding does. inside are the structs
// around it: one that contains itself may hold anything there.
func schemaOfStruct(typ reflect.Type, inside []reflect.Type) *jsonschema.Schema {
	if slices.Contains(inside, typ) {
		return &jsonschema.Schema{}
	}
	var required []string
	properties := map[string]*jsonschema.Schema{}
	for _, in := range strict.Fields(typ) {
		properties[in.Key] = schemaOf(in.Type, append(slices.Clone(inside), typ))
		if !in.Optional {
			required = append(required, in.Key)
		}
	}
	return object(required, properties)
}

func schemaOf(typ reflect.Type, inside []reflect.Type) *jsonschema.Schema {
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	if typ == reflect.TypeFor[time.Duration]() {
		return orFilledIn(durationText(""))
	}
	if p := reflect.PointerTo(typ); p.Implements(reflect.TypeFor[strict.Unmarshaler]()) ||
		p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) || typ == reflect.TypeFor[json.RawMessage]() {
		return &jsonschema.Schema{} // it reads itself
	}
	switch typ.Kind() {
	case reflect.Struct:
		return schemaOfStruct(typ, inside)
	case reflect.Slice:
		return &jsonschema.Schema{Type: "array", Items: schemaOf(typ.Elem(), inside)}
	case reflect.Map:
		return &jsonschema.Schema{Type: "object", AdditionalProperties: schemaOf(typ.Elem(), inside)}
	case reflect.String:
		// An unquoted number is text as well when text is wanted.
		return &jsonschema.Schema{Types: []string{"string", "number", "boolean"}}
	case reflect.Bool:
		return orFilledIn(&jsonschema.Schema{Type: "boolean"})
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return orFilledIn(&jsonschema.Schema{Type: "integer"})
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return orFilledIn(&jsonschema.Schema{Type: "integer", Minimum: jsonschema.Ptr(0.0)})
	case reflect.Float32, reflect.Float64:
		return orFilledIn(&jsonschema.Schema{Type: "number"})
	}
	return &jsonschema.Schema{}
}

// orFilledIn also takes a text that becomes the value: "{{ .Service.Replicas }}".
func orFilledIn(s *jsonschema.Schema) *jsonschema.Schema {
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{s, {Type: "string", Pattern: `\{\{`}}}
}

func object(required []string, properties map[string]*jsonschema.Schema) *jsonschema.Schema {
	return &jsonschema.Schema{
		Type: "object", Required: required, Properties: properties,
		AdditionalProperties: &jsonschema.Schema{Not: &jsonschema.Schema{}},
	}
}

func named(about string) *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Pattern: nameForm.String(), Description: about}
}

func sentence(about string) *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", MinLength: jsonschema.Ptr(1), Description: about}
}

func durationText(about string) *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Pattern: `^([0-9.]+(ns|us|µs|ms|s|m|h))+$`, Description: about}
}

func people(about string) *jsonschema.Schema {
	return &jsonschema.Schema{Type: "integer", Minimum: jsonschema.Ptr(1.0), Maximum: jsonschema.Ptr(9.0), Description: about}
}

func oneOrMany(about string) *jsonschema.Schema {
	// Two calls: a schema may stand in one place only.
	return &jsonschema.Schema{Description: about, AnyOf: []*jsonschema.Schema{sentence(""), {Type: "array", Items: sentence("")}}}
}

func anys(words []string) []any {
	out := make([]any, len(words))
	for i, w := range words {
		out[i] = w
	}
	return out
}
